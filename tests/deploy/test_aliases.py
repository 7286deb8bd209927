"""Alerts on a peer that has two aliases: Prometheus was restarted between them, so the old series has no end yet."""

from pathlib import Path

import pytest

from exporter.rules.liquidity import INACTIVE_SHARE
from tests.deploy.test_absences import check, firing
from tests.deploy.test_usual import message, of
from tests.promtool import Expected

pytestmark = pytest.mark.usefixtures("programs")

PEER = ',peer="02bb"'
INFO = {
    **of("lnd_payments_peer_info", "1x30 _x60", f'{PEER},alias="bob"'),
    **of("lnd_payments_peer_info", "_x31 1x60", f'{PEER},alias="robert"'),
}
"""Both are there in minutes 31 to 34."""


def test_failing_peer(tmp_path: Path) -> None:
    """Its alert goes on firing, once."""
    attempts = "lnd_payments_peer_htlc_attempts_total"
    series = INFO | {
        **of("lnd_payments_stream_up", "1x60"),
        **of(attempts, "0+2x60", f'{PEER},outcome="failed_here"'),
        **of(attempts, "0x60", f'{PEER},outcome="settled"'),
    }
    fires = firing("PeerFails", "warning")
    check(tmp_path, series, [Expected(fires, minute, {'{node="alice"}': 1}) for minute in range(28, 40)])


def test_offline_peer(tmp_path: Path) -> None:
    """The text has one of the aliases, and no error."""
    series = INFO | {
        **of(INACTIVE_SHARE, "0.51x60"),
        **of("lnd_payments_node_channels", "1x60", ',state="active"'),
        **of("lnd_payments_node_up", "1x60"),
        **of("lnd_payments_peer_channels", "1x60", f'{PEER},state="inactive"'),
        **of("lnd_payments_peer_spendable_msat", "900x60", PEER),
    }
    said = message(tmp_path, "BalanceInactive", series, 33)
    assert "since yesterday: bob (02bb). Reconnect" in said or "since yesterday: robert (02bb). Reconnect" in said, said
