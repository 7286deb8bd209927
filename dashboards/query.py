"""PromQL that several dashboards share; it uses only the exporter's own metrics, no recorded series."""

from collections.abc import Iterable

from deploy.prometheus.recording import KNOWN, MOST_BAD, WINDOWS, budgets, factors
from deploy.prometheus.rule import MEMORY, at_exporter, exactly, one_of
from deploy.prometheus.values import SHOWN, WHOSE, Success, Values, read
from exporter.payments.labels import AmountBand, Outcome, Purpose

DAY_S = 86_400
SAT = 1000
"""msat in a satoshi."""

# The alerts' thresholds: all those that a dashboard shows.

VALUES: Values = read()[SHOWN]
"""The values of the strictest profile."""
TARGETS = {band: VALUES.target_percent[band] / 100 for band in AmountBand}
TARGET, SMALL_TARGET = TARGETS[AmountBand.UNDER_100K], TARGETS[AmountBand.UNDER_1K]
"""Target success rates of medium and of small amounts."""
ALERTS = VALUES.alerts
OUTAGE = 1 - ALERTS.outage.percent / 100
"""A success rate below this is an outage."""
BURNS = {"budget": ALERTS.error_budget.burn, "slow": ALERTS.fail_slowly.burn, "fast": ALERTS.fail_fast.burn}
BURN_LEAST = {"1h": ALERTS.fail_fast.at_least, "6h": ALERTS.fail_slowly.at_least}
"""Payments that must have finished in a window before its burn rate can trigger an alert."""
BURNT_BY = WHOSE[VALUES.success]
"""What burns the error budget, a sentence."""
QUICK_S = ALERTS.slow.seconds
FIRST_HTLC_S, FIRST_HTLC_SHARE = ALERTS.path_finding_slow.seconds, ALERTS.path_finding_slow.percent / 100
FAR, NEAR = ALERTS.htlc_near_expiry.warning_blocks, ALERTS.htlc_near_expiry.critical_blocks
"""Blocks left of a held HTLC, at which the alerts begin."""
BLAMED, BLAMED_LEAST, BLAMED_WINDOW = ALERTS.peer_fails.percent / 100, ALERTS.peer_fails.at_least, "30m"
"""Share of a peer's HTLC attempts that fail at it, and the minimum number and the window of these attempts."""
HEADER_S = ALERTS.chain_stalls.header_hours * 3600
DELAY_S, DELAY_SHARE = ALERTS.updates_delayed.seconds, ALERTS.updates_delayed.percent / 100
CERTIFICATE_S = (ALERTS.certificate_expires.critical_days * DAY_S, ALERTS.certificate_expires.warning_days * DAY_S)
LAST_PAGE = MEMORY
"""How long the last page of an exporter that is away is used."""

# The dashboard's variables.

ANYWHERE = 'job=~"$job",node=~"$node"'
"""Matchers for the chosen nodes on any instance."""
HERE = 'job=~"$job",instance=~"$instance",node=~"$node"'
JOBS = 'job=~"$job"'
"""Matcher for series without a label `node`; see also `of_exporters`."""
PURPOSE, KIND = (f'{label}=~"${{purpose:pipe}}"' for label in ("purpose", "kind"))
"""Matchers with one variable for two labels: each of its values is a purpose and the kinds of it."""

COUNTED = one_of("kind", VALUES.counted_kinds)
BAD = one_of("reason", VALUES.bad_reasons)
SUCCEEDED = (exactly("purpose", Purpose.PAYMENT), exactly("outcome", Outcome.SUCCEEDED))
"""Matchers for payments that succeeded, without rebalances and probes."""
NODE = ("job", "instance", "node")
"""Labels that identify a node: two exporters may use the same name for two nodes."""
WHO = "{{node}} ({{instance}})"


def m(name: str, *matchers: str) -> str:
    """Return a selector for the chosen nodes, from the end of a metric's name."""
    return f"lnd_payments_{name}{{{','.join((HERE, *matchers))}}}"


def of_exporters(expr: str) -> str:
    """Restrict series without a label `node` to the exporters of the chosen nodes, and to the pages of these nodes."""
    nodes = f"last_over_time({m('node_up')}[$__range])"
    return f"({expr} and on (job, instance) ({nodes} or {at_exporter(nodes)}))"


def increase(name: str, *matchers: str, window: str = "$__range") -> str:
    """Return the increase of a counter."""
    return f"increase({m(name, *matchers)}[{window}])"


def total(expr: str, *by: str) -> str:
    """Return a sum by labels."""
    return f"sum by ({', '.join(by)}) ({expr})" if by else f"sum({expr})"


def each(expr: str) -> str:
    """Return the single series of each node."""
    return f"max by ({', '.join(NODE)}) ({expr})"


def rate(name: str, *matchers: str) -> str:
    """Return the rate of a counter over the shortest window that can be shown."""
    return f"rate({m(name, *matchers)}[$__rate_interval])"


def finished(window: str, *by: str, matchers: Iterable[str] = ()) -> str:
    """Return the number of payments that count for the success rate."""
    done = total(increase("succeeded_total", COUNTED, *matchers, window=window), *by)
    failed = total(increase("failed_total", COUNTED, KNOWN, *matchers, window=window), *by)
    return f"({done} + {failed})"


def bad(window: str, *by: str, matchers: Iterable[str] = ()) -> str:
    """Return the number of those payments that the node failed."""
    return total(increase("failed_total", COUNTED, BAD, *matchers, window=window), *by)


def made_good(window: str, *by: str) -> str:
    """Return the number of the bad payments that a later run of the same hash made good."""
    return total(increase("failed_made_good_total", COUNTED, BAD, window=window), *by)


def left_bad(window: str, *by: str) -> str:
    """Return the number of the bad payments that were not made good.

    It is right over windows much longer than the time after which people pay again.
    """
    return f"clamp_min({bad(window, *by)} - {made_good(window, *by)}, 0)"


def success_rate(window: str, *by: str, matchers: Iterable[str] = ()) -> str:
    """Return the share that did not fail; 1 without payments."""
    matchers = tuple(matchers)
    return f"1 - {bad(window, *by, matchers=matchers)} / clamp_min({finished(window, *by, matchers=matchers)}, 1)"


def overall(window: str, *by: str) -> str:
    """Return the success rate over all amounts; empty without payments."""
    return f"1 - {bad(window, *by)} / ({finished(window, *by)} > 0)"


def overall_in_the_end(window: str, *by: str) -> str:
    """Return the success rate of the customer, with the denominator of `overall`: what was made good isn't bad."""
    return f"1 - {left_bad(window, *by)} / ({finished(window, *by)} > 0)"


def burn(window: str, values: Values = VALUES) -> str:
    """Return each node's burn rate: its bad payments divided by those that the targets allow; empty without any.

    The allowance is capped as in the recorded burn rate of the same window, which the alerts use. The customer's burn
    rate leaves out what was made good, as that one does.
    """
    parts = (
        f"{budget:g} * {finished(window, *NODE, 'amount_band', matchers=[one_of('amount_band', bands)])}"
        for budget, bands in budgets(values, MOST_BAD / factors(values)[WINDOWS[window]]).items()
    )
    burnt = bad(window, *NODE)
    if values.success is Success.CUSTOMER:
        burnt = f"clamp_min({burnt} - ({made_good(window, *NODE)} or 0 * {burnt}), 0)"
    return f"{burnt} / ({total(' or '.join(parts), *NODE)} > 0)"


def enough(window: str) -> str:
    """Return a condition: enough payments finished for an alert on their burn rate."""
    return f"{finished(window, *NODE)} >= {BURN_LEAST[window]}"
