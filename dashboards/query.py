"""PromQL that several dashboards share; only metrics that the exporter itself exposes, no recorded series."""

from collections.abc import Iterable

from deploy.prometheus.recording import KNOWN, MOST_BAD, WINDOWS, budgets, factors
from deploy.prometheus.rule import MEMORY, exactly, one_of
from deploy.prometheus.values import SHOWN, Values, read
from exporter.payments.labels import AmountBand, Outcome, Purpose

DAY_S = 86_400
SAT = 1000
"""msat in a satoshi."""

# Where the alerts begin: every threshold that a dashboard shows.

VALUES: Values = read()[SHOWN]
"""Where the profiles differ the strictest."""
TARGETS = {band: VALUES.target_percent[band] / 100 for band in AmountBand}
TARGET, SMALL_TARGET = TARGETS[AmountBand.UNDER_100K], TARGETS[AmountBand.UNDER_1K]
"""The success rates that are asked of middle and of small amounts."""
ALERTS = VALUES.alerts
OUTAGE = 1 - ALERTS.outage.percent / 100
"""A success rate below is an outage."""
BURNS = {"budget": ALERTS.error_budget.burn, "slow": ALERTS.fail_slowly.burn, "fast": ALERTS.fail_fast.burn}
BURN_LEAST = {"1h": ALERTS.fail_fast.at_least, "6h": ALERTS.fail_slowly.at_least}
"""Payments that must have finished before an alert is told of their burn rate."""
QUICK_S = ALERTS.slow.seconds
FIRST_HTLC_S, FIRST_HTLC_SHARE = ALERTS.path_finding_slow.seconds, ALERTS.path_finding_slow.percent / 100
FAR, NEAR = ALERTS.htlc_near_expiry.warning_blocks, ALERTS.htlc_near_expiry.critical_blocks
"""Blocks that are left of a held HTLC."""
BLAMED, BLAMED_LEAST, BLAMED_WINDOW = ALERTS.peer_fails.percent / 100, ALERTS.peer_fails.at_least, "30m"
"""Share of a peer's HTLC attempts that fail through its fault, of at least so many."""
HEADER_S = ALERTS.chain_stalls.header_hours * 3600
DELAY_S, DELAY_SHARE = ALERTS.updates_delayed.seconds, ALERTS.updates_delayed.percent / 100
CERTIFICATE_S = (ALERTS.certificate_expires.critical_days * DAY_S, ALERTS.certificate_expires.warning_days * DAY_S)
LAST_PAGE = MEMORY
"""The last page of an exporter that is away holds for so long."""

# What is chosen above the panels.

HERE = 'job=~"$job",instance=~"$instance",node=~"$node"'
OURS = 'job=~"$job",instance=~"$instance"'
"""Of the exporters, whose own metrics have no node."""
PURPOSE, KIND = (f'{label}=~"${{purpose:pipe}}"' for label in ("purpose", "kind"))
"""One variable for two labels: each of its values is a purpose and its kinds."""

COUNTED = one_of("kind", VALUES.counted_kinds)
BAD = one_of("reason", VALUES.bad_reasons)
DONE = (exactly("purpose", Purpose.PAYMENT), exactly("outcome", Outcome.SUCCEEDED))
"""Payments that arrived; neither rebalances nor probes."""
NODE = ("job", "instance", "node")
"""Two exporters may give two nodes the same name."""
WHO = "{{node}} ({{instance}})"


def m(name: str, *matchers: str) -> str:
    """A selector of the chosen nodes, by the end of a metric's name."""
    return f"lnd_payments_{name}{{{','.join((HERE, *matchers))}}}"


def increase(name: str, *matchers: str, window: str = "$__range") -> str:
    """How much a counter rose."""
    return f"increase({m(name, *matchers)}[{window}])"


def total(expr: str, *by: str) -> str:
    """A sum, by labels."""
    return f"sum by ({', '.join(by)}) ({expr})" if by else f"sum({expr})"


def each(expr: str) -> str:
    """Of each node the one series that it has."""
    return f"max by ({', '.join(NODE)}) ({expr})"


def rate(name: str, *matchers: str) -> str:
    """By how much a counter rises in a second, over as short a time as can be shown."""
    return f"rate({m(name, *matchers)}[$__rate_interval])"


def finished(window: str, *by: str, matchers: Iterable[str] = ()) -> str:
    """Payments that count for the success rate."""
    done = total(increase("succeeded_total", COUNTED, *matchers, window=window), *by)
    failed = total(increase("failed_total", COUNTED, KNOWN, *matchers, window=window), *by)
    return f"({done} + {failed})"


def bad(window: str, *by: str, matchers: Iterable[str] = ()) -> str:
    """Those of them that the node failed."""
    return total(increase("failed_total", COUNTED, BAD, *matchers, window=window), *by)


def success_rate(window: str, *by: str, matchers: Iterable[str] = ()) -> str:
    """The share that did not fail; 1 where nothing was paid."""
    matchers = tuple(matchers)
    return f"1 - {bad(window, *by, matchers=matchers)} / clamp_min({finished(window, *by, matchers=matchers)}, 1)"


def overall(window: str, *by: str) -> str:
    """The same over all amounts; nothing where nothing was paid."""
    return f"1 - {bad(window, *by)} / ({finished(window, *by)} > 0)"


def burn(window: str) -> str:
    """For each node how many times as many payments fail as the targets allow; nothing where nothing was paid.

    What is allowed is capped as in the recorded burn rate of the same window, for so are the alerts.
    """
    parts = (
        f"{budget:g} * {finished(window, *NODE, matchers=[one_of('amount_band', bands)])}"
        for budget, bands in budgets(VALUES, MOST_BAD / factors(VALUES)[WINDOWS[window]]).items()
    )
    return f"{bad(window, *NODE)} / (({' + '.join(parts)}) > 0)"


def enough(window: str) -> str:
    """Whether so many payments finished that an alert would be told of their burn rate."""
    return f"{finished(window, *NODE)} >= {BURN_LEAST[window]}"
