"""What people read, whole; and the same as JSON."""

import json
from dataclasses import replace

import pytest

from exporter.explain.answers import Answers, Found, NotAnswered
from exporter.payments.findings import Invoice, OwnChannel
from exporter.payments.labels import Code, FailureSource, Reason
from exporter.payments.node import Info
from exporter.payments.payment import Attempt
from exporter.why.document import to_json, to_text
from tests.payments.build import FAILED, HASH, IN_FLIGHT, PEER, SUCCEEDED, T0, failed, flying, refused, settled
from tests.why.scene import (
    ACTIVE,
    ENOUGH,
    HOPS,
    LISTED,
    NO_PATH,
    OFFLINE,
    PAYEE,
    ROUTE,
    TO_PEER,
    answers,
    before_recipient,
    invoice,
    over_channel,
    with_htlcs,
)

NO_ROUTE = Reason.NO_ROUTE
DENIED = NotAnswered("QueryRoutes", "the macaroon doesn't allow it", denied=True)
REST = NotAnswered("DecodePayReq", "not asked over REST", denied=False)


def lines(known: Answers) -> list[str]:
    """Return the lines of the text, without the hash in the second."""
    first, payment_hash, *rest = to_text(known, "alice: ").splitlines()
    assert payment_hash == HASH
    return [first, *rest]


def test_fee_limit() -> None:
    """The verdict with the fee of now, the evidence, the advice."""
    assert lines(answers(FAILED, reason=NO_ROUTE, found=Found(ROUTE))) == [
        "alice: failed: no route; probably its fee limit was too low: lnd finds a route for 3.100 sat (3,100 ppm) now",
        "  1,000 sat to shop\N{REPLACEMENT CHARACTER}[2J, created at 2026-05-28 20:26:40 UTC, 1m 30s ago",
        "  its invoice expires at 2026-05-28 21:26:40 UTC",
        (
            "  lnd has no attempt of it: it made none, or deleted them, as it does when a payment fails"
            " (unless keep-failed-payment-attempts=true)"
        ),
        (
            "  now lnd finds a route for 3.100 sat (3,100 ppm) over Harbour Bank > shop\N{REPLACEMENT CHARACTER}[2J;"
            " lnd gives it a chance of 57%"
        ),
        "  now this node can send 2,000 sat by 1 active channel, 2,000 sat by one of them",
        "What to do",
        (
            "  Pay again with a limit above the fee that lnd finds now: `fee_limit_sat`, or `lncli payinvoice"
            " --fee_limit`."
        ),
        "  SendPaymentV2 takes an unset limit for 0: then only routes without any fee are allowed.",
        "  If the limit was higher, the caller may have prescribed a first channel or a last peer.",
        "  Or what stopped it then has passed.",
    ]


def test_ghost() -> None:
    """Which HTLC, on which channel it is missing; what to do, the cheapest first."""
    assert lines(answers(IN_FLIGHT, over_channel(flying(sent_s=3)), at_s=7203, channels=(ACTIVE,))) == [
        "alice: in flight for 2h; probably lnd waits for the end of an HTLC that is on no channel any more",
        "  1,000 sat to shop\N{REPLACEMENT CHARACTER}[2J, created at 2026-05-28 20:26:40 UTC, 2h ago",
        "  its invoice expired at 2026-05-28 21:26:40 UTC",
        (
            "  attempt 1: 1,000.010 sat over Harbour Bank > shop\N{REPLACEMENT CHARACTER}[2J: in flight for 2h,"
            " but on no channel"
        ),
        "  lnd doesn't list it among the HTLCs of channel 7 with Harbour Bank, which is active",
        "What to do",
        "  Ask again in a minute: lnd may just be removing the HTLC from the channel.",
        "  Before you pay by another invoice, ask the recipient whether this one was paid.",
        ("  Reconnect the peer, in case it has never acknowledged the HTLC: lncli disconnect KEY, then lncli connect."),
        ("  If that doesn't help, restart lnd at a quiet moment: it asks again for the result of each HTLC in flight."),
        "  If it is in flight even then, report it to lnd with its log.",
    ]


