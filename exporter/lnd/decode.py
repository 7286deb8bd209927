"""Converts lnd's messages into snapshots: unknown enum values become `other`, and no parsed message raises."""

from functools import lru_cache

from exporter.lnd.bolt11 import PayeeCheck, PayeeSearch
from exporter.lnd.rpc import lnd_pb2 as rpc
from exporter.payments.labels import (
    MSAT_PER_SAT,
    AttemptStatus,
    Code,
    FailureSource,
    Kind,
    NodeState,
    Reason,
    Status,
)
from exporter.payments.node import Channels, Info, Offered, OfferedHtlc, PeerChannels
from exporter.payments.payment import NS_PER_S, Attempt, Payment

KEYSEND_RECORD = 5482373484
"""Number of the custom record in which a keysend payment carries its preimage to the recipient (bLIP 3)."""

_HASH_DIGITS = 64
_KEY_DIGITS = 66
_KEYS = 4096
"""Keys that are remembered as checked, about 1 MB: lnd repeats them in every message."""

# An unknown status isn't terminal: the payment is in flight until it is SUCCEEDED or FAILED.
_STATUS: dict[int, Status] = {
    rpc.Payment.INITIATED: Status.INITIATED,
    rpc.Payment.IN_FLIGHT: Status.IN_FLIGHT,
    rpc.Payment.SUCCEEDED: Status.SUCCEEDED,
    rpc.Payment.FAILED: Status.FAILED,
}
_ATTEMPT_STATUS: dict[int, AttemptStatus] = {
    rpc.HTLCAttempt.IN_FLIGHT: AttemptStatus.IN_FLIGHT,
    rpc.HTLCAttempt.SUCCEEDED: AttemptStatus.SETTLED,
    rpc.HTLCAttempt.FAILED: AttemptStatus.FAILED,
}
_REASON: dict[int, Reason] = {
    number: Reason(name.removeprefix("FAILURE_REASON_").lower()) for name, number in rpc.PaymentFailureReason.items()
}
_CODE: dict[int, Code] = {number: Code(name.lower()) for name, number in rpc.Failure.FailureCode.items()}
_STATE: dict[int, NodeState] = {
    rpc.NON_EXISTING: NodeState.NO_WALLET,
    rpc.LOCKED: NodeState.LOCKED,
    rpc.UNLOCKED: NodeState.STARTING,
    rpc.WAITING_TO_START: NodeState.STARTING,
    rpc.RPC_ACTIVE: NodeState.READY,  # calls are accepted from here on, before payments resume
    rpc.SERVER_ACTIVE: NodeState.READY,
}
# Python 3.11 takes longer to look up the member of an enum than a global name.
_IN_FLIGHT, _OTHER_REASON = Status.IN_FLIGHT, Reason.OTHER
_ATTEMPT_IN_FLIGHT, _ATTEMPT_FAILED = AttemptStatus.IN_FLIGHT, AttemptStatus.FAILED
_INTERMEDIATE = FailureSource.INTERMEDIATE
_REBALANCE, _AMP, _KEYSEND = Kind.REBALANCE, Kind.AMP, Kind.KEYSEND
# With these lnd sends index 0 also when it doesn't know which node failed the attempt.
_SOURCELESS = (Code.INTERNAL_FAILURE, Code.UNKNOWN_FAILURE, Code.UNREADABLE_FAILURE)


def payment(message: rpc.Payment, own_key: str) -> Payment:
    """Convert a `lnrpc.Payment`; `own_key` is the node's identity key in hex, empty if not known yet."""
    # Reading a field of a message costs as much as a few lines of Python, so each is read once.
    status = _STATUS.get(message.status, _IN_FLIGHT)
    request = message.payment_request
    attempts: list[Attempt] = []
    destination = ""
    for htlc in message.htlcs:
        attempt, destination = _attempt(htlc, own_key)
        attempts.append(attempt)
    asks = status.ended and not attempts and request
    return Payment(
        _hex(message.payment_hash, _HASH_DIGITS),
        message.creation_time_ns or message.creation_date * NS_PER_S,
        message.payment_index,
        status,
        _REASON.get(message.failure_reason, _OTHER_REASON),
        message.value_msat,
        message.fee_msat,
        invoice=bool(request),
        pays_self=PayeeCheck(request, own_key) if asks and own_key else None,
        payee_among=PayeeSearch(request) if asks else None,
        attempts=tuple(attempts),
        destination=destination,
    )


def _attempt(message: rpc.HTLCAttempt, own_key: str) -> tuple[Attempt, str]:
    """Convert an attempt; return it and the key of its recipient, empty without a route and on a blinded path."""
    status = _ATTEMPT_STATUS.get(message.status, _ATTEMPT_IN_FLIGHT)
    route = message.route
    hops = route.hops
    length = len(hops)
    peer = destination = back_peer = ""
    channel_id = 0
    hint: Kind | None = None
    code = source = None
    if length:
        first, last = hops[0], hops[-1]
        peer, destination = _key(first.pub_key), _key(last.pub_key)
        is_amp = last.HasField("amp_record")
        if own_key and destination == own_key:
            hint = _REBALANCE
        elif is_amp:
            hint = _AMP
        elif KEYSEND_RECORD in last.custom_records:
            hint = _KEYSEND
        if last.encrypted_data:
            destination = ""
        if not is_amp:
            channel_id = first.chan_id
        if hint is _REBALANCE and length > 1:
            back_peer = _key(hops[-2].pub_key)
    before_recipient, failed_by = False, ""
    if status is _ATTEMPT_FAILED:
        code, source = _failure(message, length)
        index = message.failure.failure_source_index
        before_recipient = 0 < index == length - 1
        if source is _INTERMEDIATE:
            failed_by = _key(hops[index - 1].pub_key)
    attempt = Attempt(  # by position: with sixteen names it takes twice as long
        message.attempt_id,
        status,
        message.attempt_time_ns,
        message.resolve_time_ns,
        route.total_amt_msat,
        route.total_fees_msat,
        length,
        peer,
        route.total_time_lock,
        hint,
        code,
        source,
        before_recipient,
        failed_by,
        channel_id,
        back_peer,
    )
    return attempt, destination


