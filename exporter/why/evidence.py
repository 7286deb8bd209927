"""The evidence for a verdict: what is known of the payment, what each attempt met, what lnd finds now."""

import datetime as dt
from collections.abc import Iterable, Iterator

from exporter.explain.answers import Answers
from exporter.payments.detail import RoutedAttempt
from exporter.payments.ended import EndedPayment
from exporter.payments.findings import NoRoute, Route
from exporter.payments.labels import AttemptStatus, Code, Status
from exporter.payments.payment import NS_PER_S
from exporter.text import format_sat, with_spaces
from exporter.track.table import describe_source, format_duration_ns, format_node
from exporter.why.texts import format_fee, until

US_PER_S = 1_000_000
MAX_ATTEMPTS = 10
"""Attempts that are told in words, the newest; `--json` and `track` have all."""
MAX_PEERS = 5
"""Peers that are named in one line."""
_ON_CHAIN = "the HTLC is resolved on chain (lncli pendingchannels)"
_ATTEMPTS_DELETED = (
    "lnd has no attempt of it: it made none, or deleted them, as it does when a payment fails"
    " (unless keep-failed-payment-attempts=true)"
)


def evidence(answers: Answers) -> Iterator[str]:
    """Yield one line for each thing that is known."""
    yield _what(answers)
    if answers.invoice:
        at = _time(answers.invoice.expires_s)
        gone = answers.invoice.expires_s * NS_PER_S <= answers.at_ns
        yield f"its invoice {'expired' if gone else 'expires'} at {at}"
    yield from _attempts(answers)
    yield from _ghosts(answers)
    yield from dict.fromkeys(_holding_peers(answers))
    yield from _routes(answers)
    yield from _balance(answers)


def _what(answers: Answers) -> str:
    payment = answers.detail.payment
    to = f" to {format_node(answers.recipient, answers.aliases)}" if answers.recipient else ""
    if answers.pays_self:
        to = " to this node itself (a rebalance)"
    age = format_duration_ns(max(0, answers.at_ns - payment.created_ns))
    return f"{format_sat(payment.value_msat)} sat{to}, created at {_time(payment.created_ns // NS_PER_S)}, {age} ago"


def _attempts(answers: Answers) -> Iterator[str]:
    attempts = answers.detail.attempts
    if not attempts and answers.detail.payment.status is Status.FAILED:
        yield _counted(answers.counted, answers) if answers.counted else _ATTEMPTS_DELETED
    if len(attempts) > MAX_ATTEMPTS:
        yield f"{len(attempts) - MAX_ATTEMPTS} earlier attempts"
    numbered = list(enumerate(attempts, 1))[-MAX_ATTEMPTS:]
    for number, one in numbered:
        yield f"attempt {number}: {_attempt(one, answers)}"
    failed_ns = [one.duration_ns or 0 for one in attempts if one.attempt.status is AttemptStatus.FAILED]
    if len(failed_ns) > 1:
        yield f"{len(failed_ns)} attempts failed; the longest HTLC was locked for {format_duration_ns(max(failed_ns))}"


