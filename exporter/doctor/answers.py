"""Judges what lnd has answered: its certificate, version, chain, clock, its list of payments. Pure."""

import datetime as dt
import re
import textwrap
from collections.abc import Iterator, Sequence

from exporter.certificate import Certificate
from exporter.doctor.finding import Area, Finding, Value, Verdict
from exporter.doctor.macaroon import SOON, TRACK_PAYMENTS
from exporter.payments.labels import AttemptStatus, Reason, Status
from exporter.payments.node import Info
from exporter.payments.payment import NS_PER_S, Payment

_NAMES = 6
"""Names of a certificate that a line lists at most."""
_VERSION = 60
"""Characters of a version that are shown at most."""
SKEW_S = 5.0
"""Clocks that differ by less are no reason to warn."""
SLOW_PAGE_S = 2.0
_RELEASE = re.compile(r"v?(\d{1,9})\.(\d{1,9})\.(\d{1,9})")

Release = tuple[int, ...]
OLDEST, STATE_SERVICE, ALL_PAYMENTS, DELETES_OF_FAILED = (0, 10, 0), (0, 13, 0), (0, 16, 0), (0, 18, 0)
"""First releases of lnd with what the exporter needs, with `lnrpc.State`, with `TrackPayments`, and that delete the
failed HTLC attempts of failed payments, too."""
_REST_TO_ITSELF = (0, 17, 4)
"""Before it REST stops working with `tlsencryptkey`."""


def certificate(shown: Certificate, host: str, now: dt.datetime) -> Finding:
    """Return what lnd's certificate is made for and for how long; TLS has accepted it for `host`."""
    days = (shown.ends - now).days
    what = f"trusted for {host}, made for {made_for(shown) or 'no name'}; {days} days left"
    values: dict[str, Value] = {"expiry_timestamp_seconds": int(shown.ends.timestamp()), "names": tuple(_names(shown))}
    if shown.ends - now > SOON:
        return Finding(Area.CERTIFICATE, Verdict.OK, what, values=values)
    to_do = (
        "renew it before: move tls.cert and tls.key of lnd away, restart it, and copy the new tls.cert here; a"
        " certificate of a CA is renewed there"
    )
    return Finding(Area.CERTIFICATE, Verdict.WARNING, what, to_do, values)


def made_for(shown: Certificate) -> str:
    """Return the first names of a certificate; empty if it has none."""
    names = _names(shown)
    return ", ".join(names[:_NAMES]) + ", ..." * (len(names) > _NAMES)


def _names(shown: Certificate) -> list[str]:
    return [*shown.names, *map(str, shown.addresses)]


def release_of(info: Info | None) -> Release | None:
    """Return lnd's release, such as (0, 21, 2); None if it isn't known."""
    found = _RELEASE.match(info.version) if info else None
    return tuple(map(int, found.groups())) if found else None


def version(info: Info, *, rest: bool) -> Iterator[Finding]:
    """Yield lnd's version, and what that version can't do."""
    release, name = release_of(info), info.version.partition(" ")[0][:_VERSION]
    values = {"version": info.version}
    if release is None:
        yield Finding(
            Area.VERSION,
            Verdict.UNKNOWN,
            f"lnd calls its version {textwrap.shorten(info.version, _VERSION)!r}",
            values=values,
        )
        return
    limits = list(_limits(release, rest=rest))
    if not limits:
        yield Finding(Area.VERSION, Verdict.OK, f"lnd {name}, which has all that the exporter uses", values=values)
    for verdict, limit in limits:
        yield Finding(Area.VERSION, verdict, f"lnd {name}: {limit}", "update lnd", values)


def _limits(release: Release, *, rest: bool) -> Iterator[tuple[Verdict, str]]:
    if release < OLDEST:
        yield Verdict.PROBLEM, "the exporter needs 0.10 or newer"
        return
    if release < STATE_SERVICE:
        yield Verdict.WARNING, "before 0.13 it doesn't report its state, so calls fail while it starts or is locked"
    if release < ALL_PAYMENTS:
        limit = f"before 0.16 it has no stream of all payments: {TRACK_PAYMENTS.without}"
        yield Verdict.WARNING, limit
    if rest and release < _REST_TO_ITSELF:
        yield Verdict.WARNING, "before 0.17.4 REST fails 24 h after each start if lnd.conf has `tlsencryptkey`"


