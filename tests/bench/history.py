"""A node's past of any length, which nobody keeps: each payment is made from its index, from some thousand patterns."""

import hashlib
from collections.abc import Iterator
from functools import cached_property
from itertools import count
from operator import itemgetter
from typing import NamedTuple

from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.payments.payment import NS_PER_S
from exporter.simulator.database import Database, Options
from exporter.simulator.mutation import Scenario
from exporter.simulator.random_traffic import RandomTraffic
from exporter.simulator.record import Update
from exporter.simulator.scenario_builder import random_amount_msat
from exporter.simulator.scenarios import Scenarios
from exporter.simulator.wire import bytes_field, int_field, varint
from exporter.simulator.world import World, generator
from tests.bench.messages import START_NS

PATTERNS = 2000
"""Payments of every kind that are played once; all others are like one of them, at other times, with other ids."""
MOST_PARTS = 16
"""lnd's default limit for the parts of a payment."""
_PARTS_EVERY = 25  # so many patterns have one in 2 to 16 parts among them, and one over a longer route
_HASHES, _HASH_TIMES = 2**64, 0x9E3779B97F4A7C15  # an odd factor: each index has another hash
_HASH_START = 16  # digits of a hash that tell the index
_IDS = 1024  # attempt ids for each payment
_MARK = 1 << 62  # numbers of 9 bytes which nothing else in a message contains
_CREATION_TIME, _CREATION_DATE, _INDEX, _HASH, _ATTEMPTS = _MARK + 1, _MARK + 2, _MARK + 3, "ab" * 32, _MARK + 1000


class _Number(NamedTuple):
    """A number in a pattern that differs from payment to payment: a time, an index, an id."""

    of: int
    """One of the marks: what it is added to."""
    plus: int


class Pattern:
    """A payment that is over, cut into what is always the same, and what is another's: hash, index, ids and times."""

    def __init__(self, update: Update) -> None:
        """Take the last update of a payment."""
        message = pb.Payment.FromString(update.message)
        self.status = update.status
        created_ns = message.creation_time_ns
        places = list[tuple[int, int, _Number | None]]()
        marks = {_CREATION_TIME: _Number(_CREATION_TIME, 0), _CREATION_DATE: _Number(_CREATION_DATE, 0)}
        marks[_INDEX] = _Number(_INDEX, 0)
        message.creation_time_ns, message.creation_date, message.payment_index = _CREATION_TIME, _CREATION_DATE, _INDEX
        message.payment_hash = _HASH
        mark = count(_ATTEMPTS)
        for place, attempt in enumerate(message.htlcs):
            for field, number in (
                ("attempt_id", _Number(_ATTEMPTS, place)),
                ("attempt_time_ns", _Number(_CREATION_TIME, attempt.attempt_time_ns - created_ns)),
                ("resolve_time_ns", _Number(_CREATION_TIME, attempt.resolve_time_ns - created_ns)),
            ):
                if getattr(attempt, field):
                    setattr(attempt, field, at := next(mark))
                    marks[at] = number
        text = bytes_field(1, message.SerializeToString())  # as an entry of the field `payments` of an answer
        for at, number in marks.items():
            places.append((text.index(varint(at)), len(varint(at)), number))
        places.append((text.index(_HASH.encode()), len(_HASH), None))
        self._fixed, self._numbers = list[bytes](), list[_Number | None]()
        start = 0
        for at, length, differing in sorted(places, key=itemgetter(0)):
            self._fixed.append(text[start:at])
            self._numbers.append(differing)
            start = at + length
        self._last = text[start:]

    def entry(self, index: int, payment_hash: str, created_ns: int) -> bytes:
        """Return the payment with that index as an entry of a list."""
        values = {
            _CREATION_TIME: created_ns,
            _CREATION_DATE: created_ns // NS_PER_S,
            _INDEX: index,
            _ATTEMPTS: index * _IDS,
        }
        parts = list[bytes]()
        for fixed, number in zip(self._fixed, self._numbers, strict=True):
            parts.append(fixed)
            parts.append(_nine_bytes(values[number.of] + number.plus) if number else payment_hash.encode())
        parts.append(self._last)
        return b"".join(parts)


_MORE = [bytes((low & 127 | 128, low >> 7 | 128)) for low in range(1 << 14)]
_END = [bytes((low,)) for low in range(1 << 7)]


