"""PromQL that several dashboards share; only metrics that the exporter itself exposes, no recorded series."""

from collections.abc import Iterable

from deploy.prometheus.recording import KNOWN, budgets
from deploy.prometheus.rule import exactly, one_of
from deploy.prometheus.values import Values, read
from exporter.payments.labels import AmountBand, Outcome, Purpose

VALUES: Values = read()["service"]
"""The thresholds that the dashboards show: those of the alerts, where the profiles differ of the strictest."""
HERE = 'job=~"$job",node=~"$node"'
OURS = 'job=~"$job"'
"""Of the exporters, whose own metrics have no node."""
PURPOSE = 'purpose=~"$purpose"'
KIND = 'kind=~"$kind"'
COUNTED = one_of("kind", VALUES.counted_kinds)
BAD = one_of("reason", VALUES.bad_reasons)
OUTAGE = 1 - VALUES.outage_bad_percent / 100
"""A success rate below is an outage."""
TARGET = VALUES.target_percent[AmountBand.UNDER_100K] / 100
"""The success rate that is asked of middle amounts."""
DONE = (exactly("purpose", Purpose.PAYMENT), exactly("outcome", Outcome.SUCCEEDED))
"""Payments that arrived; neither rebalances nor probes."""
SAT = 1000
"""msat in a satoshi."""
DAY_S = 86_400


def m(name: str, *matchers: str) -> str:
    """A selector of the chosen nodes, by the end of a metric's name."""
    return f"lnd_payments_{name}{{{','.join((HERE, *matchers))}}}"


AWAY = f"count({m('node_up')} == 0) or vector(0)"
"""How many nodes don't answer."""


def increase(name: str, *matchers: str, window: str = "$__range") -> str:
    """How much a counter rose."""
    return f"increase({m(name, *matchers)}[{window}])"


def total(expr: str, *by: str) -> str:
    """A sum, by labels."""
    return f"sum by ({', '.join(by)}) ({expr})" if by else f"sum({expr})"


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


def overall(window: str) -> str:
    """The same over all amounts; nothing where nothing was paid."""
    return f"1 - {bad(window)} / ({finished(window)} > 0)"


def allowed(window: str) -> str:
    """How many of the finished payments the targets allow to be bad, by their amounts."""
    parts = (
        f"{budget:g} * {finished(window, matchers=[one_of('amount_band', bands)])}"
        for budget, bands in budgets(VALUES).items()
    )
    return f"({' + '.join(parts)})"


def burn(window: str) -> str:
    """How many times as many payments fail as the targets allow; nothing where nothing was paid."""
    return f"{bad(window)} / ({allowed(window)} > 0)"
