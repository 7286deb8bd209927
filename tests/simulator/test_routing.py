"""Routes in the simulated world, as lnd's QueryRoutes finds them; and invoices, as DecodePayReq reads them."""

from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.simulator.invoice import decode
from exporter.simulator.routing import INSUFFICIENT, NO_PATH, MissionControl, find_route
from exporter.simulator.world import Edge, Peer, World, node

ME, BOB, CAROL, DAVE = (node(name, name.encode()) for name in ("me", "bob", "carol", "dave"))
KEYS = {one.pubkey: one.alias for one in (BOB, CAROL, DAVE)}
SAT = 1000


def world(**active: bool) -> World:
    """Return a world in which bob is the cheaper way to dave, with 900 sat to bob and 1900 sat to carol."""
    peers = tuple(
        Peer(peer, sat, reserve_sat=100, active=active.get(peer.alias, True))
        for peer, sat in ((BOB, 1_000), (CAROL, 2_000))
    )
    edges = (
        Edge(BOB.pubkey, DAVE.pubkey, 10_000 * SAT, base_msat=1000, ppm=1000),
        Edge(CAROL.pubkey, DAVE.pubkey, 10_000 * SAT, base_msat=2000, ppm=0),
        Edge(BOB.pubkey, CAROL.pubkey, 10_000 * SAT, base_msat=0, ppm=0),
    )
    return World(ME, peers, (DAVE,), edges=edges)


def found(world: World, sat: int, learned: MissionControl | None = None, limit_msat: int = 10**9) -> object:
    """Return the names on the route to dave, its fee and probability; or the text."""
    answer = find_route(world, DAVE.pubkey, sat * SAT, learned, limit_msat)
    if isinstance(answer, str):
        return answer
    route, probability = answer
    return [KEYS[hop.pub_key] for hop in route.hops], route.total_fees_msat, probability


def test_cheapest_route_with_enough_balance() -> None:
    """Fees included: what bob can't get from here goes through carol."""
    assert found(world(), 100) == (["bob", "dave"], 1100, 1.0)
    assert found(world(), 100, MissionControl()) == (["bob", "dave"], 1100, 0.6)
    assert found(world(), 899) == (["carol", "dave"], 2000, 1.0)
    assert found(world(bob=False), 100) == (["carol", "dave"], 2000, 1.0)


def test_no_route() -> None:
    """The text tells too little balance from too little in one channel."""
    assert found(world(), 2800) == NO_PATH
    assert found(world(), 2801) == INSUFFICIENT
    assert found(world(bob=False, carol=False), 1) == INSUFFICIENT
    assert found(world(), 1899) == NO_PATH, "there is nothing left for the fee"


def test_fee_limit() -> None:
    """Without one it is the amount for up to 1000 sat, and 5 % for others."""
    assert found(world(), 100, limit_msat=1099) == NO_PATH
    assert found(world(), 100, limit_msat=1100) == (["bob", "dave"], 1100, 1.0)
    assert found(world(), 1, limit_msat=0) == NO_PATH
    assert found(world(), 2, limit_msat=0) == (["bob", "dave"], 1002, 1.0)


def test_what_has_failed_is_avoided() -> None:
    """A lack of balance for that amount and more, a node that is gone for any amount, until it is forgotten."""
    learned, route = MissionControl(), world().route([BOB.pubkey, DAVE.pubkey], 100 * SAT, [1100])
    learned.learn(route, pb.Failure.TEMPORARY_CHANNEL_FAILURE, 1)
    assert found(world(), 100, learned) == (["carol", "dave"], 2000, 0.6)
    assert found(world(), 99, learned) == (["bob", "dave"], 1099, 0.6)
    learned.learn(world().route([CAROL.pubkey, DAVE.pubkey], 100 * SAT, [2000]), pb.Failure.UNKNOWN_NEXT_PEER, 1)
    assert found(world(), 1, learned) == (["bob", "dave"], 1001, 0.6)
    assert found(world(), 100, learned) == NO_PATH
    assert found(world(), 100) == (["bob", "dave"], 1100, 1.0)
    learned.learn(route, pb.Failure.INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS, 2)
    learned.learn(route, pb.Failure.UNKNOWN_NEXT_PEER, 0)
    assert found(world(), 99, learned) == NO_PATH
    learned.reset()
    assert found(world(), 100, learned) == (["bob", "dave"], 1100, 0.6)


def test_invoice_is_read() -> None:
    """When it was made, how long it lasts, what the payee supports, and who that is."""
    invoice = decode(world().payment_request(DAVE, b"h" * 32, 5_000 * SAT, 1_780_000_000))
    assert (invoice.created_s, invoice.expiry_s, invoice.features) == (1_780_000_000, 3600, (9, 14, 17))
    assert [invoice.is_signed_by(one.key) for one in (ME, BOB, CAROL, DAVE)] == [False, False, False, True]
