"""What lnd is asked, over the real protocol: only what helps, and nothing again that it has refused."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest

from exporter.explain.answers import Answers, Found, NotAnswered
from exporter.explain.asker import Asker
from exporter.explain.verdict import Verdict, judge
from exporter.lnd.client import ExplainingClient, LndError, PaymentNotFound
from exporter.lnd.grpc import GrpcClient
from exporter.lnd.rest import RestClient
from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.payments.findings import NoRoute, Route
from exporter.payments.labels import Kind, Method
from exporter.simulator.calls import Question
from exporter.simulator.clock import WallClock
from exporter.simulator.mutation import Create, Fail, Finish, GiveUp, Register
from exporter.simulator.scenarios import Scenarios
from exporter.simulator.server import SimulatedNode
from exporter.simulator.service import METHOD_PATHS, READONLY_PERMISSIONS, SMALLEST_PERMISSIONS

SAT, SECOND = 1000, 1_000_000_000
GONE = pb.Failure.UNKNOWN_NEXT_PEER
FULL = pb.Failure.TEMPORARY_CHANNEL_FAILURE


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[SimulatedNode]:
    """A node whose macaroon allows everything."""
    async with SimulatedNode(tmp_path, permissions=READONLY_PERMISSIONS, clock=WallClock(float("inf"))) as node:
        yield node


@asynccontextmanager
async def client_of(node: SimulatedNode) -> AsyncIterator[ExplainingClient]:
    """A client over gRPC."""
    client = GrpcClient(node.address, node.tls_cert, node.macaroon)
    await client.connect()
    try:
        yield client
    finally:
        await client.close()


async def ask(node: SimulatedNode, payment_hash: str) -> Answers:
    """Ask about a payment."""
    async with client_of(node) as client:
        return await Asker(client, node.clock.now_ns).ask(payment_hash)


def questions(node: SimulatedNode) -> dict[str, int]:
    """Return how often each question was asked, by the name of the call."""
    return {call.value.rpartition("/")[2]: node.calls[call] for call in Question if node.calls[call]}


def spendable(node: SimulatedNode) -> tuple[int, int]:
    """Return what all channels and the fullest one can send, msat."""
    amounts = [peer.spendable_msat for peer in node.world.peers]
    return sum(amounts), max(amounts)


async def test_fee_limit(node: SimulatedNode) -> None:
    """A payment without attempts, and a route now: one question about routes is enough."""
    lost = Scenarios(node.world).no_route(5_000 * SAT)
    await node.play(lost)
    answers = await ask(node, lost.payment_hash)
    assert judge(answers) == (Verdict.FEE_LIMIT, True)
    route = answers.found.whole
    assert isinstance(route, Route)
    assert (route.fee_msat, round(route.probability, 2), len(route.hops)) == (1005, 0.6, 2)
    assert route.hops[-1] == answers.recipient
    assert answers.aliases[answers.recipient].startswith("node ")
    assert answers.not_answered == ()
    assert answers.detail.payment_request == answers.detail.preimage == ""
    assert questions(node) == {"DecodePayReq": 1, "QueryRoutes": 1, "GetNodeInfo": 1}


async def test_too_large_for_one_part(node: SimulatedNode) -> None:
    """It is halved as lnd does, until a part finds a route."""
    total, largest = spendable(node)
    lost = Scenarios(node.world).no_route(largest * 3)
    assert largest * 3 < total
    await node.play(lost)
    answers = await ask(node, lost.payment_hash)
    assert judge(answers) == (Verdict.TOO_LARGE, True)
    assert answers.found[:3] == (NoRoute.NO_PATH, NoRoute.NO_PATH, None)
    assert (answers.found.parts, isinstance(answers.found.part, Route)) == (4, True)
    assert questions(node)["QueryRoutes"] == 4


def fail_everywhere(node: SimulatedNode, amount_msat: int, code: int, *, finish: bool = True, source: int = 1) -> str:
    """Let a payment fail over every peer, by default at the peer, the last node before the recipient."""
    world, apply = node.world, node.database.apply
    payee, digest = world.far[0], hashlib.sha256(str((code, amount_msat)).encode())
    request = world.payment_request(payee, digest.digest(), amount_msat, node.clock.now_ns() // SECOND)
    key = digest.hexdigest()
    apply(Create(key, amount_msat, Kind.INVOICE, request))
    for number, peer in enumerate(world.peers):
        apply(Register(key, world.route([peer.node.pubkey, payee.pubkey], amount_msat, [1000])))
        apply(Fail(key, number, code, source))
    apply(GiveUp(key, pb.FAILURE_REASON_NO_ROUTE))
    if finish:
        apply(Finish(key))
    return key


@pytest.mark.parametrize(("code", "sat"), [(GONE, 5_000), (FULL, 50_000)])
async def test_recipient_that_fails(node: SimulatedNode, code: int, sat: int) -> None:
    """lnd has learnt to avoid the last step, and has deleted the attempts: it is guessed by routes up to there."""
    answers = await ask(node, fail_everywhere(node, sat * SAT, code))
    assert answers.detail.attempts == ()
    assert judge(answers) == (Verdict.RECIPIENT_AVOIDED, True)
    found = answers.found
    assert found.whole is NoRoute.NO_PATH
    assert isinstance(found.regardless, Route)
    assert isinstance(found.before_recipient, Route)
    assert found.before_recipient.hops == found.regardless.hops[:-1]
    assert (found.part is not None, found.parts) == ((True, 2) if code == FULL else (False, 1))


async def test_direct_peers_that_fail(node: SimulatedNode) -> None:
    """lnd avoids its own channels: then it isn't about the recipient."""
    answers = await ask(node, fail_everywhere(node, 5_000 * SAT, GONE, source=0))
    assert judge(answers) == (Verdict.ROUTE_AVOIDED, True)
    assert answers.found.before_recipient is NoRoute.NO_PATH


