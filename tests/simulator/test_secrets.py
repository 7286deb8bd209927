"""The simulator sends the same secrets as a real lnd, so that tests can find leaks of them."""

import base64

from exporter.lnd.bolt11 import pays
from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.simulator.invoice import encode
from exporter.simulator.scenarios import Scenarios
from exporter.simulator.server import SimulatedNode
from exporter.simulator.world import KEYSEND_RECORD
from tests.simulator.raw import Raw

_CHARSET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def polymod(request: str) -> int:
    """Return the checksum of BIP 173 by its reference algorithm; 1 if it is right."""
    hrp, _, data = request.rpartition("1")
    values = [ord(c) >> 5 for c in hrp] + [0] + [ord(c) & 31 for c in hrp] + [_CHARSET.index(c) for c in data]
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for place, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= generator if top >> place & 1 else 0
    return check


async def test_payment_requests_are_signed_by_the_payee(node: SimulatedNode, scenarios: Scenarios, raw: Raw) -> None:
    """So a rebalance without a route can be recognised by its invoice, as on a real node."""
    await node.play(scenarios.rebalance_without_route(), scenarios.success())
    own, other = [payment.payment_request for payment in (await raw.list_payments()).payments]
    assert pays(own, node.world.me.pubkey)
    assert not pays(other, node.world.me.pubkey)
    assert any(pays(other, beyond.pubkey) for beyond in node.world.far)
    assert polymod(own) == polymod(other) == 1


def test_payment_request_has_the_amount_in_the_largest_unit() -> None:
    """It is the largest unit in which the amount is a whole number."""

    def prefix(msat: int) -> str:
        request = encode(
            key=b"\1" * 32, network="mainnet", payment_hash=bytes(32), amount_msat=msat, created_s=1_700_000_000
        )
        assert polymod(request) == 1
        return request.rpartition("1")[0]

    assert list(map(prefix, (100_000_000, 2_500_000, 1_000, 1, 20_001))) == [
        "lnbc1m",
        "lnbc25u",
        "lnbc10n",
        "lnbc10p",
        "lnbc200010p",
    ]


async def test_secrets_are_those_of_the_messages(node: SimulatedNode, scenarios: Scenarios, raw: Raw) -> None:
    """Preimages of payments and attempts and in keysend records, payment requests, the macaroon."""
    stream = raw.track_all()
    await node.wait_for_subscribers(1)
    await node.play(scenarios.success(), scenarios.keysend(), scenarios.amp(parts=2))
    updates = await stream.take(3 + 3 + 5)
    sent = b"".join(update.SerializeToString() for update in updates)
    secrets = node.secrets()
    assert len(secrets) == 1 + 1 + 1 + 2 + 1  # an invoice and its preimage, keysend, two parts of AMP, the macaroon
    macaroon = node.macaroon.read_bytes().hex()
    for secret in secrets - {macaroon}:
        assert secret.encode() in sent or bytes.fromhex(secret) in sent
    keysend = next(u for u in updates if u.htlcs and u.htlcs[0].route.hops[-1].custom_records)
    assert keysend.htlcs[0].route.hops[-1].custom_records[KEYSEND_RECORD].hex() in secrets
    for update in updates:
        update.DiscardUnknownFields()
        left = update.SerializeToString()
        assert not [s for s in secrets if s.encode() in left and s != update.payment_request]


def test_macaroon_has_lnds_format(node: SimulatedNode) -> None:
    """It is binary, of version 2, and has the paths of the methods that it allows."""
    macaroon = node.macaroon.read_bytes()
    assert macaroon[:6] == b"\x02\x01\x03lnd"
    assert b"/routerrpc.Router/TrackPaymentV2" in macaroon
    assert base64.b64encode(macaroon)


async def test_messages_have_undeclared_fields(node: SimulatedNode, scenarios: Scenarios, raw: Raw) -> None:
    """Fields that `protos/lnd.proto` doesn't declare are sent at every level of the message, as by a real lnd."""
    await node.play(scenarios.multi_part())
    (payment,) = (await raw.list_payments()).payments
    whole, declared = payment.ByteSize(), pb.Payment.FromString(payment.SerializeToString())
    declared.DiscardUnknownFields()
    assert whole > declared.ByteSize() + 3 * (34 + 3 * 40)  # each part: a preimage, and three hops