def test_ghost_among_others() -> None:
    """The payment can't end before it does, whatever becomes of the others."""
    parts = [over_channel(flying(number, msat=number * 1_000_010, sent_s=3)) for number in (1, 2, 3)]
    known = answers(IN_FLIGHT, *parts, at_s=7203, channels=with_htlcs(LISTED, LISTED._replace(amount_sat=3000)))
    first, *rest = lines(known)
    assert first.endswith("probably lnd waits for the end of 1 of its 3 HTLCs, which is on no channel any more")
    (line,) = (line for line in rest if line.endswith("but on no channel"))
    assert line.startswith("  attempt 2: 2,000.020 sat over ")
    document = json.loads(to_json(known, "alice"))
    assert (document["verdict"], document["guess"], document["htlcs"], document["ghost_htlcs"]) == ("ghost", True, 3, 1)
    known = answers(IN_FLIGHT, *parts, at_s=7203, channels=with_htlcs(LISTED))
    assert lines(known)[0].endswith("the end of 2 of its 3 HTLCs, which are on no channel any more")


def test_held() -> None:
    """Through whom, for how long, until which block and about when; each attempt."""
    first = before_recipient(flying(1), Code.TEMPORARY_CHANNEL_FAILURE)
    known = answers(IN_FLIGHT, first, flying(2, sent_s=3), at_s=7203, reason=Reason.TIMEOUT, invoice=invoice(90))
    assert lines(known)[:6] == [
        (
            "alice: in flight for 2h, given up: timeout; it is held through Harbour Bank for 2h,"
            " until block 800,144 at the latest, which is 144 blocks or about 1d away"
        ),
        "  1,000 sat to shop\N{REPLACEMENT CHARACTER}[2J, created at 2026-05-28 20:26:40 UTC, 2h ago",
        "  its invoice expired at 2026-05-28 20:28:10 UTC",
        (
            "  attempt 1: 1,000.010 sat over Harbour Bank > shop\N{REPLACEMENT CHARACTER}[2J: temporary channel"
            " failure, by the first hop: Harbour Bank after 1.0s"
        ),
        (
            "  attempt 2: 1,000.010 sat over Harbour Bank > shop\N{REPLACEMENT CHARACTER}[2J: in flight for 2h,"
            " until block 800,144 at the latest, which is 144 blocks or about 1d away"
        ),
        "What to do",
    ]
    assert lines(known)[6] == "  lnd has given it up (timeout) and makes no more attempts."


def test_htlc_of_one_of_several_channels() -> None:
    """It is being closed; another one with the same peer is open. Nothing is said about that one."""
    first, second = over_channel(flying(sent_s=3)), over_channel(flying(2, sent_s=3))._replace(channel_id=8)
    other = ACTIVE._replace(ids=frozenset((8,)), offered={HASH: (LISTED,)})
    found = lines(answers(IN_FLIGHT, first, second, at_s=7203, channels=(other,)))
    line = "  channel 7 with Harbour Bank isn't open any more: the HTLC is resolved on chain (lncli pendingchannels)"
    assert [one for one in found if one.startswith("  channel ") or "no channel" in one] == [line]
    assert found[0].startswith("alice: in flight for 2h; it is held through Harbour Bank for 2h")
    gone = ACTIVE._replace(ids=frozenset((7, 8)), active=False)
    found = lines(answers(IN_FLIGHT, first, second, at_s=7203, channels=(gone,)))
    assert found.count("  Harbour Bank is offline: nothing can come back through it now") == 1


@pytest.mark.parametrize(
    ("channels", "line"),
    [
        (OFFLINE, "  Harbour Bank is offline: nothing can come back through it now"),
        ((), "  no channel with Harbour Bank is open: the HTLC is resolved on chain (lncli pendingchannels)"),
    ],
)
def test_peer_that_cannot_answer(channels: tuple[OwnChannel, ...], line: str) -> None:
    """The first thing to know about a held HTLC; nothing is said of a peer that is online, or if it isn't known."""
    attempts = (flying(1), flying(2))
    assert lines(answers(IN_FLIGHT, *attempts, channels=channels)).count(line) == 1
    for others in (ENOUGH, (*OFFLINE, *ENOUGH), None):
        assert line not in lines(answers(IN_FLIGHT, *attempts, channels=others))


@pytest.mark.parametrize(
    ("height", "until"),
    [
        (800_143, "until block 800,144 at the latest, which is 1 block or about 10m away"),
        (800_144, "past its expiry at block 800,144 (the chain is at 800,144)"),
        (0, "until block 800,144 at the latest"),
    ],
)
def test_until_which_block(height: int, until: str) -> None:
    """Also past the expiry, and with an lnd that doesn't say how high the chain is."""
    known = answers(IN_FLIGHT, flying())
    assert known.info is not None
    known = answers(IN_FLIGHT, flying(), info=Info(known.info.pubkey, block_height=height))
    assert lines(known)[0] == f"alice: in flight for 1m 30s; it is held through Harbour Bank for 1m 29s, {until}"


