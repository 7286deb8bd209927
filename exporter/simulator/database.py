"""lnd's payment database: mutations in, whole payments out, with the index rules of each backend. Pure, without I/O."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import NamedTuple

from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.simulator.mutation import Create, Delete, Fail, Finish, GiveUp, Mutation, Register, Settle
from exporter.simulator.record import Record, Update
from exporter.simulator.routing import MissionControl
from exporter.simulator.truth import Finished, finished
from exporter.simulator.wire import bytes_field, int_field
from exporter.simulator.world import KEYSEND_RECORD

_BLOCK = 1000  # lnd takes sequence numbers in blocks; the rest of a block is lost at a restart
_DEFAULT_PAGE = 100  # payments of a page for `max_payments` 0, since lnd 0.20
_PAYMENTS, _FIRST, _LAST = 1, 2, 3  # fields of ListPaymentsResponse


class Backend(StrEnum):
    """Where lnd keeps payments; backends differ in indexes, order of snapshots and precision of times."""

    KV = "kv"
    SQLITE = "sqlite"
    POSTGRES = "postgres"


class Options(NamedTuple):
    """Settings of lnd that change indexes, attempts or status of its payments."""

    backend: Backend = Backend.KV
    keep_failed_payment_attempts: bool = False
    use_status_initiated: bool = False


class Database:
    """All payments of a node. Each of the `watchers` is called with each update."""

    def __init__(self, now_ns: Callable[[], int], options: Options | None = None) -> None:
        """Start empty; `now_ns` is the clock for times in messages, in nanoseconds since 1970."""
        self.watchers: list[Callable[[Update], None]] = []
        self.secrets: set[str] = set()
        """Preimages in hex and payment requests of all payments: an exporter must not expose them."""
        self.mission_control = MissionControl()
        self._now_ns = now_ns
        self._options = options or Options()
        self._records: dict[str, Record] = {}
        self._open: dict[str, Record] = {}
        self._indexes: list[int] = []  # ascending
        self._by_index: dict[int, Record] = {}
        self._last_index = 0
        self._last_attempt_id = 0
        self._truth: dict[tuple[str, int], Finished] = {}

    def apply(self, mutation: Mutation) -> Update | None:
        """Change the database, and send the update to the watchers; None if lnd sends no update.

        Raises ValueError with lnd's text if lnd would refuse the mutation.
        """
        update = self._mutate(mutation)
        if update is not None:
            for watcher in self.watchers:
                watcher(update)
        return update

    def truth(self) -> list[Finished]:
        """Return the counts that an exporter must come to: every run that ended, even if it was deleted since."""
        return list(self._truth.values())

    def current(self, payment_hash: str) -> Update | None:
        """Return the present state of a payment; None if the hash is unknown."""
        record = self._records.get(payment_hash)
        return None if record is None else record.update

    def snapshot(self) -> list[Update]:
        """Return every payment that is not terminal, in the order of lnd's scan."""
        if self._options.backend is Backend.KV:
            return [self._open[payment_hash].update for payment_hash in sorted(self._open)]
        return [record.update for record in sorted(self._open.values(), key=lambda record: record.index)]

    def outstanding(self) -> Iterator[tuple[str, pb.HTLCAttempt]]:
        """Yield payment hash and attempt of each HTLC that is in flight."""
        for payment_hash, record in self._open.items():
            for attempt in record.message.htlcs:
                if attempt.status == pb.HTLCAttempt.IN_FLIGHT:
                    yield payment_hash, attempt

    def __iter__(self) -> Iterator[Record]:
        """Iterate over the payments in the order of their indexes."""
        return (self._by_index[index] for index in self._indexes)

    def __len__(self) -> int:
        """Return the number of payments."""
        return len(self._records)

    def page(self, request: pb.ListPaymentsRequest) -> bytes:
        """Return the answer to `ListPayments`, a serialised ListPaymentsResponse."""
        found: list[Record] = []
        for index in self._walk(request.index_offset, backwards=request.reversed):
            if len(found) == (request.max_payments or _DEFAULT_PAGE):
                break
            record = self._by_index[index]
            if request.include_incomplete or record.status == pb.Payment.SUCCEEDED:
                found.append(record)
        if request.reversed:
            found.reverse()
        if not found:
            return b""  # both offsets 0
        payments = b"".join(bytes_field(_PAYMENTS, record.update.message) for record in found)
        return payments + int_field(_FIRST, found[0].index) + int_field(_LAST, found[-1].index)

    def _walk(self, offset: int, *, backwards: bool) -> Iterator[int]:
        """Iterate over indexes from an exclusive offset; backwards 0 means the end."""
        if backwards:
            end = bisect_left(self._indexes, offset) if offset else len(self._indexes)
            return (self._indexes[place] for place in range(end - 1, -1, -1))
        start = bisect_right(self._indexes, offset)
        return (self._indexes[place] for place in range(start, len(self._indexes)))

    def _mutate(self, mutation: Mutation) -> Update | None:
        if isinstance(mutation, Create):
            return self._create(mutation)
        record = self._records.get(mutation.payment_hash)
        if record is None:
            raise ValueError("payment isn't initiated")
        match mutation:
            case Register(route=route):
                self._add_secret(route.hops[-1].custom_records.get(KEYSEND_RECORD, b"").hex())
                self._last_attempt_id += 1
                record.register(self._last_attempt_id, route, self._now_ns())
            case Settle(attempt=attempt, preimage=preimage):
                self._add_secret(preimage.hex())
                record.settle(attempt, preimage, self._now_ns())
            case Fail(attempt=attempt, code=code, source=source):
                record.fail(attempt, code, source, self._now_ns())
                self.mission_control.learn(record.message.htlcs[attempt].route, code, source)
            case GiveUp(reason=reason):
                record.give_up(reason)
            case Finish():
                if not self._options.keep_failed_payment_attempts:
                    record.delete_failed_attempts()
                return None
            case Delete():
                self._delete(record)
                return None
        return self._write(record)

    def _write(self, record: Record) -> Update:
        """Serialise a changed record, and note its run as finished if it has ended."""
        update = record.write()
        if update.ended:
            self._open.pop(record.payment_hash, None)
            self._truth[record.payment_hash, record.created_ns] = finished(record)
        return update

    def _create(self, mutation: Create) -> Update:
        old = self._records.get(mutation.payment_hash)
        if old is not None:
            if old.status != pb.Payment.FAILED:
                raise ValueError("payment is in transition or already paid")
            self._delete(old)
        index = mutation.payment_index or self.reserve_index()
        now_ns = self._now_ns()
        if self._options.backend is Backend.POSTGRES:
            now_ns -= now_ns % 1000
        record = Record(mutation, index, now_ns, initiated=self._options.use_status_initiated)
        self._add_secret(mutation.payment_request)
        self._records[record.payment_hash] = self._open[record.payment_hash] = record
        insort(self._indexes, index)
        self._by_index[index] = record
        return self._write(record)

    def _add_secret(self, secret: str) -> None:
        if secret:
            self.secrets.add(secret)

    # Indexes.

    def reserve_index(self) -> int:
        """Return the index of the next payment: native SQLite reuses indexes above its highest, others never do."""
        if self._options.backend is Backend.SQLITE:
            return self._indexes[-1] + 1 if self._indexes else 1
        self._last_index += 1
        return self._last_index

    def drop_reserved_ids(self) -> None:
        """Continue as after a restart of lnd: the rest of the blocks of indexes and attempt ids is lost."""
        if self._last_attempt_id:
            self._last_attempt_id = (self._last_attempt_id // _BLOCK + 1) * _BLOCK - 1
        if self._options.backend is Backend.KV:
            self._last_index = -(-self._last_index // _BLOCK) * _BLOCK

    def migrate(self, backend: Backend = Backend.SQLITE) -> None:
        """Migrate to native SQL while the node is down: payments are numbered from 1 again, in the old order."""
        self._options = self._options._replace(backend=backend)
        records = [self._by_index[index] for index in self._indexes]
        for index, record in enumerate(records, 1):
            record.renumber(index)
        self._by_index = dict(enumerate(records, 1))
        self._indexes = list(self._by_index)
        self._last_index = len(records)

    # Deletions, of which lnd sends no update.

    def delete_all(self, *, failed_only: bool = False) -> list[Record]:
        """Delete all payments that aren't in flight (`DeleteAllPayments`), or only the failed ones; return them."""
        deleted = [
            record
            for record in self._records.values()
            if record.payment_hash not in self._open and not (failed_only and record.status != pb.Payment.FAILED)
        ]
        for record in deleted:
            self._delete(record)
        return deleted

    def _delete(self, record: Record) -> None:
        if record.payment_hash in self._open:
            raise ValueError("payment has in-flight HTLCs")
        del self._records[record.payment_hash]
        del self._by_index[record.index]
        del self._indexes[bisect_left(self._indexes, record.index)]
