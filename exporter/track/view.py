"""One payment as text: what it is, how it stands, and three lines at most for each attempt."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from rich.console import Console
from rich.text import Text

from exporter.listing.table import sat, spaced, spoken
from exporter.metrics.foreign import clean
from exporter.payments.detail import Detail, Hop, RoutedAttempt
from exporter.payments.labels import AttemptStatus, Code, FailureSource, Reason, Status
from exporter.track.course import Update

_NS = 1_000_000_000
_TENTH_NS = _NS // 10
_MINUTE_NS = 60 * _NS
_KEY = 10  # digits of a key that stand for a node without a name
_LINES = 2
"""Of an attempt, at least."""

_STYLE: dict[Status, str] = {Status.SUCCEEDED: "bold green", Status.FAILED: "bold red"}
_ATTEMPT_STYLE: dict[AttemptStatus, str] = {
    AttemptStatus.IN_FLIGHT: "yellow",
    AttemptStatus.SETTLED: "green",
    AttemptStatus.FAILED: "red",
}


class Silence(NamedTuple):
    """Nothing is heard of the payment for now."""

    since_ns: int
    """Nanoseconds since 1970."""
    why: str
    over: bool = False
    """lnd isn't asked again."""

    def words(self, now_ns: int) -> str:
        """How old the table is, and why."""
        again = "" if self.over else ", asked again"
        return f"as of {spoken(max(0, now_ns - self.since_ns) // _NS)} ago: {self.why}{again}"


class _Row(NamedTuple):
    """The first line of an attempt."""

    number: str
    sat: str
    fee: str
    time_lock: str
    took: str
    state: str


_TITLES = _Row("#", "sat", "fee", "time lock", "took", "state")


