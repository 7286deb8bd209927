"""PromQL that several dashboards share; where the exporter's own series would be costly, it reads recorded ones."""

from collections.abc import Sequence

from exporter.payments.labels import AmountBand, Purpose
from exporter.rules import recording
from exporter.rules.boards import MADE_GOOD_BY_BAND
from exporter.rules.liquidity import LONGEST_H, RUNWAY
from exporter.rules.recording import BAD, BAD_BY_BAND, FINISHED, FINISHED_BY_BAND, SLOW, allowed
from exporter.rules.rule import PER_NODE, PREFIX, at_exporter, exactly
from exporter.rules.values import SHOWN, WHOSE, Values, read

DAY_S = 86_400
SAT = 1000
"""msat in a satoshi."""

# The alerts' thresholds: all those that a dashboard shows.

VALUES: Values = read()[SHOWN]
"""The values of the strictest profile."""
TARGETS = {band: VALUES.target_percent[band] / 100 for band in AmountBand}
TARGET = TARGETS[AmountBand.UNDER_100K]
"""Target success rate of medium amounts."""
ALERTS = VALUES.alerts
OUTAGE = 1 - ALERTS.outage.percent / 100
"""A success rate below this is an outage."""
BURNS = {"budget": ALERTS.error_budget.burn, "slow": ALERTS.fail_slowly.burn, "fast": ALERTS.fail_fast.burn}
BURN_LEAST = {"1h": ALERTS.fail_fast.at_least, "6h": ALERTS.fail_slowly.at_least}
"""Payments that must have finished in a window before its burn rate can trigger an alert."""
BURNT_BY = WHOSE[VALUES.success]
"""What burns the error budget, a sentence."""
FEW = ALERTS.outage.at_least
"""A share of fewer payments says little: it is shown, but not judged."""
QUICK_S, SLOW_SHARE = ALERTS.slow.seconds, ALERTS.slow.percent / 100
FIRST_HTLC_S, FIRST_HTLC_SHARE = ALERTS.path_finding_slow.seconds, ALERTS.path_finding_slow.percent / 100
FAR, NEAR = ALERTS.htlc_near_expiry.warning_blocks, ALERTS.htlc_near_expiry.critical_blocks
"""Blocks left of a held HTLC, at which the alerts begin."""
BLAMED, BLAMED_LEAST, BLAMED_WINDOW = ALERTS.peer_fails.percent / 100, ALERTS.peer_fails.at_least, "30m"
"""Share of a peer's HTLC attempts that fail at it, and the minimum number and the window of these attempts."""
HEADER_S = ALERTS.chain_stalls.header_hours * 3600
DELAY_S, DELAY_SHARE = ALERTS.updates_delayed.seconds, ALERTS.updates_delayed.percent / 100
CERTIFICATE_S = (ALERTS.certificate_expires.critical_days * DAY_S, ALERTS.certificate_expires.warning_days * DAY_S)
NO_RULES = "or the rules are not loaded"
"""The end of the text of an empty panel that reads recorded series."""
NO_RULES_HERE = "or no rules"
"""The same for a small panel."""

# The dashboard's variables.

ANYWHERE = 'job=~"$job",node=~"$node"'
"""Matchers for the chosen nodes on any instance."""
HERE = 'job=~"$job",instance=~"$instance",node=~"$node"'
JOBS = 'job=~"$job"'
"""Matcher for series without a label `node`; see also `of_exporters`."""
PURPOSE, KIND = (f'{label}=~"${{purpose:pipe}}"' for label in ("purpose", "kind"))
"""Matchers with one variable for two labels: each of its values is a purpose and the kinds of it."""

PAYMENT = exactly("purpose", Purpose.PAYMENT)
"""Matcher for payments, without rebalances and probes."""
NODE = ("job", "instance", "node")
"""Labels that identify a node: two exporters may use the same name for two nodes."""
WHO = "{{node}} ({{instance}})"


def m(name: str, *matchers: str) -> str:
    """Return a selector for the chosen nodes, from the end of a metric's name or from a recorded series' full name."""
    whole = name if ":" in name else f"lnd_payments_{name}"
    return f"{whole}{{{','.join((HERE, *matchers))}}}"


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


def finished(window: str, *by: str) -> str:
    """Return the number of payments that count for the success rate."""
    return total(increase(FINISHED_BY_BAND if "amount_band" in by else FINISHED, window=window), *by)


def bad(window: str, *by: str) -> str:
    """Return the number of those payments that the node failed."""
    return total(increase(BAD_BY_BAND if "amount_band" in by else BAD, window=window), *by)


def left_bad(window: str, *by: str) -> str:
    """Return the number of the bad payments that no later run of the same hash made good.

    It is right over windows much longer than the time after which people pay again.
    """
    burnt = bad(window, *by)
    made_good = total(increase(MADE_GOOD_BY_BAND, window=window), *by)
    return f"clamp_min({burnt} - ({made_good} or 0 * {burnt}), 0)"  # 0: an older exporter


def overall(window: str, *by: str) -> str:
    """Return the success rate: the share that the node did not fail; empty without payments."""
    return f"1 - {bad(window, *by)} / ({finished(window, *by)} > 0)"


def overall_in_the_end(window: str, *by: str) -> str:
    """Return the success rate of the customer, with the denominator of `overall`: what was made good isn't bad."""
    return f"1 - {left_bad(window, *by)} / ({finished(window, *by)} > 0)"


def target(window: str) -> str:
    """Return the success rate that the targets ask for, for just these amounts; empty without payments."""
    return f"1 - {total(increase(allowed(SLOW), window=window))} / ({finished(window)} > 0)"


def burn(window: str) -> str:
    """Return each node's burn rate, as recorded for the alerts; empty without payments."""
    return f"{m(recording.burn(window))} >= 0"


def enough(window: str) -> str:
    """Return a condition: enough payments finished for an alert on their burn rate."""
    return f"{PER_NODE} increase({m(FINISHED)}[{window}]) >= {BURN_LEAST[window]}"


def runway() -> str:
    """Return how many seconds each node's spendable balance lasts at its present trend, as the alert has it.

    Nothing while the balance doesn't fall, or lasts for a month.
    """
    return f"3600 * ({m(RUNWAY)} < {LONGEST_H} and {PER_NODE} {m('node_up')} == 1)"


def firing(*names: str) -> str:
    """Return the firing alerts of the chosen nodes with these names, without the prefix."""
    which = f'alertstate="firing",alertname=~"{PREFIX}({"|".join(names)})"'
    return f"ALERTS{{{HERE},{which}}}"


def judged(value: str, cases: Sequence[tuple[str, str]], otherwise: str) -> str:
    """Return a single value with a label `is`: the word of the first case whose condition has a result."""
    said = [f'label_replace({value} and on () ({when}), "is", "{word}", "", "")' for when, word in cases]
    return " or on () ".join([*said, f'label_replace({value}, "is", "{otherwise}", "", "")'])