def test_paid() -> None:
    """What it cost; no advice."""
    assert lines(answers(SUCCEEDED, settled(flying()), invoice=None)) == [
        "alice: succeeded after 2.0s; 1,000 sat for a fee of 0.010 sat (10 ppm)",
        "  1,000 sat to shop\N{REPLACEMENT CHARACTER}[2J, created at 2026-05-28 20:26:40 UTC, 1m 30s ago",
        (
            "  attempt 1: 1,000.010 sat over Harbour Bank > shop\N{REPLACEMENT CHARACTER}[2J: settled after 1.0s,"
            " fee 0.010 sat"
        ),
    ]


def test_last_step() -> None:
    """What lnd avoids, and that it gets as far as the node before the recipient."""
    known = answers(FAILED, reason=NO_ROUTE, found=Found(NO_PATH, ROUTE, TO_PEER, ROUTE, 2), channels=None)
    assert lines(known)[0].endswith(
        "; probably the recipient is offline or can't receive so much: lnd avoids the last step to it"
    )
    way = "Harbour Bank > shop\N{REPLACEMENT CHARACTER}[2J"
    assert lines(known)[4:8] == [
        "  now lnd finds no route for it in one part; QueryRoutes doesn't look for several",
        (
            f"  without regard to failures it would find one for 3.100 sat (3,100 ppm) over {way}:"
            " it avoids channels that have failed lately"
        ),
        "  to Harbour Bank, the last node before the recipient, it finds one with a chance of 95%",
        f"  for a part of 500 sat (1 of 2) it finds a route for 3.100 sat (6,200 ppm) over {way}",
    ]


def test_peers_offline() -> None:
    """They are named, with the balance that is with them."""
    known = answers(FAILED, reason=Reason.INSUFFICIENT_BALANCE, channels=OFFLINE)
    assert lines(known)[0] == (
        "alice: failed: insufficient balance; probably peers of this node are offline, and its balance is with them"
    )
    assert "  now this node can send 0 sat by 0 active channels, 0 sat by one of them" in lines(known)
    assert "  peers offline: Harbour Bank, with 2,000 sat" in lines(known)


def test_what_was_not_asked() -> None:
    """The reason, and if it is the macaroon the command that makes another."""
    known = answers(FAILED, reason=NO_ROUTE, not_answered=(REST,))
    assert lines(known)[-2:] == [
        "Not asked",
        (
            "  who is to be paid, so that a route can be asked for, and when the invoice expires (DecodePayReq):"
            " not asked over REST"
        ),
    ]
    listed = NotAnswered("the exporter's list of ended payments", "state.sqlite does not exist.", denied=False)
    assert lines(answers(FAILED, reason=NO_ROUTE, not_answered=(listed,)))[-1] == (
        "  the exporter's list of ended payments: state.sqlite does not exist."
    )
    known = answers(FAILED, reason=NO_ROUTE, not_answered=(DENIED, REST))
    assert lines(known)[-8:] == [
        "Not asked",
        "  whether there is a route now (QueryRoutes): the macaroon doesn't allow it",
        (
            "  who is to be paid, so that a route can be asked for, and when the invoice expires (DecodePayReq):"
            " not asked over REST"
        ),
        "  For all of this bake another macaroon and give it with --lnd.macaroon=why.macaroon:",
        "  lncli bakemacaroon --save_to why.macaroon \\",
        "    uri:/routerrpc.Router/TrackPaymentV2 uri:/lnrpc.Lightning/GetInfo \\",
        "    uri:/lnrpc.Lightning/ListChannels uri:/lnrpc.Lightning/DecodePayReq \\",
        "    uri:/lnrpc.Lightning/QueryRoutes uri:/lnrpc.Lightning/GetNodeInfo",
    ]


def test_unexplained() -> None:
    """Each reason why no route was looked for has its own words."""
    own = answers(FAILED).info
    assert own is not None
    unknown = "; the reason is not known, because"
    for changes, end in (
        ({"not_answered": (DENIED,)}, f"{unknown} the macaroon doesn't allow to ask lnd for a route now"),
        ({"invoice": Invoice(own.pubkey, 1)}, ", and a rebalance may take only some routes, which lnd doesn't name"),
        ({"invoice": None}, ", and neither an invoice nor an attempt shows its recipient"),
        ({"invoice": None, "not_answered": (REST,)}, f"{unknown} lnd could not be asked for a route now"),
    ):
        known = answers(FAILED, reason=NO_ROUTE, **changes)
        assert lines(known)[0] == f"alice: failed: no route; lnd has no attempt of it{end}"
        advised = "  Ask again with the macaroon below: then lnd is asked for a route, which tells why in most cases."
        assert (advised in lines(known)) == (DENIED in known.not_answered)