def _counted(counted: EndedPayment, answers: Answers) -> str:
    """Return what the exporter has seen of its attempts."""
    at = _time(counted.counted_us // US_PER_S)
    if counted.attempts == 0:
        return f"the exporter counted it at {at}, and saw that lnd made no attempt"
    attempts = (
        "its attempts" if counted.attempts is None else f"{counted.attempts} attempt{'s' * (counted.attempts > 1)}"
    )
    through = f" through {_names(counted.first_hops, answers)}" if counted.first_hops else ""
    head = f"the exporter counted it at {at} as {counted.cause}; lnd has deleted {attempts}{through}"
    if not counted.failure_code:
        return head
    by = {"self": "this node", "first_hop": "the first hop", "recipient": "the recipient"}.get(counted.failure_source)
    by = by or (format_node(counted.failed_by, answers.aliases) if counted.failed_by else "an unknown node")
    return f"{head}; the last failed with {counted.failure_code.replace('_', ' ')}, by {by}"


def _attempt(routed: RoutedAttempt, answers: Answers) -> str:
    attempt = routed.attempt
    way = " > ".join(format_node(hop.pubkey, answers.aliases) for hop in routed.hops) or "an unknown route"
    head = f"{format_sat(attempt.amount_msat)} sat over {way}"
    if routed.in_flight:
        age = format_duration_ns(max(0, answers.at_ns - attempt.attempt_ns))
        gone = routed in answers.ghosts
        return f"{head}: in flight for {age}, {'but on no channel' if gone else until(answers, routed)}"
    took = "" if routed.duration_ns is None else f" after {format_duration_ns(routed.duration_ns)}"
    if attempt.status is AttemptStatus.SETTLED:
        return f"{head}: settled{took}, fee {format_sat(attempt.fee_msat)} sat"
    code = with_spaces(attempt.code or Code.OTHER)
    return f"{head}: {code}, {describe_source(routed, answers.aliases)}{took}"


def _ghosts(answers: Answers) -> Iterator[str]:
    """Yield the channels on which lnd doesn't list an HTLC that it calls in flight."""
    channels = {(one.attempt.channel_id, one.attempt.peer): None for one in answers.ghosts}
    for channel_id, peer in channels:
        yield (
            f"lnd doesn't list it among the HTLCs of channel {channel_id} with {format_node(peer, answers.aliases)},"
            " which is active"
        )


def _holding_peers(answers: Answers) -> Iterator[str]:
    """Yield the direct peers with an outstanding HTLC that can't answer now, or whose channel isn't open any more."""
    if answers.channels is None:
        return
    waiting = [one.attempt for one in answers.detail.attempts if one.in_flight]
    for peer, channel_id in dict.fromkeys((attempt.peer, attempt.channel_id) for attempt in waiting):
        name = format_node(peer, answers.aliases)
        channels = [channel for channel in answers.channels if channel.peer == peer]
        if not channels:
            yield f"no channel with {name} is open: {_ON_CHAIN}"
        elif channel_id and not any(channel_id in channel.ids for channel in channels):
            yield f"channel {channel_id} with {name} isn't open any more: {_ON_CHAIN}"
        elif not any(channel.active for channel in channels):
            yield f"{name} is offline: nothing can come back through it now"


def _routes(answers: Answers) -> Iterator[str]:
    """Yield what lnd finds now."""
    found, amount_msat = answers.found, answers.detail.payment.value_msat
    if isinstance(found.whole, Route):
        chance = f"; lnd gives it a chance of {found.whole.probability:.0%}"
        yield f"now lnd finds a route for {_route(found.whole, amount_msat, answers)}{chance}"
    elif found.whole is NoRoute.INSUFFICIENT_BALANCE:
        yield "now lnd finds that the active channels of this node have too little"
    elif found.whole is NoRoute.NO_PATH:
        yield "now lnd finds no route for it in one part; QueryRoutes doesn't look for several"
    if isinstance(found.regardless, Route):
        yield (
            f"without regard to failures it would find one for {_route(found.regardless, amount_msat, answers)}:"
            " it avoids channels that have failed lately"
        )
    elif found.regardless is NoRoute.NO_PATH:
        yield "nor without regard to channels that have failed lately"
    if found.avoided and isinstance(found.before_recipient, Route) and found.before_recipient.likely:
        before = format_node(found.avoided.hops[-2], answers.aliases)
        chance = f"{found.before_recipient.probability:.0%}"
        yield f"to {before}, the last node before the recipient, it finds one with a chance of {chance}"
    if found.part:
        part_msat = amount_msat // found.parts
        yield (
            f"for a part of {format_sat(part_msat)} sat (1 of {found.parts}) it finds a route for"
            f" {_route(found.part, part_msat, answers)}"
        )


def _route(route: Route, amount_msat: int, answers: Answers) -> str:
    way = " > ".join(format_node(key, answers.aliases) for key in route.hops)
    return f"{format_fee(route.fee_msat, amount_msat)} over {way}"


def _balance(answers: Answers) -> Iterator[str]:
    """Yield what the node's channels could send now, if it failed."""
    balance, channels = answers.balance, answers.channels
    if balance is None or channels is None or answers.detail.payment.status is not Status.FAILED:
        return
    active = sum(channel.active for channel in channels)
    yield (
        f"now this node can send {format_sat(balance.active_msat)} sat by {active} active"
        f" channel{'s' * (active != 1)}, {format_sat(balance.largest_msat)} sat by one of them"
    )
    offline = sorted((c for c in channels if not c.active), key=lambda c: c.spendable_msat, reverse=True)
    if offline:
        names = _names([channel.peer for channel in offline], answers)
        yield f"peers offline: {names}, with {format_sat(balance.inactive_msat)} sat"


def _names(keys: Iterable[str], answers: Answers) -> str:
    """Return the names of some nodes, each once, `MAX_PEERS` at most."""
    names = list(dict.fromkeys(format_node(key, answers.aliases) for key in keys))
    return f"{', '.join(names[:MAX_PEERS])}{f' and {len(names) - MAX_PEERS} more' * (len(names) > MAX_PEERS)}"


def _time(seconds: int) -> str:
    """Return a time as `2026-11-29 13:05:00 UTC`; what lies beyond the calendar as it is."""
    try:
        return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, OSError, ValueError):
        return f"{seconds} s since 1970"