def view(
    update: Update,
    preface: str,
    now_ns: int,
    *,
    secrets: bool,
    console: Console | None = None,
    silence: Silence | None = None,
) -> Text:
    """All of it; of a `console` that is too low for that without the oldest attempts, but for the newest one.

    `preface` names the node, if it has a name; `now_ns` is in nanoseconds since 1970. In a `silence` all stands as it
    did when that began.
    """
    now_ns, caution = _as_of(silence, now_ns)
    standing = Text(f"{preface}{_standing(update, now_ns)}{caution}")
    standing.stylize("bold yellow" if silence else _STYLE.get(update.detail.payment.status, "bold"))

    def text(room: int) -> Text:
        lines = _lines(update, standing, now_ns, secrets=secrets, room=room)
        return Text("\n", overflow="fold").join(lines)

    room = len(update.detail.attempts)
    if console is None:
        return text(room)
    room = max(1, min(room, console.height // _LINES))
    while room > 1 and len(text(room).wrap(console, console.width)) > console.height:
        room -= 1
    return text(room)


def waiting(detail: Detail, since_ns: int, preface: str, now_ns: int, silence: Silence | None = None) -> Text:
    """All that is shown before the end where nothing else is wanted; times are in nanoseconds since 1970."""
    now_ns, caution = _as_of(silence, now_ns)
    created = _length(max(0, now_ns - detail.payment.created_ns))
    words = f"waiting for the end for {_length(max(0, now_ns - since_ns))}, lnd created it {created} ago"
    standing = Text(f"{preface}{words}{caution}", style="bold yellow" if silence else "bold")
    return Text("\n", overflow="fold").join([Text(detail.payment.payment_hash), standing])


def _as_of(silence: Silence | None, now_ns: int) -> tuple[int, str]:
    """Of which moment all is shown, and in a silence a word about it."""
    return (silence.since_ns, f", {silence.words(now_ns)}") if silence else (now_ns, "")


def blame(one: RoutedAttempt, names: Mapping[str, str]) -> str:
    """Who failed an attempt, in words."""
    name = f": {_name(one.culprit, names)}" if one.culprit else ""
    match one.attempt.source:
        case FailureSource.SELF:
            return "by this node"
        case FailureSource.FIRST_HOP:
            return f"by the first hop{name}"
        case FailureSource.INTERMEDIATE:
            return f"by hop {one.source_index} of {len(one.hops)}{name}"
        case FailureSource.RECIPIENT:
            return f"by the recipient{name}"
        case _:
            return "nobody can tell by whom"


def _lines(update: Update, standing: Text, now_ns: int, *, secrets: bool, room: int) -> Iterator[Text]:
    detail = update.detail
    payment = detail.payment
    yield Text(payment.payment_hash)
    yield standing
    so_far = "" if payment.status.ended else " so far"
    yield Text(f"{sat(payment.value_msat)} sat, fee {sat(payment.fee_msat)} sat{so_far}, {_count(detail.in_flight)}")
    if secrets:
        yield Text(f"preimage {detail.preimage or 'unknown'}")
        yield Text(f"payment request {clean(detail.payment_request) or 'none'}")
    if not detail.attempts:
        return
    rows = [_row(number, one, now_ns) for number, one in enumerate(detail.attempts, 1)]
    widths = [max(map(len, column)) for column in zip(_TITLES, *rows, strict=True)]
    if room < len(rows):
        yield Text(f"  and {len(rows) - room} earlier attempts", style="dim")
    yield Text(_laid_out(_TITLES, widths), style="dim")
    for row, one in list(zip(rows, detail.attempts, strict=True))[-room:]:
        yield Text(_laid_out(row, widths), style="dim" if one.deleted else _ATTEMPT_STYLE[one.attempt.status])
        yield from _told(one, update.names, " " * (widths[0] + 4), secrets=secrets)


def _told(one: RoutedAttempt, names: Mapping[str, str], indent: str, *, secrets: bool) -> Iterator[Text]:
    """What stands below the numbers of an attempt."""
    yield Text(indent + (" > ".join(_name(hop, names) for hop in one.hops) or "no route"))
    if one.attempt.status is AttemptStatus.FAILED:
        yield Text(f"{indent}{spaced(one.attempt.code or Code.OTHER)}, {blame(one, names)}")
    if one.deleted:
        yield Text(f"{indent}ended while nobody listened, and lnd has deleted how")
    if secrets and one.preimage:
        yield Text(f"{indent}preimage {one.preimage}")


def _standing(update: Update, now_ns: int) -> str:
    """`in flight for 2m 5s, given up: timeout`, `failed after 12.3s: no route`."""
    payment, elapsed_ns = update.detail.payment, update.detail.elapsed_ns(now_ns)
    after = "" if elapsed_ns is None else f" {'after' if payment.status.ended else 'for'} {_length(elapsed_ns)}"
    return spaced(payment.status) + after + _why(payment.status, payment.reason)


def _why(status: Status, reason: Reason) -> str:
    """Why lnd gave it up, if it did: also one that succeeded all the same."""
    if reason is Reason.NONE:
        return ""
    if status is Status.SUCCEEDED:
        return f", though lnd had given it up ({spaced(reason)})"
    return f": {spaced(reason)}" if status is Status.FAILED else f", given up: {spaced(reason)}"


def _row(number: int, one: RoutedAttempt, now_ns: int) -> _Row:
    attempt = one.attempt
    took_ns = max(0, now_ns - attempt.attempt_ns) if one.duration_ns is None else one.duration_ns
    return _Row(
        str(number),
        sat(attempt.amount_msat),
        sat(attempt.fee_msat),
        f"{attempt.expiry_height:,}" if attempt.expiry_height else "-",
        "-" if one.deleted else _length(took_ns),
        "deleted" if one.deleted else spaced(attempt.status),
    )


def _laid_out(row: _Row, widths: list[int]) -> str:
    numbers = [f"{cell:>{width}}" for cell, width in zip(row[:-1], widths, strict=False)]
    return "  ".join(["", *numbers, row.state])


def _length(nanoseconds: int) -> str:
    """A length of time as `open` says it; below a minute with tenths of a second."""
    if nanoseconds >= _MINUTE_NS:
        return spoken(nanoseconds // _NS)
    seconds, tenths = divmod(nanoseconds // _TENTH_NS, 10)
    return f"{seconds}.{tenths}s"


def _count(htlcs: int) -> str:
    return f"{htlcs or 'no'} HTLC{'s' * (htlcs != 1)} in flight"


def _name(hop: Hop, names: Mapping[str, str]) -> str:
    """What it calls itself, else how its key begins."""
    return clean(names.get(hop.pubkey, "")) or clean(hop.pubkey[:_KEY]) or "?"
