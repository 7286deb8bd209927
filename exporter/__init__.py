"""A Prometheus exporter for the outgoing payments of lnd nodes."""

__version__ = "0.2.0"