async def test_attempts_that_lnd_has_kept(node: SimulatedNode) -> None:
    """They say why, for sure; a route now is further evidence."""
    key = fail_everywhere(node, 5_000 * SAT, GONE, finish=False)
    node.database.mission_control.reset()
    answers = await ask(node, key)
    assert judge(answers) == (Verdict.RECIPIENT_UNREACHABLE, False)
    assert answers.found.likely


async def test_all_peers_are_offline(node: SimulatedNode) -> None:
    """lnd says `insufficient_balance`, as with drained channels; ListChannels tells the difference."""
    lost = Scenarios(node.world).insufficient_balance(5_000 * SAT)
    await node.play(lost)
    assert judge(await ask(node, lost.payment_hash)) == (Verdict.OWN_LIQUIDITY, False)
    node.world.peers = tuple(peer._replace(active=False) for peer in node.world.peers)
    answers = await ask(node, lost.payment_hash)
    assert judge(answers) == (Verdict.OWN_INACTIVE, True)
    assert answers.found == Found(NoRoute.INSUFFICIENT_BALANCE)


async def test_rebalance(node: SimulatedNode) -> None:
    """Its first and last peer aren't known, so a route to the node itself would mean nothing."""
    lost = Scenarios(node.world).rebalance_without_route()
    await node.play(lost)
    answers = await ask(node, lost.payment_hash)
    assert (answers.pays_self, answers.found) == (True, Found())
    assert judge(answers) == (Verdict.UNEXPLAINED, False)
    assert questions(node) == {"DecodePayReq": 1}


async def test_nothing_is_asked_about_a_payment_that_succeeded(node: SimulatedNode) -> None:
    """Except for names."""
    won = Scenarios(node.world).success()
    await node.play(won)
    assert judge(await ask(node, won.payment_hash)) == (Verdict.PAID, False)
    assert set(questions(node)) == {"GetNodeInfo"}


async def test_payment_without_invoice_is_known_by_its_attempts(node: SimulatedNode) -> None:
    """The last hop is the recipient."""
    lost = Scenarios(node.world).send_to_route(5_000 * SAT, fails=True)
    await node.play(lost)
    answers = await ask(node, lost.payment_hash)
    assert judge(answers) == (Verdict.ROUTE_LIQUIDITY, False)
    assert answers.found.likely
    assert set(questions(node)) == {"QueryRoutes", "GetNodeInfo"}


async def test_smaller_macaroons(node: SimulatedNode) -> None:
    """What isn't allowed is asked once, and named; the rest is told all the same."""
    lost = Scenarios(node.world).no_route(5_000 * SAT)
    await node.play(lost)
    for without, verdict in (
        ((Question.QUERY_ROUTES,), Verdict.UNEXPLAINED),
        ((Question.DECODE_PAY_REQ,), Verdict.UNEXPLAINED),
        ((Question.GET_NODE_INFO, Method.LIST_CHANNELS), Verdict.FEE_LIMIT),
    ):
        node.calls.clear()
        node.renew_macaroon(READONLY_PERMISSIONS - {METHOD_PATHS[call] for call in without})
        answers = await ask(node, lost.payment_hash)
        assert judge(answers).verdict is verdict
        refused = [METHOD_PATHS[call].rpartition("/")[2] for call in without]
        missing = {NotAnswered(call, "the macaroon doesn't allow it", denied=True) for call in refused}
        assert set(answers.not_answered) == missing
        assert [node.calls[call] for call in without] == [1] * len(without)
    node.renew_macaroon(SMALLEST_PERMISSIONS)
    answers = await ask(node, lost.payment_hash)
    assert [one.call for one in answers.not_answered] == ["ListChannels", "DecodePayReq"]


