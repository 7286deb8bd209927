"""Renders one payment as text: amounts and status, then two or three lines for each attempt."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from rich.console import Console
from rich.text import Text

from exporter.payments.detail import PaymentDetail, RoutedAttempt
from exporter.payments.labels import AttemptStatus, Code, FailureSource, Reason, Status
from exporter.payments.payment import NS_PER_S
from exporter.text import format_duration, format_sat, sanitize, with_spaces
from exporter.track.watcher import PaymentUpdate

_TENTH_NS = NS_PER_S // 10
_MINUTE_NS = 60 * NS_PER_S
_KEY_DIGITS = 10
"""Digits of the key that are shown for a node without alias."""
_MIN_LINES = 2
"""The least number of lines of an attempt."""

_STYLE: dict[Status, str] = {Status.SUCCEEDED: "bold green", Status.FAILED: "bold red"}
_ATTEMPT_STYLE: dict[AttemptStatus, str] = {
    AttemptStatus.IN_FLIGHT: "yellow",
    AttemptStatus.SETTLED: "green",
    AttemptStatus.FAILED: "red",
}


class Outage(NamedTuple):
    """A time without updates of the payment."""

    since_ns: int
    """Nanoseconds since 1970."""
    reason: str
    over: bool = False
    """True if lnd isn't asked again."""

    def describe(self, now_ns: int) -> str:
        """Return how old the shown state is, and why."""
        retrying = "" if self.over else ", retrying"
        return f"as of {format_duration(max(0, now_ns - self.since_ns) // NS_PER_S)} ago: {self.reason}{retrying}"


class _Row(NamedTuple):
    """The first line of an attempt."""

    number: str
    sat: str
    fee: str
    time_lock: str
    took: str
    state: str


_TITLES = _Row("#", "sat", "fee", "time lock", "took", "state")