def chain(info: Info) -> Iterator[Finding]:
    """Yield whether lnd has caught up with the chain and the graph."""
    if not info.synced_to_chain:
        what = (
            f"lnd hasn't caught up with the chain (block {info.block_height}): blocks left until HTLCs expire are wrong"
        )
        yield Finding(Area.CHAIN, Verdict.WARNING, what, "wait, or look after its Bitcoin node")
    elif not info.synced_to_graph:
        what = (
            f"lnd is at block {info.block_height}, but doesn't know the whole network yet: payments may find no route"
        )
        yield Finding(Area.CHAIN, Verdict.WARNING, what, "wait; if it stays so, connect to more peers")
    else:
        yield Finding(Area.CHAIN, Verdict.OK, f"lnd has caught up, at block {info.block_height} of {info.network}")


def page(payments: int, seconds: float) -> Finding:
    """Return how long lnd took to list its newest payments."""
    what = f"the newest {payments} payments were listed in {seconds:.2f} s" if payments else "lnd has no payments"
    values = {"payments": payments, "seconds": seconds}
    if seconds <= SLOW_PAGE_S:
        return Finding(Area.PAGE, Verdict.OK, what, values=values)
    to_do = "catching up takes long: is lnd's disk slow, its machine overloaded, or the network slow?"
    return Finding(Area.PAGE, Verdict.WARNING, what, to_do, values)


def kept_attempts(payments: Sequence[Payment], release: Release | None) -> bool | None:
    """Return whether lnd keeps failed HTLC attempts (`keep-failed-payment-attempts`), by its newest payments.

    The newest that shows it decides. A failed attempt of a payment that has ended would have been deleted; before 0.18
    only if the payment succeeded. lnd never deletes those of `SendToRoute`, whose payments have no payment request.
    A recipient can't have refused a payment that never had an attempt. None if no payment shows it.
    """
    deletes_of_failed = release is None or release >= DELETES_OF_FAILED
    for payment in reversed(payments):
        failed = any(attempt.status is AttemptStatus.FAILED for attempt in payment.attempts)
        if (
            payment.invoice
            and failed
            and (payment.status is Status.SUCCEEDED or (payment.status is Status.FAILED and deletes_of_failed))
        ):
            return True
        refused = payment.status is Status.FAILED and payment.reason is Reason.INCORRECT_PAYMENT_DETAILS
        if refused and not payment.attempts:
            return False
    return None


def attempts(kept: bool | None, payments: int) -> Finding:  # noqa: FBT001 - three values
    """Return what `keep-failed-payment-attempts` seems to be set to."""
    if kept is None:
        what = f"whether lnd keeps failed HTLC attempts isn't shown by its newest {payments} payments"
        return Finding(Area.ATTEMPTS, Verdict.UNKNOWN, what)
    if kept:
        what = "lnd keeps failed HTLC attempts (keep-failed-payment-attempts): none is missed after an absence"
        return Finding(Area.ATTEMPTS, Verdict.OK, what, values={"kept": True})
    what = (
        "lnd deletes failed HTLC attempts when a payment ends, its default: those of payments that end while the"
        " exporter is away are counted as missed"
    )
    to_do = "nothing, unless you want those, too: keep-failed-payment-attempts=true; lnd's database then grows faster"
    return Finding(Area.ATTEMPTS, Verdict.OK, what, to_do, {"kept": False})


def clock(ahead: tuple[float, float] | None, payments: Sequence[Payment], now_s: float) -> Finding:
    """Return by how much lnd's clock differs: by the time in an HTTP answer, else as far as its payments show it.

    `ahead` is by how many seconds lnd's clock is ahead, at least and at most; None if its answers don't say the time.
    """
    if ahead is None:
        newest_s = max((max(one.created_ns, one.latest_ns) for one in payments), default=0) / NS_PER_S
        if newest_s - now_s > SKEW_S:
            return _wrong(f"ahead of this machine's by at least {newest_s - now_s:.0f} s, by the times of its payments")
        what = "lnd's answers don't say the time (over gRPC never), so the clocks can't be compared"
        return Finding(Area.CLOCK, Verdict.UNKNOWN, what)
    least, most = ahead
    if least > SKEW_S:
        return _wrong(f"ahead of this machine's by at least {least:.0f} s")
    if most < -SKEW_S:
        return _wrong(f"behind this machine's by at least {-most:.0f} s")
    what = f"lnd's clock and this machine's differ by less than {max(-least, most):.1f} s"
    values = {"ahead_least_seconds": least, "ahead_most_seconds": most}
    return Finding(Area.CLOCK, Verdict.OK if most - least <= 2 * SKEW_S else Verdict.UNKNOWN, what, values=values)


def _wrong(how: str) -> Finding:
    to_do = "set both clocks (`timedatectl`): ages of payments, and how late updates arrive, are wrong by that much"
    return Finding(Area.CLOCK, Verdict.WARNING, f"lnd's clock is {how}", to_do)
