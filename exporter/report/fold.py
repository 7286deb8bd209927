"""Adds up past payments by groups, one after the other: only sums are kept, in any order of the payments."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from exporter.config.grouping import By
from exporter.payments.destinations import Recipients
from exporter.payments.event import AttemptSettled, Ending, PaymentFailed, PaymentSucceeded
from exporter.payments.labels import OTHER_DESTINATIONS, Cause, EndCause, Kind
from exporter.payments.past import replay
from exporter.payments.payment import NS_PER_S, Payment
from exporter.payments.peers import OTHER_PEERS

MAX_PEERS = 10_000
"""Peers that get a group of their own, the first that come; the others share one."""
PPM = 1_000_000


@dataclass(slots=True)
class Paid:
    """What was paid, and what that cost."""

    volume_msat: int = 0
    """Amounts without fees."""
    fees_msat: int = 0

    @property
    def fee_ppm(self) -> float | None:
        """Fees in parts per million of the amount; None if nothing was paid."""
        return self.fees_msat * PPM / self.volume_msat if self.volume_msat else None


@dataclass(slots=True)
class Payments(Paid):
    """The payments of a group that ended; amounts and fees are those of the ones that succeeded."""

    succeeded: int = 0
    failed: int = 0
    failed_msat: int = 0
    """Amounts without fees of those that failed: what they were to pay."""
    causes: Counter[Cause] = field(default_factory=Counter)
    """Number of those that failed by cause."""
    causes_msat: Counter[Cause] = field(default_factory=Counter)
    """Their amounts by cause."""

    @property
    def ended(self) -> int:
        """Number of all."""
        return self.succeeded + self.failed

    @property
    def success_ratio(self) -> float | None:
        """The share that succeeded, from 0 to 1; None if none ended."""
        return self.succeeded / self.ended if self.ended else None

    def add(self, end: PaymentSucceeded | PaymentFailed) -> None:
        """Add a payment."""
        ending = end.ending
        if isinstance(end, PaymentSucceeded):
            self.succeeded += 1
            self.volume_msat += ending.value_msat
            self.fees_msat += ending.fee_msat
        else:
            self.failed += 1
            self.failed_msat += ending.value_msat
            self.causes[end.cause] += 1
            self.causes_msat[end.cause] += ending.value_msat

    def include(self, other: "Payments") -> None:
        """Add all payments of another group."""
        self.volume_msat += other.volume_msat
        self.fees_msat += other.fees_msat
        self.succeeded += other.succeeded
        self.failed += other.failed
        self.failed_msat += other.failed_msat
        self.causes.update(other.causes)
        self.causes_msat.update(other.causes_msat)


@dataclass(slots=True)
class Htlcs(Paid):
    """The HTLCs that settled through a peer, as its first hop."""

    settled: int = 0

    def add(self, settled: AttemptSettled) -> None:
        """Add an HTLC."""
        self.settled += 1
        self.volume_msat += max(0, settled.attempt.amount_msat - settled.attempt.fee_msat)
        self.fees_msat += settled.attempt.fee_msat


class Fold:
    """The sums over the payments of one node, by group and in all.

    Groups are bounded: kinds and causes are closed sets, at most 50 destinations can be configured, `MAX_PEERS` peers;
    months and days are as many as lnd has payments in.
    """

    def __init__(self, by: By, *, since_ns: int = 0, destinations: Mapping[str, str] | None = None) -> None:
        """Start at zero; only payments that ended at `since_ns` or later, nanoseconds since 1970, are added.

        `destinations` are the names of the groups of recipients by key.
        """
        self.by = by
        self.total = Payments()
        self.rebalances = Payments()
        """Those of the payments that were rebalances: a node that pays itself for liquidity asks for them apart."""
        self.groups: dict[str, Payments] = {}
        """The payments by group; empty by peer."""
        self.peers: dict[str, Htlcs] = {}
        """The HTLCs by first hop: its key, or `other`; empty unless by peer."""
        self.htlcs = Htlcs()
        """All HTLCs, if by peer."""
        self.first_ns: int | None = None
        """When the first of the payments ended, nanoseconds since 1970; None without any."""
        self.last_ns = 0
        """When the last of them ended."""
        self.in_flight = 0
        """Number of payments that haven't ended. They are in no sum."""
        self.in_flight_msat = 0
        """Their amounts without fees."""
        self.without_attempts = 0
        """Number of failed payments of which lnd has no failed attempt: only its reason tells their cause."""
        self.malformed = 0
        """Number of payments that were left out because they have no identity, or impossible numbers."""
        self._since_ns = since_ns
        self._recipients = Recipients()
        if by is By.DESTINATION:  # to find the recipient may take long
            self._recipients.groups = destinations or {}

    def add(self, payment: Payment) -> None:
        """Add a payment as lnd lists it."""
        if payment.malformed:
            self.malformed += 1
        elif not payment.status.ended:
            self.in_flight += 1
            self.in_flight_msat += payment.value_msat
        else:
            self._add_ended(payment)

    def _add_ended(self, payment: Payment) -> None:
        settled = list[AttemptSettled]()
        for at_ns, event in replay(payment, self._recipients):
            match event:
                case AttemptSettled():
                    settled.append(event)
                case PaymentSucceeded() | PaymentFailed():
                    if at_ns < self._since_ns:
                        return
                    self._note_time(at_ns)
                    self._add_end(event, at_ns)
        if self.by is By.PEER:
            for each in settled:
                self.htlcs.add(each)
                self._peer(each.attempt.peer).add(each)

    def _note_time(self, at_ns: int) -> None:
        self.first_ns = at_ns if self.first_ns is None else min(self.first_ns, at_ns)
        self.last_ns = max(self.last_ns, at_ns)

    def _add_end(self, end: PaymentSucceeded | PaymentFailed, at_ns: int) -> None:
        self.total.add(end)
        if end.ending.kind is Kind.REBALANCE:
            self.rebalances.add(end)
        if isinstance(end, PaymentFailed) and end.ending.attempts is None:
            self.without_attempts += 1
        if self.by is not By.PEER:
            self.groups.setdefault(self._group(end, at_ns), Payments()).add(end)

    def _group(self, end: PaymentSucceeded | PaymentFailed, at_ns: int) -> str:
        match self.by:
            case By.MONTH:
                return date_of(at_ns)[:7]
            case By.DAY:
                return date_of(at_ns)
            case By.KIND:
                return end.ending.kind
            case By.CAUSE:
                return end.cause if isinstance(end, PaymentFailed) else EndCause.NONE
        return _destination(end.ending)

    def _peer(self, key: str) -> Htlcs:
        if key not in self.peers and (not key or len(self.peers) >= MAX_PEERS):
            key = OTHER_PEERS
        return self.peers.setdefault(key, Htlcs())


def by_size(fold: Fold) -> Iterator[tuple[str, Payments]]:
    """Yield the groups: months and days in their order, the others the largest first, by amount and then by number."""
    in_time = fold.by in (By.MONTH, By.DAY)
    groups = sorted(fold.groups.items())
    if not in_time:
        groups.sort(key=lambda pair: (-pair[1].volume_msat, -pair[1].ended))
    yield from groups


def peers_by_size(fold: Fold) -> list[tuple[str, Htlcs]]:
    """Return the peers, those with the largest amount first."""
    return sorted(sorted(fold.peers.items()), key=lambda pair: -pair[1].volume_msat)


def date_of(at_ns: int) -> str:
    """Return the day in UTC, such as 2026-11-30."""
    return datetime.fromtimestamp(at_ns // NS_PER_S, UTC).strftime("%Y-%m-%d")


def _destination(ending: Ending) -> str:
    return ending.group or OTHER_DESTINATIONS