def render_payment(
    update: PaymentUpdate,
    preface: str,
    now_ns: int,
    *,
    secrets: bool,
    console: Console | None = None,
    outage: Outage | None = None,
) -> Text:
    """Return the payment with all attempts, or with as many of the newest (at least one) as fit the `console`'s height.

    `preface` names the node, if it has a name; `now_ns` is in nanoseconds since 1970. During an `outage` the text shows
    the state at its beginning.
    """
    now_ns, suffix = _as_of(outage, now_ns)
    status = Text(f"{preface}{describe_status(update.detail, now_ns)}{suffix}")
    status.stylize("bold yellow" if outage else _STYLE.get(update.detail.payment.status, "bold"))

    def text(room: int) -> Text:
        lines = _lines(update, status, now_ns, secrets=secrets, room=room)
        return Text("\n", overflow="fold").join(lines)

    room = len(update.detail.attempts)
    if console is None:
        return text(room)
    room = max(1, min(room, console.height // _MIN_LINES))
    while room > 1 and len(text(room).wrap(console, console.width)) > console.height:
        room -= 1
    return text(room)


def render_waiting(
    detail: PaymentDetail, since_ns: int, preface: str, now_ns: int, outage: Outage | None = None
) -> Text:
    """Return the text that is shown while only the end is wanted; times are in nanoseconds since 1970."""
    now_ns, suffix = _as_of(outage, now_ns)
    age = format_duration_ns(max(0, now_ns - detail.payment.created_ns))
    waiting = f"waiting for the end for {format_duration_ns(max(0, now_ns - since_ns))}, created {age} ago"
    status = Text(f"{preface}{waiting}{suffix}", style="bold yellow" if outage else "bold")
    return Text("\n", overflow="fold").join([Text(detail.payment.payment_hash), status])


def _as_of(outage: Outage | None, now_ns: int) -> tuple[int, str]:
    """Return the time of the shown state, and during an outage a suffix that describes it."""
    return (outage.since_ns, f", {outage.describe(now_ns)}") if outage else (now_ns, "")


def describe_source(routed: RoutedAttempt, aliases: Mapping[str, str]) -> str:
    """Return which node failed an attempt."""
    name = f": {format_node(routed.failing_hop.pubkey, aliases)}" if routed.failing_hop else ""
    match routed.attempt.source:
        case FailureSource.SELF:
            return "by this node"
        case FailureSource.FIRST_HOP:
            return f"by the first hop{name}"
        case FailureSource.INTERMEDIATE:
            return f"by hop {routed.source_index} of {len(routed.hops)}{name}"
        case FailureSource.RECIPIENT:
            return f"by the recipient{name}"
        case _:
            return "by an unknown node"


def _lines(update: PaymentUpdate, status: Text, now_ns: int, *, secrets: bool, room: int) -> Iterator[Text]:
    detail = update.detail
    payment = detail.payment
    yield Text(payment.payment_hash)
    yield status
    so_far = "" if payment.status.ended else " so far"
    amount, fee = format_sat(payment.value_msat), format_sat(payment.fee_msat)
    yield Text(f"{amount} sat, fee {fee} sat{so_far}, {_count_htlcs(detail.in_flight)}")
    if secrets:
        yield Text(f"preimage {detail.preimage or 'unknown'}")
        yield Text(f"payment request {sanitize(detail.payment_request) or 'none'}")
    if not detail.attempts:
        return
    rows = [_row(number, attempt, now_ns) for number, attempt in enumerate(detail.attempts, 1)]
    widths = [max(map(len, column)) for column in zip(_TITLES, *rows, strict=True)]
    if room < len(rows):
        yield Text(f"  and {len(rows) - room} earlier attempts", style="dim")
    yield Text(_format_row(_TITLES, widths), style="dim")
    for row, routed in list(zip(rows, detail.attempts, strict=True))[-room:]:
        yield Text(_format_row(row, widths), style="dim" if routed.deleted else _ATTEMPT_STYLE[routed.attempt.status])
        yield from _attempt_lines(routed, update.aliases, " " * (widths[0] + 4), secrets=secrets)


def _attempt_lines(routed: RoutedAttempt, aliases: Mapping[str, str], indent: str, *, secrets: bool) -> Iterator[Text]:
    """Yield the lines below the numbers of an attempt."""
    yield Text(indent + (" > ".join(format_node(hop.pubkey, aliases) for hop in routed.hops) or "no route"))
    if routed.attempt.status is AttemptStatus.FAILED:
        code = with_spaces(routed.attempt.code or Code.OTHER)
        yield Text(f"{indent}{code}, {describe_source(routed, aliases)}")
    if routed.deleted:
        yield Text(f"{indent}ended while disconnected, and lnd has deleted its outcome")
    if secrets and routed.preimage:
        yield Text(f"{indent}preimage {routed.preimage}")


def describe_status(detail: PaymentDetail, now_ns: int) -> str:
    """Return `in flight for 2m 5s, given up: timeout` or `failed after 12.3s: no route`."""
    payment, elapsed_ns = detail.payment, detail.elapsed_ns(now_ns)
    after = (
        "" if elapsed_ns is None else f" {'after' if payment.status.ended else 'for'} {format_duration_ns(elapsed_ns)}"
    )
    return with_spaces(payment.status) + after + _format_reason(payment.status, payment.reason)


def _format_reason(status: Status, reason: Reason) -> str:
    """Return why lnd gave the payment up, if it did; even such a payment may succeed."""
    if reason is Reason.NONE:
        return ""
    if status is Status.SUCCEEDED:
        return f", though lnd had given it up ({with_spaces(reason)})"
    return f": {with_spaces(reason)}" if status is Status.FAILED else f", given up: {with_spaces(reason)}"


def _row(number: int, routed: RoutedAttempt, now_ns: int) -> _Row:
    attempt, duration_ns = routed.attempt, routed.duration_ns
    took_ns = max(0, now_ns - attempt.attempt_ns) if duration_ns is None else duration_ns
    return _Row(
        str(number),
        format_sat(attempt.amount_msat),
        format_sat(attempt.fee_msat),
        f"{attempt.expiry_height:,}" if attempt.expiry_height else "-",
        "-" if routed.deleted else format_duration_ns(took_ns),
        "deleted" if routed.deleted else with_spaces(attempt.status),
    )


def _format_row(row: _Row, widths: list[int]) -> str:
    numbers = [f"{cell:>{width}}" for cell, width in zip(row[:-1], widths, strict=False)]
    return "  ".join(["", *numbers, row.state])


def format_duration_ns(nanoseconds: int) -> str:
    """Return a duration as `format_duration` does; below a minute with tenths of a second."""
    if nanoseconds >= _MINUTE_NS:
        return format_duration(nanoseconds // NS_PER_S)
    seconds, tenths = divmod(nanoseconds // _TENTH_NS, 10)
    return f"{seconds}.{tenths}s"


def _count_htlcs(htlcs: int) -> str:
    return f"{htlcs or 'no'} HTLC{'s' * (htlcs != 1)} in flight"


def format_node(pubkey: str, aliases: Mapping[str, str]) -> str:
    """Return the alias of a node, else the beginning of its key."""
    return sanitize(aliases.get(pubkey, "")) or sanitize(pubkey[:_KEY_DIGITS]) or "?"
