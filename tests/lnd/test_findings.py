"""Questions and answers of `why`: what the invoice says about routes is passed on as lnd sent it."""

import grpc

from exporter.lnd import errors
from exporter.lnd.client import RouteNotFound
from exporter.lnd.findings import ANY_FEE_MSAT, invoice, own_channels, route, routes_request
from exporter.lnd.rpc import lnd_pb2, why_pb2
from exporter.payments.findings import Invoice, NoRoute, OwnChannel, Route, RouteQuery
from exporter.payments.node import OfferedHtlc
from exporter.simulator.wire import bytes_field, int_field

PAYEE = "02" + "ab" * 32
HINT = bytes_field(1, bytes_field(1, b"03" * 33) + int_field(2, 7) + int_field(4, 150))
"""A `RouteHint` with one `HopHint`."""
BLINDED = int_field(2, 1000) + int_field(4, 80)
"""A `BlindedPaymentPath`."""


def test_hints_and_features_reach_the_question() -> None:
    """Also a feature bit that lnd's enum lacks; the amount, at whatever fee."""
    answer = why_pb2.PayReq(destination=PAYEE, timestamp=1_780_000_000, expiry=3600, cltv_expiry=18)
    answer.route_hints.add().MergeFromString(HINT)
    for bit in (9, 14, 17, 261):
        answer.features[bit].SetInParent()
    known = invoice(why_pb2.PayReq.FromString(answer.SerializeToString()))
    assert known == Invoice(PAYEE, 1_780_003_600, blinded=False, for_routes=known.for_routes)
    request = routes_request(RouteQuery(PAYEE, 5_000_000, invoice=known))
    assert [hint.SerializeToString() for hint in request.route_hints] == [HINT]
    assert list(request.dest_features) == [9, 14, 17, 261]
    assert (request.pub_key, request.amt_msat, request.final_cltv_delta) == (PAYEE, 5_000_000, 18)
    assert (request.use_mission_control, request.fee_limit.fixed_msat) == (True, ANY_FEE_MSAT)
    assert not routes_request(RouteQuery(PAYEE, 1, learned=False)).use_mission_control
    assert "hint" not in repr(known)


def test_blinded_paths_stand_for_the_recipient() -> None:
    """lnd refuses a key, features and hints beside them."""
    answer = why_pb2.PayReq(destination=PAYEE, cltv_expiry=18)
    answer.features[9].SetInParent()
    answer.blinded_paths.add().MergeFromString(BLINDED)
    known = invoice(answer)
    assert known.blinded
    request = routes_request(RouteQuery(PAYEE, 7, invoice=known))
    assert [path.SerializeToString() for path in request.blinded_payment_paths] == [BLINDED]
    assert (request.pub_key, request.final_cltv_delta, len(request.dest_features)) == ("", 0, 0)
    assert routes_request(RouteQuery(PAYEE, 7)).pub_key == PAYEE


def test_routes() -> None:
    """The only one that lnd sends."""
    hops = [why_pb2.Hop(pub_key="02aa"), why_pb2.Hop(pub_key=PAYEE)]
    answer = why_pb2.QueryRoutesResponse(routes=[why_pb2.Route(hops=hops, total_fees_msat=9)], success_prob=0.5)
    assert route(answer) == Route(9, 0.5, ("02aa", PAYEE))
    assert route(why_pb2.QueryRoutesResponse()) is None


def test_no_route_is_an_answer() -> None:
    """lnd sends it as an error; other errors stay errors."""
    for text, why in (
        ("unable to find a path to destination", NoRoute.NO_PATH),
        ("insufficient local balance", NoRoute.INSUFFICIENT_BALANCE),
    ):
        error = errors.from_status(grpc.StatusCode.UNKNOWN, text)
        assert isinstance(error, RouteNotFound)
        assert error.why is why
    assert not isinstance(errors.from_status(grpc.StatusCode.UNKNOWN, "missing dependent feature"), RouteNotFound)


def test_own_channels() -> None:
    """The local balance less the reserve, never below 0; the HTLCs offered; the ids by which routes may name it."""
    reserve = lnd_pb2.ChannelConstraints(chan_reserve_sat=10)
    answer = lnd_pb2.ListChannelsResponse(
        channels=[
            lnd_pb2.Channel(
                active=True,
                remote_pubkey=PAYEE,
                chan_id=7,
                zero_conf_confirmed_scid=8,
                local_balance=30,
                local_constraints=reserve,
                peer_alias="shop",
                pending_htlcs=[lnd_pb2.HTLC(amount=5, hash_lock=b"\xaa", expiration_height=9)],
            ),
            lnd_pb2.Channel(remote_pubkey=PAYEE, chan_id=9, local_balance=3, local_constraints=reserve),
        ]
    )
    assert own_channels(answer) == (
        OwnChannel(PAYEE, "shop", True, 20_000, frozenset((7, 8)), {"aa": (OfferedHtlc(5, 9),)}),
        OwnChannel(PAYEE, "", False, 0, frozenset((9,)), {}),
    )
