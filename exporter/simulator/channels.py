"""The answer of a simulated node to ListChannels: its channels, and the HTLCs of payments in flight in them."""

from collections.abc import Container

from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.simulator.database import Database
from exporter.simulator.world import MAX_HTLCS, World, channel_to


def list_channels(world: World, database: Database, ghosts: Container[str]) -> pb.ListChannelsResponse:
    """Return the answer, with the peers' aliases; HTLCs with a hash of `ghosts` were sent, but are on no channel."""
    htlcs = _htlcs(world.me.pubkey, database, ghosts)
    return pb.ListChannelsResponse(
        channels=[
            pb.Channel(
                active=peer.active,
                remote_pubkey=peer.node.pubkey,
                chan_id=channel_to(peer.node.pubkey),
                local_balance=peer.local_sat,
                remote_balance=peer.remote_sat,
                pending_htlcs=htlcs.get(peer.node.pubkey, ()),
                local_constraints=_constraints(peer.reserve_sat, peer.htlcs),
                remote_constraints=_constraints(peer.reserve_sat, MAX_HTLCS),
                peer_alias=peer.node.alias,
            )
            for peer in world.peers
        ]
    )


def _htlcs(own_key: str, database: Database, ghosts: Container[str]) -> dict[str, list[pb.HTLC]]:
    """Return the HTLCs by the key of the peer with which they are: those sent, and those of rebalances coming back."""
    htlcs: dict[str, list[pb.HTLC]] = {}
    for payment_hash, attempt in database.outstanding():
        route, digest = attempt.route, bytes.fromhex(payment_hash)
        if payment_hash not in ghosts:
            sat, height = route.total_amt_msat // 1000, route.total_time_lock
            htlc = pb.HTLC(amount=sat, hash_lock=digest, expiration_height=height)
            htlcs.setdefault(route.hops[0].pub_key, []).append(htlc)
        if len(route.hops) > 1 and route.hops[-1].pub_key == own_key:
            sat = (route.total_amt_msat - route.total_fees_msat) // 1000
            back = pb.HTLC(incoming=True, amount=sat, hash_lock=digest)
            htlcs.setdefault(route.hops[-2].pub_key, []).append(back)
    return htlcs


def _constraints(reserve_sat: int, htlcs: int) -> pb.ChannelConstraints:
    return pb.ChannelConstraints(
        chan_reserve_sat=reserve_sat, max_pending_amt_msat=99 * reserve_sat * 1000, max_accepted_htlcs=htlcs
    )