def _nine_bytes(value: int) -> bytes:
    """Encode a number as a varint of nine bytes, whether it needs them or not; it is less than 2^63."""
    return (
        _MORE[value & 16383] + _MORE[value >> 14 & 16383] + _MORE[value >> 28 & 16383] + _MORE[value >> 42 & 16383]
    ) + _END[value >> 56]


def _scenarios(world: World) -> Iterator[Scenario]:
    """Yield the traffic of a busy node, with some payments in many parts more."""
    own, rng = Scenarios(world, "parts"), generator("parts")
    for number, scenario in enumerate(RandomTraffic(world, "past")):
        if number % _PARTS_EVERY == 0:
            yield own.multi_part(parts=rng.randint(2, MOST_PARTS))
        elif number % _PARTS_EVERY < _PARTS_EVERY // 3:
            yield own.success(random_amount_msat(rng), hops=rng.randint(3, 6))
        else:
            yield scenario


def patterns(world: World, number: int = PATTERNS) -> list[Pattern]:
    """Return payments that are over, as lnd lists them; of every other one it has kept the failed attempts."""
    clock = [START_NS]
    databases = [Database(lambda: clock[0], Options(keep_failed_payment_attempts=kept)) for kept in (False, True)]
    made = list[Pattern]()
    for place, scenario in enumerate(_scenarios(world)):
        if len(made) == number:
            break
        database = databases[place % 2]
        hashes = dict[str, None]()
        for step in scenario.steps:
            clock[0] += int(step.delay_s * NS_PER_S)
            hashes[step.mutation.payment_hash] = None
            database.apply(step.mutation)
        for payment_hash in hashes:
            update = database.current(payment_hash)
            if update is not None and update.ended:
                made.append(Pattern(update))
    return made[:number]


class PastPayments(Database):
    """The payments of a node in some days that are over: index 1 was created first, and nothing is in flight."""

    def __init__(self, world: World, payments: int, days: float, end_ns: int) -> None:
        """`end_ns` is when the last one was created, nanoseconds since 1970."""
        super().__init__(lambda: end_ns)
        self._world = world
        self._payments = payments
        self._step_ns = max(1000, int(days * 86_400 * NS_PER_S) // max(1, payments))
        self._start_ns = end_ns - payments * self._step_ns

    @cached_property
    def _patterns(self) -> list[Pattern]:
        return patterns(self._world)

    def created_ns(self, index: int) -> int:
        """Return when a payment was created, nanoseconds since 1970; times have the same order as indexes."""
        return self._start_ns + index * self._step_ns - index * _HASH_TIMES % self._step_ns // 1000 * 1000

    def hash_of(self, index: int) -> str:
        """Return the hash of a payment."""
        end = hashlib.sha256(b"%d" % (index % PATTERNS)).hexdigest()[_HASH_START:]
        return f"{index * _HASH_TIMES % _HASHES:016x}{end}"

    def entry(self, index: int) -> bytes:
        """Return a payment as an entry of a list."""
        pattern = self._patterns[index % len(self._patterns)]
        return pattern.entry(index, self.hash_of(index), self.created_ns(index))

    def current(self, payment_hash: str) -> Update | None:
        """Return a payment; None if the hash is unknown."""
        index = int(payment_hash[:_HASH_START], 16) * pow(_HASH_TIMES, -1, _HASHES) % _HASHES
        if not 1 <= index <= self._payments or self.hash_of(index) != payment_hash:
            return None
        message = pb.ListPaymentsResponse.FromString(self.entry(index)).payments[0]
        return Update(payment_hash, message.status, message.SerializeToString())

    def snapshot(self) -> list[Update]:
        """Return nothing: no payment is in flight."""
        return []

    def page(self, request: pb.ListPaymentsRequest) -> bytes:
        """Return the answer to `ListPayments`."""
        last, limit = self._payments, request.max_payments
        if request.reversed:
            end = min(last, request.index_offset - 1 if request.index_offset else last)
            indexes = range(max(0, end - limit) + 1, end + 1)
        else:
            indexes = range(request.index_offset + 1, min(last, request.index_offset + limit) + 1)
        if not indexes:
            return b""
        return b"".join(map(self.entry, indexes)) + int_field(2, indexes[0]) + int_field(3, indexes[-1])

    def __len__(self) -> int:
        """Return the number of payments."""
        return self._payments
