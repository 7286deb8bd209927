"""The metrics that the rules name: the only ones that an incident needs."""

import re

from exporter.metrics.names import ROWS
from exporter.rules.generate import groups
from exporter.rules.values import Success, read

EVERYTHING = {"alerts": {"FeeBudget": {"sat": {"rebalance": 5000}}}}
"""Values for values.yml with which every alert is in some profile."""
_PROFILES = [values for success in Success for values in read(more=EVERYTHING | {"success": success.value}).values()]
_RULES = [rule for values in _PROFILES for group in groups(values) for rule in group.rules]
_NAMES = {
    word.removesuffix("_bucket").removesuffix("_count").removesuffix("_sum")
    for rule in _RULES
    for word in re.findall(r"\blnd_payments_\w+", rule.expr)
}
NAMED = tuple(row for row in ROWS if row.name in _NAMES)
"""The metrics that the rules name."""
