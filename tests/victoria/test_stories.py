"""vmalert and VictoriaMetrics fire the same alerts as Prometheus in the same stories, with the same texts."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import pytest

from exporter.payments.labels import Cause, Reason
from exporter.rules.values import SHOWN, read
from tests.deploy.test_deploy import RULES
from tests.incidents.node import VirtualNode
from tests.incidents.promtool import Fired, fired
from tests.incidents.series import Series
from tests.incidents.stories import STORIES
from tests.incidents.story import Script
from tests.incidents.targets import JOB
from tests.incidents.traffic import MINUTE, held, pays
from tests.victoria.play import BEGIN_S, Played, play
from tests.victoria.server import victoria_metrics

pytestmark = pytest.mark.usefixtures("victoria")

EARLIER_MIN, LATER_MIN = 1, 5
"""Within how many minutes of Prometheus an alert must begin and end: recorded series are 30 s late, twice in a row."""
SELDOM, SELDOM_LATER_MIN = "PeerFails warning", 10
"""An alert that is evaluated every three minutes, and sees recorded series three minutes late, twice in a row. It
counts attempts by `increase`, which isn't extrapolated here: fewer peers have enough of them."""
SCRIPTS: dict[str, Script] = {story.name: story.script for story in STORIES}


def htlc_held_without_exporter(node: VirtualNode) -> None:
    """An HTLC that is held nears its expiry; then the exporter is killed."""
    pays(node, 0, 90)
    held(node, 42, at_min=5)
    node.at(50 * MINUTE, lambda: node.answer_scrapes(False))


class Part(NamedTuple):
    """The first minutes of a story."""

    script: Script
    minutes: float
    texts: Mapping[str, str] = MappingProxyType({})
    """How the descriptions of some alerts end, with numbers that a query in the template has found."""


PLAYED = {
    "drained channels": Part(
        SCRIPTS["drained channels"],
        100,
        {
            "OwnLiquidity warning": "the peers may also be offline: 0 channels are inactive, 8 active.",
            "Outage critical": "0 channels are inactive, 8 active.",
        },
    ),
    "late success while the exporter moves": Part(SCRIPTS["late success while the exporter moves"], 80),
    "htlc held without exporter": Part(htlc_held_without_exporter, 75),
    "short restart": Part(SCRIPTS["short restart"], 75),
}
"""Few, because a minute of a story takes some 0.1 s of CPU time."""


def played(series: Series, home: Path) -> Played:
    """Return what happens in VictoriaMetrics."""
    (home / "victoria").mkdir()
    with victoria_metrics(home / "victoria") as server:
        return play(SHOWN, read()[SHOWN], series, server, home)


def pages(name: str, begin_s: int) -> Series:
    """Return the pages of a story, of which the first is scraped at `begin_s`."""
    node = VirtualNode(name, scraped_from_s=begin_s)
    PLAYED[name].script(node)
    node.run(PLAYED[name].minutes * MINUTE)
    return node.series


@pytest.mark.parametrize("name", PLAYED)
def test_the_same_alerts_fire(name: str, tmp_path: Path) -> None:
    """As often, and at most some minutes later, although what is recorded can be queried only 30 s later."""
    there = played(pages(name, BEGIN_S), tmp_path)
    here = fired({SHOWN: read()[SHOWN]}, pages(name, 0), tmp_path)[SHOWN]
    assert there.fired.keys() == here.keys()
    assert {
        alert: difference for alert in here if (difference := different(alert, here[alert], there.fired[alert]))
    } == {}
    assert [
        text for alert, text in PLAYED[name].texts.items() if not there.texts[alert]["description"].endswith(text)
    ] == []
    broken = ("error", "<no value>", "%!", "? channels")
    assert [text for texts in there.texts.values() for text in texts.values() if any(b in text for b in broken)] == []


def different(alert: str, here: Fired, there: Fired) -> str:
    """Return how an alert differs, "" if it is the same."""
    late = (there.first_min - here.first_min, there.last_min - here.last_min)
    fewest, later = (1, SELDOM_LATER_MIN) if alert == SELDOM else (here.series, LATER_MIN)
    same = here.times == there.times and fewest <= there.series <= here.series
    return "" if same and all(-EARLIER_MIN <= each <= later for each in late) else f"{here} {there}"


@pytest.mark.parametrize("profile", read())
def test_vmalert_accepts_the_rules(profile: str, victoria: Path) -> None:
    """The program itself, expressions and templates included."""
    command = [str(victoria / "vmalert"), "-dryRun", f"-rule={RULES / f'{profile}.rules.yml'}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


class Old(Series):
    """Counters that began long ago, of an exporter that is scraped for the first time."""

    def written(self) -> list[dict[str, str]]:
        """Return counters from 1 to 9, which VictoriaMetrics takes for new, beside larger ones."""
        target = f'job="{JOB}",instance="alice:10019"'
        node, kind = f'{target},node="alice"', 'kind="invoice",amount_band="under_1k_sat"'
        cause = 'purpose="payment",amount_band="under_1k_sat",cause='
        values = {
            f"up{{{target}}}": 1,
            f"lnd_payments_node_up{{{node}}}": 1,
            f"lnd_payments_stream_up{{{node}}}": 1,
            f"lnd_payments_recovered_total{{{node}}}": 5,
            f"lnd_payments_succeeded_total{{{node},{kind}}}": 300,
            f'lnd_payments_failed_total{{{node},{kind},reason="{Reason.NO_ROUTE}"}}': 5,
            f'lnd_payments_failed_total{{{node},{kind},reason="{Reason.NONE}"}}': 7,
            f'lnd_payments_failed_by_cause_total{{{node},{cause}"{Cause.OWN_LIQUIDITY}"}}': 9,
            f'lnd_payments_peer_htlc_attempts_total{{{node},peer="aa",outcome="failed_here"}}': 9,
            f'lnd_payments_succeeded_late_total{{{node},reason="timeout"}}': 4,
            f"lnd_payments_exporter_checkpoint_failures_total{{{target}}}": 3,
        }
        return [{"series": name, "values": f"{value}x{len(self) - 1}"} for name, value in values.items()]

    def __len__(self) -> int:
        """Return the number of scrapes."""
        return 40


def test_old_counters_are_no_increase(tmp_path: Path) -> None:
    """No alert fires when the first value of a counter is small: `increase` counts that in VictoriaMetrics."""
    assert played(Old(30), tmp_path).fired == {}