def test_advice_that_depends_on_more_than_the_verdict() -> None:
    """A probe, an invoice that has expired since, and a route that is there again."""
    refusal = answers(FAILED, refused(flying()), reason=Reason.INCORRECT_PAYMENT_DETAILS)
    asks = "  Ask the recipient for a new invoice: it doesn't know this one, has cancelled it, or it is paid already."
    assert lines(refusal)[-2:] == ["What to do", asks]
    snapshot = refusal.detail.payment._replace(invoice=False)
    probe = replace(refusal, invoice=None, detail=replace(refusal.detail, payment=snapshot))
    assert lines(probe)[-2:] == [
        "  It has no invoice: if it was a probe, by which somebody looked for a route, it was meant to be refused.",
        asks,
    ]
    expired = replace(refusal, invoice=invoice(89))
    assert lines(expired)[-2:] == ["  The invoice has expired meanwhile: ask for a new one.", asks]
    gone = answers(FAILED, before_recipient(flying(), Code.UNKNOWN_NEXT_PEER), reason=NO_ROUTE, found=Found(ROUTE))
    assert lines(gone)[-2:] == [
        "  Pay again: lnd finds a route now, see above.",
        "  Tell the recipient, and try again when it is online: nothing here helps.",
    ]


def test_many_attempts() -> None:
    """The newest ten are told; the longest lock of all of them."""
    attempts: list[Attempt] = [
        failed(flying(number, sent_s=number), Code.MPP_TIMEOUT, FailureSource.RECIPIENT, end_s=number + 40)
        for number in range(1, 13)
    ]
    told = lines(answers(FAILED, *attempts, reason=NO_ROUTE))
    assert told[3] == "  2 earlier attempts"
    assert [line.partition(":")[0] for line in told[4:14]] == [f"  attempt {number}" for number in range(3, 13)]
    assert told[14] == "  12 attempts failed; the longest HTLC was locked for 40.0s"


def test_json() -> None:
    """One object, always ASCII, with the same attempts as those of `track`."""
    known = answers(
        FAILED,
        before_recipient(flying(1), Code.UNKNOWN_NEXT_PEER),
        reason=NO_ROUTE,
        found=Found(NO_PATH, ROUTE, TO_PEER),
        not_answered=(DENIED,),
    )
    text = to_json(known, "alice")
    assert text.isascii()
    fields = json.loads(text)
    (attempt,) = fields.pop("attempts")
    assert (attempt["code"], attempt["source_pubkey"], len(attempt["route"])) == ("unknown_next_peer", PEER, len(HOPS))
    assert "preimage" not in attempt
    assert fields.pop("evidence")[0].startswith("1,000 sat to shop")
    assert len(fields.pop("advice")) == 1
    assert fields == {
        "node": "alice",
        "payment_hash": HASH,
        "asked_timestamp_seconds": T0 / 1e9 + 90,
        "verdict": "recipient_unreachable",
        "guess": False,
        "summary": "failed after 2.0s: no route;"
        " the recipient can't be reached: it is offline, or its channels are closed",
        "status": "failed",
        "reason": "no_route",
        "created_timestamp_seconds": T0 / 1e9,
        "elapsed_seconds": 2.0,
        "amount_msat": 1_000_000,
        "fee_msat": 0,
        "recipient_pubkey": PAYEE,
        "recipient_alias": "shop\x1b[2J",
        "invoice_expiry_timestamp_seconds": T0 // 10**9 + 3600,
        "htlcs": 0,
        "ghost_htlcs": 0,
        "counted": None,
        "first_expiry_height": None,
        "block_height": 800_000,
        "now": {
            "route": "no_path",
            "route_regardless_of_failures": {"fee_msat": 3100, "probability": 0.57, "hops": [PEER, PAYEE]},
            "route_to_last_hop": {"fee_msat": 0, "probability": 0.95, "hops": [PEER]},
            "route_of_part": None,
            "parts": None,
            "spendable_msat": 2_000_000,
            "spendable_largest_channel_msat": 2_000_000,
            "inactive_msat": 0,
        },
        "not_asked": [{"call": "QueryRoutes", "denied": True, "why": "the macaroon doesn't allow it"}],
    }
