"""Why a payment failed, as far as lnd can tell when it is asked: for `why`, and for samples while the exporter runs."""