def _failure(message: rpc.HTLCAttempt, hops: int) -> tuple[Code, FailureSource]:
    """Return why an attempt over that many hops failed, and who failed it.

    `failure_source_index` is 0 for this node, the number of hops for the recipient.
    """
    if not message.HasField("failure"):
        return Code.OTHER, FailureSource.UNKNOWN
    failure = message.failure
    code, index = _CODE.get(failure.code, Code.OTHER), failure.failure_source_index
    if index > hops or (index == 0 and code in _SOURCELESS):
        return code, FailureSource.UNKNOWN
    if index == 0:
        return code, FailureSource.SELF
    if index == hops:
        return code, FailureSource.RECIPIENT
    return code, FailureSource.FIRST_HOP if index == 1 else FailureSource.INTERMEDIATE


def info(message: rpc.GetInfoResponse) -> Info:
    """Convert the answer of `GetInfo`."""
    return Info(
        pubkey=_hex(message.identity_pubkey, _KEY_DIGITS),
        alias=message.alias,
        version=message.version,
        network=message.chains[0].network if message.chains else "",
        block_height=message.block_height,
        best_header_s=message.best_header_timestamp,
        synced_to_chain=message.synced_to_chain,
        synced_to_graph=message.synced_to_graph,
        channels_active=message.num_active_channels,
        channels_inactive=message.num_inactive_channels,
        channels_pending=message.num_pending_channels,
    )


def channels(message: rpc.ListChannelsResponse) -> Channels:
    """Convert the answer of `ListChannels`: the balance and the direct peers."""
    by_peer: dict[str, PeerChannels] = {}
    inactive_msat = 0
    for channel in message.channels:
        peer = _channels_of_peer(channel)
        if not channel.active:
            inactive_msat += above_reserve_msat(channel.local_balance, channel.local_constraints)
        before = by_peer.get(channel.remote_pubkey)
        by_peer[channel.remote_pubkey] = before.plus(peer) if before else peer
    aliases = {channel.remote_pubkey: channel.peer_alias for channel in message.channels if channel.peer_alias}
    return Channels(
        spendable_msat=sum(peer.spendable_msat for peer in by_peer.values()),
        aliases=aliases,
        by_peer=by_peer,
        offered={number: offered(one) for one in message.channels if one.active for number in channel_ids(one)},
        inactive_msat=inactive_msat,
    )


def channel_ids(channel: rpc.Channel) -> frozenset[int]:
    """Return the ids by which routes may name a channel: that of a public zero-conf channel changes when it confirms.

    Its `chan_id` remains the alias with which it began.
    """
    return frozenset((channel.chan_id, channel.zero_conf_confirmed_scid or channel.chan_id))


def offered(channel: rpc.Channel) -> Offered:
    """Return the HTLCs that this node has offered in a channel; a rebalance may come back with the same hash."""
    by_hash: dict[str, tuple[OfferedHtlc, ...]] = {}
    for htlc in channel.pending_htlcs:
        if not htlc.incoming:
            payment_hash = htlc.hash_lock.hex()
            one = OfferedHtlc(htlc.amount, htlc.expiration_height)
            by_hash[payment_hash] = (*by_hash.get(payment_hash, ()), one)
    return by_hash


def _channels_of_peer(channel: rpc.Channel) -> PeerChannels:
    """Return one channel of a peer. What this node may offer is in `local_constraints`: seen on lnd 0.21."""
    amounts = [htlc.amount for htlc in channel.pending_htlcs if not htlc.incoming]
    local, active = channel.local_constraints, channel.active
    return PeerChannels(
        active=int(active),
        inactive=int(not active),
        spendable_msat=above_reserve_msat(channel.local_balance, local) if active else 0,
        receivable_msat=above_reserve_msat(channel.remote_balance, channel.remote_constraints) if active else 0,
        offered=len(amounts),
        offered_limit=local.max_accepted_htlcs,
        offered_msat=sum(amounts) * MSAT_PER_SAT,
        offered_msat_limit=local.max_pending_amt_msat,
    )


def above_reserve_msat(balance_sat: int, constraints: rpc.ChannelConstraints) -> int:
    """Return what one side of a channel can spend, msat: its balance less its reserve, never below 0."""
    return max(0, balance_sat - constraints.chan_reserve_sat) * MSAT_PER_SAT


def state(number: int) -> NodeState:
    """Return the node state for a `lnrpc.WalletState`; an unknown one means that the node isn't ready."""
    return _STATE.get(number, NodeState.STARTING)


@lru_cache(maxsize=_KEYS)
def _key(text: str) -> str:
    """Return an identity key in lower case, empty if it is none."""
    return _hex(text, _KEY_DIGITS)


def _hex(text: str, digits: int) -> str:
    """Return the text in lower case if it consists of that many hex digits, else an empty string."""
    try:
        lower = bytes.fromhex(text).hex()  # it ignores spaces: the length tells
    except ValueError:
        return ""
    return lower if len(lower) == len(text) == digits else ""
