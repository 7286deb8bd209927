"""The error budget over history from before the exporter, of which rules have recorded only what finished."""

from pathlib import Path

import pytest

from exporter.rules.last_page import SEEN
from exporter.rules.recording import FINISHED
from tests.dashboards.panels import panel_query
from tests.promtool import Expected, query_errors

pytestmark = pytest.mark.usefixtures("programs")

NODE = 'job="lnd-payments",instance="a:10019",node="alice"'
SPAN = panel_query("lnd-payments-overview", "Error budget left", "B", "7d")
BURN = panel_query("lnd-payments-overview", "Error budget burn", "A", "7d")
BEGAN_MIN, NOW_MIN = 5_000, 5_400
LIVE = {f"{SEEN}{{{NODE}}}": f"_x{BEGAN_MIN - 1} {BEGAN_MIN * 60}+60x400"}
HISTORY = {f"{FINISHED}{{{NODE}}}": f"0+1x{NOW_MIN}"}
THREE_DAYS_S = 259_200


def test_span_of_the_budget(tmp_path: Path) -> None:
    """It is the time since the rules know the node; three days, if history tells what finished then."""
    assert not query_errors(tmp_path, LIVE, [Expected(SPAN, NOW_MIN, {"{}": (NOW_MIN - BEGAN_MIN) * 60})])
    assert not query_errors(tmp_path, LIVE | HISTORY, [Expected(SPAN, NOW_MIN, {"{}": THREE_DAYS_S})])


def test_burn_where_few_finished(tmp_path: Path) -> None:
    """It is 0 over history, too, and not missing."""
    assert not query_errors(tmp_path, HISTORY, [Expected(BURN, BEGAN_MIN - 1, {"{}": 0})])
