"""Alerts on more or less traffic than usual: payments that stay away, amounts and fees that are too large."""

from exporter.payments.labels import PURPOSE, Purpose
from exporter.rules.days import MOST_SENT_1H
from exporter.rules.recording import FINISHED, SENT, SENT_1H, present
from exporter.rules.rule import NODE, PER_NODE, Alert, Group, Selector, exactly, here, one_of, ratio, value_of
from exporter.rules.usual import WINDOWS, Window, number_finished
from exporter.rules.values import Values

_SAT = 1000  # msat


def traffic(values: Values) -> Group:
    """Return the alerts on more or less traffic than usual."""
    s = Selector(values)
    return Group("traffic", [_traffic_gone(s, values), _outflow(s, values), *_fees(s, values)])


def _traffic_gone(s: Selector, values: Values) -> Alert:
    """Return the alert on payments that stay away: many within minutes, few within hours.

    With M the minimum `at_least`, it fires if the number is at most `percent` of (usual - M): so none, if M are usual.
    If payments come one by one at random, that never happens by chance: for M to be the least of all those windows of
    two days, about 2 M must come on average, and if 24 are expected, the chance of none is e^-24, 4 in 10^11. Simulated
    with the values of the profile `service` (2 years for each of 8 rates): no false alarm in any window. If they come
    in groups of three, a window of an hour or three has some 5 a year at the worst rate, about 2 M in the window; in
    groups of five some 35. Such a node needs a larger M.

    The number counts payments that end, so it also fires if all of them hang. It doesn't matter how many are pending:
    on a large node always some are, and a single held one would mute the alert.

    The stream must have been up for the shortest window, and without a longer absence in the others.
    """
    given = values.alerts.traffic_gone

    def gone(window: Window) -> str:
        """Return the share of the usual number, if it is too low."""
        share = f"{number_finished(s, window.minutes)} / {s(window.usual)}"
        limit = f"{ratio(given.percent)} * (1 - {given.at_least} / {s(window.usual)})"
        if window is WINDOWS[0]:
            return f"{share} <= {limit} and {PER_NODE} min_over_time({s('stream_up')}[{window}]) == 1"
        return f"{share} <= {limit} and {PER_NODE} {s('stream_up')} == 1 {present(s, str(window))}"

    def told(window: Window) -> str:
        number = f"{here(FINISHED)} - {here(FINISHED)} offset {window.minutes}m"
        return f"{value_of(number)} within {window}, usually at least {value_of(here(window.usual))}"

    pending = value_of(f"sum({here('lnd_payments_in_flight', exactly('purpose', Purpose.PAYMENT))})")
    return Alert(
        "TrafficGone",
        given.severity,
        " or ".join(gone(window) for window in WINDOWS),
        f"{NODE}: only {{{{ $value | humanizePercentage }}}} of the usual payments",
        f"""Payments that ended: {"; ".join(told(window) for window in WINDOWS)}. Usual is what ended at this time
        yesterday and a week ago. lnd answers, and {pending} payments are in flight: if these are few, nobody asks lnd
        to pay, so look at what makes the payments; if they are many, they hang.""",
        "overview",
        for_="2m",
        keep_firing_for="10m",
    )


def _outflow(s: Selector, values: Values) -> Alert:
    """Return the alert on outflow; after a longer absence only the last minutes count, because the rest is over."""
    given = values.alerts.outflow
    sent = f"({s(SENT_1H)} or increase({s(SENT)}[10m]) {present(s, '10m')}) / {_SAT}"
    before = f"{s(MOST_SENT_1H)} / {_SAT}"
    return Alert(
        "Outflow",
        given.severity,
        f"""
        {sent} > {given.times:g} * {before}
        and {sent} > {given.sat}
        """,
        f"{NODE}: {{{{ $value | humanize }}}} sat were sent within an hour",
        f"""More than {given.times:g} times as much was sent within an hour or less (rebalances aside) as in any hour of
        the last week, and more than {given.sat:,} sat. If nobody meant to: this is also what a stolen macaroon looks
        like.""",
        "overview",
        keep_firing_for="10m",
    )


def _fees_of(s: Selector, purpose: Purpose) -> str:
    """Return the fees within a day, in msat; from the counter, because the histogram may be left out."""
    paid = s("fees_msat_total", one_of("kind", [kind for kind, of in PURPOSE.items() if of is purpose]))
    return f'label_replace(sum without (kind, amount_band) (increase({paid}[1d])), "purpose", "{purpose}", "", "")'


def _fees(s: Selector, values: Values) -> list[Alert]:
    given = values.alerts.fee_budget
    return [
        Alert(
            "FeeBudget",
            given.severity,
            f"{_fees_of(s, purpose)} / {_SAT} > {limit}",
            f'{NODE}: {{{{ $value | printf "%.0f" }}}} sat of fees within a day for purpose `{purpose}`',
            f"""More than the limit of {limit:,} sat, which is set in values.yml, was paid for routing within the last
            24 hours. A tool that rebalances in a circle, at any price, looks like this.""",
            "overview",
            keep_firing_for="10m",
        )
        for purpose, limit in given.sat.items()
    ]