@pytest.mark.parametrize("websocket", [False, True])
async def test_over_rest_nothing_private_is_asked(node: SimulatedNode, websocket: bool) -> None:  # noqa: FBT001 - a parameter
    """lnd takes invoice and keys in the URL there, which proxies log."""
    lost = fail_everywhere(node, 5_000 * SAT, GONE, finish=False)
    client = RestClient(f"https://{node.rest}", node.tls_cert, node.macaroon, websocket=websocket)
    await client.connect()
    try:
        answers = await Asker(client, node.clock.now_ns).ask(lost)
    finally:
        await client.close()
    assert judge(answers) == (Verdict.RECIPIENT_UNREACHABLE, False)
    assert answers.channels is not None
    assert [(one.call, one.denied) for one in answers.not_answered] == [
        ("DecodePayReq", False),
        ("QueryRoutes", False),
        ("GetNodeInfo", False),
    ]
    assert all("--lnd.transport=grpc" in one.advice for one in answers.not_answered)
    assert questions(node) == {}


async def test_lnd_that_does_not_answer(node: SimulatedNode) -> None:
    """Without the payment there is nothing to explain; whatever else fails is named, and is no reason to stop."""
    with pytest.raises(PaymentNotFound):
        await ask(node, "00" * 32)
    lost = Scenarios(node.world).no_route(5_000 * SAT)
    await node.play(lost)
    node.faults.refuse(Question.QUERY_ROUTES, grpc.StatusCode.UNKNOWN, "unknown required feature")
    answers = await ask(node, lost.payment_hash)
    assert judge(answers) == (Verdict.UNEXPLAINED, False)
    assert [(one.call, one.denied) for one in answers.not_answered] == [("QueryRoutes", False)]
    assert "unknown required feature" in answers.not_answered[0].advice
    large = Scenarios(node.world, 1).no_route(spendable(node)[1] + SAT)
    await node.play(large)
    node.calls.clear()
    node.faults.refuse(Question.QUERY_ROUTES, grpc.StatusCode.UNKNOWN, "busy", after=1)
    answers = await ask(node, large.payment_hash)
    assert answers.found == Found(NoRoute.NO_PATH)
    assert node.calls[Question.QUERY_ROUTES] == 2, "it isn't asked again after an error"
    node.revoke_macaroons()
    with pytest.raises(LndError, match="revoked"):
        await ask(node, lost.payment_hash)


HELD_S = 3600
"""How much later than the HTLC was sent lnd is asked."""


async def held(node: SimulatedNode) -> str:
    """Send a payment whose HTLC is held; return its hash."""
    scenario = Scenarios(node.world).held_then_settled()
    for step in scenario.steps[:2]:
        node.database.apply(step.mutation)
    return scenario.payment_hash


async def ask_later(node: SimulatedNode, payment_hash: str) -> Answers:
    """Ask about a payment an hour later."""
    async with client_of(node) as client:
        return await Asker(client, lambda: node.clock.now_ns() + HELD_S * SECOND).ask(payment_hash)


async def test_ghost(node: SimulatedNode) -> None:
    """An HTLC that isn't on its channel: lnd is asked for the payment once more, for it may just have ended."""
    payment_hash = await held(node)
    answers = await ask_later(node, payment_hash)
    assert (judge(answers), answers.ghosts) == ((Verdict.HELD_NOW, False), ())
    assert node.calls[Method.TRACK_PAYMENT] == 1
    node.faults.ghosts.add(payment_hash)
    answers = await ask_later(node, payment_hash)
    assert (judge(answers), len(answers.ghosts)) == ((Verdict.GHOST, True), 1)
    assert answers.detail.payment_request == answers.detail.preimage == ""
    assert node.calls[Method.TRACK_PAYMENT] == 3


async def test_htlc_that_ends_between_two_answers_is_no_ghost(node: SimulatedNode) -> None:
    """The list of channels lacks it, but it is over by then."""
    payment_hash = await held(node)
    node.faults.ghosts.add(payment_hash)
    list_channels = node.channels

    def end() -> pb.ListChannelsResponse:
        node.database.apply(GiveUp(payment_hash, pb.FAILURE_REASON_INCORRECT_PAYMENT_DETAILS))
        node.database.apply(Fail(payment_hash, 0, pb.Failure.INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS, 2))
        return list_channels()

    node.channels = end  # type: ignore[method-assign]
    answers = await ask_later(node, payment_hash)
    assert judge(answers) == (Verdict.INVOICE_EXPIRED, False)
