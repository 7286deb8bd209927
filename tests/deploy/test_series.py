"""docs/series.md is true; rules and dashboards live without groups of series, or the page says that they need them."""

from pathlib import Path

import pytest

from exporter.metrics.groups import Group
from tests.deploy.documented import check
from tests.deploy.needs import Effect, alerts, effect
from tests.deploy.series import SECTIONS

PAGE = Path(__file__).parents[2] / "docs" / "series.md"


@pytest.mark.parametrize("name", SECTIONS)
def test_generated_part(name: str) -> None:
    """`UPDATE_GOLDEN=1 pytest tests/deploy` generates it."""
    check(PAGE, name, SECTIONS[name]())


def test_only_one_alert_needs_a_group() -> None:
    """An alert that can't fire looks like one for which all is well: whoever adds one must decide that it may."""
    needing = {(group, name) for group in Group for name, found in alerts(group).items() if found is Effect.NOTHING}
    assert needing == {(Group.PEERS, "PeerFails")}


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        ("sum(lnd_payments_failed_total)", Effect.NONE),
        ("sum without (amount_band) (lnd_payments_failed_total)", Effect.NONE),
        ("sum by (node) (lnd_payments_failed_total)", Effect.NONE),
        ("sum by (node, amount_band) (lnd_payments_failed_total)", Effect.COARSER),
        ("a + on (amount_band) b", Effect.COARSER),
        ('rate(lnd_payments_failed_total{amount_band="1k_to_10k_sat"}[5m])', Effect.NOTHING),
        ('rate(lnd_payments_failed_total{amount_band=~"1k_to_10k_sat|"}[5m])', Effect.COARSER),
        ('rate(lnd_payments_failed_total{amount_band!="1k_to_10k_sat"}[5m])', Effect.COARSER),
        ('lnd_payments_failed_total{amount_band!~"1k_to_10k_sat|"}', Effect.NOTHING),
        ('a{amount_band="x"} or a{amount_band=""}', Effect.COARSER),
        ('a{amount_band="x"} or b{amount_band="y"}', Effect.NOTHING),
        ('a unless b{amount_band="x"}', Effect.COARSER),
        ('max_over_time((a{amount_band="x"})[5m:1m]) + 1', Effect.NOTHING),
        ("recorded > 1", Effect.NOTHING),
    ],
)
def test_effect_on_an_expression(expr: str, expected: Effect) -> None:
    """Of leaving out a label."""
    assert effect(expr, Group.AMOUNTS, {"recorded": Effect.NOTHING}) is expected


@pytest.mark.parametrize("suffix", ["_bucket", "_sum", "_count"])
def test_effect_of_a_metric_that_is_left_out(suffix: str) -> None:
    """A histogram is left out with all its series."""
    expr = f"sum(rate(lnd_payments_fee_ppm{suffix}[5m]))"
    assert [effect(expr, group) for group in (Group.FEE_HISTOGRAMS, Group.PEERS)] == [Effect.NOTHING, Effect.NONE]
