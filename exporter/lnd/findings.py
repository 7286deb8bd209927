"""Converts lnd's answers for the command `why`, and its questions about routes."""

from typing import Any

from exporter.lnd.decode import above_reserve_msat, channel_ids, offered
from exporter.lnd.rpc import lnd_pb2, why_pb2
from exporter.payments.findings import Invoice, OwnChannel, Route, RouteQuery
from exporter.payments.labels import MSAT_PER_SAT

ANY_FEE_MSAT = 21_000_000 * 100_000_000 * MSAT_PER_SAT
"""All bitcoin there will ever be: without a limit lnd would apply one of its own, 5 % for most amounts."""


def invoice(message: why_pb2.PayReq) -> Invoice:
    """Convert the answer of `DecodePayReq`, without description, hash and payment address."""
    if message.blinded_paths:  # lnd refuses all other fields then
        known = why_pb2.QueryRoutesRequest(blinded_payment_paths=message.blinded_paths)
    else:
        features: Any = sorted(message.features)  # numbers, which also stand for bits that our enum doesn't have
        known = why_pb2.QueryRoutesRequest(
            final_cltv_delta=message.cltv_expiry,
            route_hints=message.route_hints,
            dest_features=features,
        )
    return Invoice(
        destination=message.destination,
        expires_s=message.timestamp + message.expiry,
        blinded=bool(message.blinded_paths),
        for_routes=known.SerializeToString(),
    )


def routes_request(query: RouteQuery) -> why_pb2.QueryRoutesRequest:
    """Return the request for a route."""
    known = query.invoice.for_routes if query.invoice else b""
    request = why_pb2.QueryRoutesRequest.FromString(known)
    if not request.blinded_payment_paths:
        request.pub_key = query.destination
    request.amt_msat = query.amount_msat
    request.use_mission_control = query.learned
    request.fee_limit.fixed_msat = ANY_FEE_MSAT
    return request


def route(message: why_pb2.QueryRoutesResponse) -> Route | None:
    """Convert the answer of `QueryRoutes`; None if it has no route, which no lnd sends."""
    if not message.routes:
        return None
    first = message.routes[0]
    return Route(first.total_fees_msat, message.success_prob, tuple(hop.pub_key for hop in first.hops))


def own_channels(message: lnd_pb2.ListChannelsResponse) -> tuple[OwnChannel, ...]:
    """Convert the answer of `ListChannels`."""
    return tuple(
        OwnChannel(
            peer=channel.remote_pubkey,
            alias=channel.peer_alias,
            active=channel.active,
            spendable_msat=above_reserve_msat(channel.local_balance, channel.local_constraints),
            ids=channel_ids(channel),
            offered=offered(channel),
        )
        for channel in message.channels
    )
