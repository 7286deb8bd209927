"""Recorded series that read days of history: they change slowly, so they are evaluated seldom."""

from exporter.rules.liquidity import balances
from exporter.rules.recording import DAYS, PENDING, SENT_1H, burn, recorded_burn
from exporter.rules.rule import Group, Recording, Selector
from exporter.rules.usual import usually_finished
from exporter.rules.values import Values

SLOWLY = "3m"
"""Interval of rules that read days; Prometheus' lookback of 5 minutes must be longer."""
USUALLY_PENDING = "instance_node:lnd_payments_pending:p99_7d"
"""As many are pending at most, 99 % of the time within a week; absent on a node's first day."""
MOST_SENT_1H = "instance_node:lnd_payments_sent_msat:max7d_increase1h"
"""The most that was sent within an hour, of a week; absent on a node's first day."""


def of_days(values: Values) -> Group:
    """Return the recordings that read days: they change slowly, so they are evaluated seldom."""
    s = Selector(values)

    def for_a_day(series: str, of_week: str) -> str:
        """Restrict what is usual to nodes that are known for a day."""
        return f"{of_week} and last_over_time({series}[6d] offset 1d)"

    pending, sent = s(PENDING), s(SENT_1H)
    return Group(
        "days",
        [
            Recording(burn(DAYS), recorded_burn(s, values, DAYS)),
            Recording(USUALLY_PENDING, for_a_day(pending, f"quantile_over_time(0.99, {pending}[7d] offset 1h)")),
            Recording(MOST_SENT_1H, for_a_day(sent, f"max_over_time({sent}[7d] offset 1h)")),
            *usually_finished(s),
            *balances(s, values),
        ],
        interval=SLOWLY,
    )
