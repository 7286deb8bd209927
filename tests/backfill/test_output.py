"""What is said about the oldest and the newest samples, before the work begins."""

from pathlib import Path

import pytest

from exporter.backfill.output import Output
from exporter.config import Config, LogConfig, NodeConfig, StorageConfig, WebConfig
from exporter.config.httpmodel import RemoteWriteConfig
from exporter.config.model import BackfillConfig
from exporter.payments.payment import NS_PER_S, Moment

DAY_S = 86_400
NOW = Moment(1_790_000_000 * NS_PER_S, 0)


def said(tmp_path: Path, options: BackfillConfig, span_s: int, *, ended_s: int = 0, back_s: float | None = None) -> str:
    """Return what is said about a past that began `span_s` seconds ago and ended `ended_s` seconds ago."""
    node = NodeConfig("lnd", "localhost:10009", None, tmp_path / "macaroon")
    storage = StorageConfig(tmp_path / "state.sqlite")
    config = Config((node,), WebConfig((), "/metrics"), LogConfig("info", "auto"), storage, 50, backfill=options)
    output = Output(config, lambda: NOW)
    output._back_s = back_s
    return " ".join(output.limits_of(span_s, NOW.wall_ns - ended_s * NS_PER_S))


@pytest.mark.parametrize(
    ("since_s", "until_s", "ended_s", "span_s", "expected"),
    [
        (None, None, 0, DAY_S, ["last hours may overlap"]),
        (None, None, DAY_S, 30 * DAY_S, ["deletes what is older"]),
        (20 * DAY_S, None, 0, 20 * DAY_S, ["last hours may overlap"]),
        (None, None, 0, 30 * DAY_S, ["deletes what is older", "last hours may overlap"]),
        (None, DAY_S, 0, DAY_S, []),
    ],
)
def test_files(
    tmp_path: Path, *, since_s: int | None, until_s: int | None, ended_s: int, span_s: int, expected: list[str]
) -> None:
    """Prometheus' retention is told unless the user has chosen a time, and the directory of the last three hours."""
    options = BackfillConfig(output=tmp_path / "past", since_s=since_s, until_s=until_s)
    text = said(tmp_path, options, span_s, ended_s=ended_s)
    sentences = ("deletes what is older", "last hours may overlap")
    assert [each for each in sentences if each in text] == expected


@pytest.mark.parametrize(
    ("back_s", "expected"),
    [
        (None, ""),
        (31 * DAY_S, ""),
        (3600, "It will probably refuse what is older than 1h: --since=1h"),
        (DAY_S + 3600, "It will probably refuse what is older than 1d 1h: --since=1d1h"),
    ],
)
def test_receiver(tmp_path: Path, back_s: float | None, expected: str) -> None:
    """It has told how old samples may be, or not; nothing is said about files."""
    options = BackfillConfig(remote_write=RemoteWriteConfig("http://localhost:9090/api/v1/write"))
    assert said(tmp_path, options, 30 * DAY_S, back_s=back_s) == expected
