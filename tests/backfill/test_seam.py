"""Which runs are live's, by what the state file says."""

from contextlib import closing
from dataclasses import fields, make_dataclass, replace
from pathlib import Path

import msgspec
import pytest

from exporter.backfill.seam import Seam, read_seam
from exporter.payments import saved as saving
from exporter.payments.history import MAX_AHEAD_US
from exporter.payments.payment import Payment, Run
from exporter.payments.saved import SavedState
from exporter.store import Store, StoreError, codec, encode, mark_unfollowed
from tests.backfill.counting import DEEP, DEEP_ENDED, FLYING, OLD, OVER, YOUNG, Counting, look
from tests.payments.build import SECOND, SUCCEEDED, T0, Observer, at, payment
from tests.store.test_schemas import SAMPLES, restore
from tests.store.test_store import busy_node, saved_node, write_state

HOUR_S = 3600.0


def is_live(seam: Seam, one: Payment) -> bool:
    """Return what the seam says of a payment."""
    return seam.is_live(one.run, one.payment_index)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The path of a state file."""
    return tmp_path / "state.sqlite"


def test_nothing_is_counted(path: Path) -> None:
    """There is no file; or no such node in it; or counting hasn't begun."""
    assert read_seam(path, "alice", T0) is None
    waiting = saved_node(busy_node())
    write_state(path, {"alice": encode(replace(waiting, state=replace(waiting.state, begun=False)))})
    assert read_seam(path, "bob", T0) is None
    assert read_seam(path, "alice", T0) is None


def test_file_of_something_else(path: Path) -> None:
    """It is refused, with advice."""
    path.write_text("{}")
    with pytest.raises(StoreError, match=r"is not the state of an exporter") as caught:
        read_seam(path, "alice", T0)
    assert "backfill" in caught.value.fix


def test_history_ends_a_minute_before_counting(path: Path) -> None:
    """By our clock; and whether it was adopted, when it was written, and that no exporter runs, is known."""
    seam = Counting(path).seam(20)
    assert (seam.ends_ns, seam.saved_ns) == (T0 - 60 * SECOND, T0 + 20 * SECOND)
    assert (seam.adopted, seam.running) == (False, False)


@pytest.mark.parametrize("ahead_s", [0, HOUR_S])
def test_older_exporter_did_not_note_when_it_began(path: Path, ahead_s: float) -> None:
    """Then history ends with its newest run; not later than the state was written, if lnd's clock was ahead."""
    counting = Counting(path, [OVER, FLYING._replace(created_ns=FLYING.created_ns + int(ahead_s * SECOND))])
    saved = counting.saved(20)
    write_state(path, {"alice": encode(replace(saved, state=replace(saved.state, began_ns=0)))})
    assert look(path).ends_ns == (T0 + 20 * SECOND if ahead_s else T0 - 50 * SECOND)


@pytest.mark.parametrize("sample", sorted(SAMPLES.glob("*.sql")), ids=lambda sample: str(sample.stem))
def test_file_of_an_older_schema(sample: Path, path: Path) -> None:
    """It is read as it is, without a migration."""
    restore(sample, path)
    before = path.read_bytes()
    seam = look(path)
    history_us = 1_700_000_000_000_000
    assert (seam.ends_ns, seam.adopted) == (history_us * 1000, False)
    assert seam.is_live(Run("77" * 32, history_us + 1), 1)
    assert not seam.is_live(Run("77" * 32, history_us), 1)
    assert path.read_bytes() == before


def test_older_exporter_ignores_the_new_fields() -> None:
    """So it can still read a file that this one has written."""
    names = [each.name for each in fields(SavedState)]
    assert names[-2:] == ["began_ns", "adopted"]
    old = make_dataclass("OldState", [(name, int) for name in names[:-2]])
    text = msgspec.json.encode(dict.fromkeys(names, 1))
    assert msgspec.json.decode(text, type=old) == old(*[1] * (len(names) - 2))


def test_beginning_is_kept_over_restarts(path: Path) -> None:
    """When counting began, and that it began with the sums of history."""
    counting = Counting(path)
    counting.observer.tracker.history.adopted = True
    state = codec.decode_state(encode(counting.saved(9)).state)
    resumed = Observer()
    saving.resume(replace(counting.saved(9), state=state), resumed.tracker, resumed.ledger, at(99))
    assert (resumed.tracker.history.began_ns, resumed.tracker.history.adopted) == (T0, True)


def test_exporter_that_runs(path: Path) -> None:
    """It has the file open; unless it doesn't follow this node any more."""
    store = Store(path)
    with closing(store):
        store.save({"alice": encode(Counting(path).saved(9)), "bob": mark_unfollowed(encode(Counting(path).saved(9)))})
        assert look(path).running
        bob = read_seam(path, "bob", T0)
        assert bob is not None
        assert not bob.running
    assert not look(path).running


def test_runs_of_the_beginning(path: Path) -> None:
    """Those in flight are live's, those that were over aren't, though both are remembered."""
    seam = Counting(path).seam()
    assert [is_live(seam, each) for each in (OVER, FLYING, OLD, DEEP_ENDED, YOUNG)] == [False, True, False, False, True]
    assert [seam.is_surely_history(each.run) for each in (OVER, OLD)] == [True, False]


def test_run_that_only_a_stream_shows(path: Path) -> None:
    """It was in flight when counting began and older than the newest page: once shown, it is live's for ever."""
    counting = Counting(path)
    counting.observer.receive(DEEP, 1)
    assert is_live(counting.seam(), DEEP)
    counting.observer.receive(DEEP_ENDED, 2)
    counting.observer.release(4)
    assert is_live(counting.seam(), DEEP)
    counting.observer.tracker.finished.indexes.clear()
    assert is_live(counting.seam(), DEEP), "it needn't be remembered"


def test_list_of_counted_runs(path: Path) -> None:
    """It is the evidence if a run was dropped from the survivors, which are limited; other nodes' lists don't count."""
    counting = Counting(path)
    counting.ended = (DEEP.run,)
    assert is_live(counting.seam(), DEEP)
    write_state(path, {"bob": encode(Counting(path).saved(9))})
    bob = read_seam(path, "bob", T0)
    assert bob is not None
    assert not is_live(bob, DEEP)


@pytest.mark.parametrize("by_time", [False, True])
def test_lnds_clock_was_put_back(path: Path, *, by_time: bool) -> None:
    """A run above the floor that isn't remembered is new for the exporter, however old it looks."""
    counting = Counting(path)
    if by_time:
        counting.observer.tracker.finished.go_by_time()
    seam = counting.seam()
    late = payment(SUCCEEDED, payment_hash="06" * 32, created_s=-60, payment_index=13)
    assert is_live(seam, late)
    assert not is_live(seam, OVER._replace(payment_index=14)), "it is remembered"


def test_lnds_clock_was_wrong_once(path: Path) -> None:
    """A run from the far future is live's only if it was counted."""
    far = payment(SUCCEEDED, payment_hash="07" * 32, created_s=MAX_AHEAD_US / 1e6 + 100, payment_index=5)
    counting = Counting(path)
    assert not is_live(counting.seam(), far)
    assert is_live(counting.seam(), far._replace(created_ns=far.created_ns - 200 * SECOND)), "it is less far"
    counting.ended = (far.run,)
    assert is_live(counting.seam(), far)


def test_a_state_file_that_is_empty_yet(tmp_path: Path) -> None:
    """Whoever made it was killed then: it counts no node, and the next one may go on with it."""
    path = tmp_path / "state.sqlite"
    path.touch()
    assert read_seam(path, "alice", T0) is None
