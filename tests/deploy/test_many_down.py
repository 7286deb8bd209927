"""Many nodes or exporters that are down at once: the alert on many fires, and before the single ones."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from exporter.rules.down import SEVERAL
from exporter.rules.rule import PREFIX
from tests.deploy.test_absences import DAY, HOUR, Story, check, exporter, never
from tests.promtool import Expected

pytestmark = pytest.mark.usefixtures("programs")

LONG_MIN = 30
BEGINS_MIN = 10
SINGLE = " or ".join(f'ALERTS{{alertname="{PREFIX}{name}",alertstate="firing"}}' for name in SEVERAL)


def many(severity: str) -> str:
    """Return a query for the firing alert on many, without its labels."""
    return f'sum(ALERTS{{alertname="{PREFIX}ManyNodesDown",alertstate="firing",severity="{severity}"}})'


def alone(severity: str) -> str:
    """Return a query for the number of single alerts that fire without the alert on many of the same severity."""
    firing = f'({SINGLE}) and on (severity) label_replace(vector(1), "severity", "{severity}", "", "")'
    return f"count({firing}) unless {many(severity)}"


def node(number: int, runs: str, state: str = "ready") -> Story:
    """Return a node of an exporter of its own, which is up while the node has a page."""
    labels = f'job="lnd-payments",instance="{number}:10019",node="node-{number}"'
    ups = {f"lnd_payments_node_up{{{labels}}}": runs}
    return exporter(f"{number}:10019", UPS[runs]) | ups | in_state(labels, state)


def in_state(labels: str, state: str) -> Story:
    """Return a node that is in a state from the beginning of the incident on."""
    return {f'lnd_payments_node_state{{{labels},state="{state}"}}': f"0x{BEGINS_MIN - 1} 1x{LONG_MIN}"}


HEALTHY = f"1x{BEGINS_MIN + LONG_MIN - 1}"
AWAY = f"1x{BEGINS_MIN - 1} stale _x{LONG_MIN - 1}"
UPS = {HEALTHY: HEALTHY, AWAY: f"1x{BEGINS_MIN - 1} 0x{LONG_MIN}"}
"""What `up` is while a node has, or lacks, a page."""


def fleet(nodes: int, away: int) -> Story:
    """Return exporters of a node each, of which some go away."""
    return {
        name: runs for number in range(nodes) for name, runs in node(number, AWAY if number < away else HEALTHY).items()
    }


def times(severity: str, first_min: int) -> list[Expected]:
    """Return that the alert on many fires from this minute of the incident on, and no single one before it."""
    begins = BEGINS_MIN + first_min
    return [
        *never(many(severity), range(begins)),
        *(Expected(many(severity), minute, {"{}": 1}) for minute in range(begins, BEGINS_MIN + LONG_MIN)),
        *never(alone(severity), range(BEGINS_MIN + LONG_MIN)),
    ]


@pytest.mark.parametrize(
    ("nodes", "away", "is_many"),
    [(1, 1, False), (3, 2, False), (3, 3, True), (24, 2, False), (24, 3, True), (200, 20, False), (200, 21, True)],
)
def test_share_of_the_fleet(nodes: int, away: int, is_many: bool, tmp_path: Path) -> None:  # noqa: FBT001 - a parameter
    """Three of them, and more than a tenth of all nodes; a minute before the single alerts, as warning and critical."""
    quiet = range(BEGINS_MIN + LONG_MIN)
    warning, critical = (
        (times(severity, first_min) if is_many else never(many(severity), quiet))
        for severity, first_min in (("warning", 4), ("critical", 14))
    )
    single = Expected(f"count({SINGLE})", BEGINS_MIN + LONG_MIN - 1, {"{}": 2 * away})
    check(tmp_path, fleet(nodes, away), [*warning, *critical, single])


@pytest.mark.parametrize(
    ("state", "first_min"), [("unreachable", 2), ("locked", 4), ("denied", 4), ("wrong_node", 4), ("starting", None)]
)
def test_nodes_of_one_exporter(state: str, first_min: int | None, tmp_path: Path) -> None:
    """Each has an alert of its own, so they are many; nodes that are starting have none within minutes."""
    story = exporter("a", HEALTHY)
    for name in ("alice", "bob", "carol"):
        labels = f'job="lnd-payments",instance="a",node="{name}"'
        story |= {f"lnd_payments_node_up{{{labels}}}": f"1x{BEGINS_MIN - 1} 0x{LONG_MIN}"} | in_state(labels, state)
    if first_min is None:
        check(tmp_path, story, [*never(many("critical"), range(40)), *never(f"count({SINGLE})", range(40))])
    else:
        check(tmp_path, story, times("critical", first_min))


def test_different_causes(tmp_path: Path) -> None:
    """Two exporters that are away and a locked node are three: as a warning only, because only one is critical yet."""
    story = fleet(2, 2) | node(2, HEALTHY, "locked")
    check(tmp_path, story, [*times("warning", 4), *never(many("critical"), range(BEGINS_MIN + 14))])


def test_one_exporter_is_not_many(tmp_path: Path) -> None:
    """If its 24 nodes are away, its own alert names them."""
    story = exporter("a", UPS[AWAY])
    for number in range(24):
        story[f'lnd_payments_node_up{{job="lnd-payments",instance="a",node="node-{number}"}}'] = AWAY
    single = Expected(f"count({SINGLE})", BEGINS_MIN + 20, {"{}": 2})
    check(tmp_path, story, [single, *never(many("warning"), range(BEGINS_MIN + LONG_MIN))])


def unknown(number: int) -> Story:
    """Return exporters of which no page was ever got."""
    return {name: runs for one in range(number) for name, runs in exporter(f"new-{one}", "0x39").items()}


@pytest.mark.parametrize(
    ("story", "expected"),
    [
        pytest.param(unknown(3), [Expected(many("critical"), 30, {"{}": 1})], id="all that there are"),
        pytest.param(unknown(3) | fleet(9, 0), never(many("warning"), range(40)), id="beside healthy ones"),
    ],
)
def test_exporters_that_were_never_scraped(
    story: Mapping[str, str], expected: Sequence[Expected], tmp_path: Path
) -> None:
    """They are many if there is nothing else; new ones beside others alert one by one."""
    check(tmp_path, story, [*expected, Expected(f"count({SINGLE})", 30, {"{}": 6})])


def test_job_that_is_lost(tmp_path: Path) -> None:
    """It vanishes from Prometheus' configuration: for a day its exporter is away, then there is nothing at all."""
    gone = 2 * DAY - HOUR
    story = {
        'up{job="lnd-payments",instance="a"}': f"1x{HOUR - 1} _x{gone}",
        'lnd_payments_node_up{job="lnd-payments",instance="a",node="alice"}': f"1x{HOUR - 1} _x{gone}",
    }
    nothing = f'sum(ALERTS{{alertname="{PREFIX}NothingScraped",alertstate="firing"}})'
    away = f'sum(ALERTS{{alertname="{PREFIX}ExporterDown",alertstate="firing",severity="critical"}})'
    day = range(HOUR + 30, HOUR + DAY, HOUR)
    expected = [
        *never(nothing, day),
        *(Expected(away, minute, {"{}": 1}) for minute in day),
        Expected(nothing, HOUR + DAY + 10, {"{}": 1}),
        Expected(away, HOUR + DAY + 10, {}),
    ]
    check(tmp_path, story, expected)
