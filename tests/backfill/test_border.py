"""What is decided in the end: payments that were in flight when they were read, or had just ended."""

from collections.abc import Callable, Coroutine
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from exporter.backfill.border import RECENT_NS, WAIT_S, Border, Continued, MustBeginAnew, SeamError, Side
from exporter.backfill.seam import Seam, read_seam
from exporter.payments.payment import Moment, Payment
from exporter.store import Store
from tests.backfill.counting import DEEP, DEEP_ENDED, DEEP_FAILED, FLYING, OLD, OVER, YOUNG, Counting, look
from tests.follow.virtual import VirtualLoop, run_virtually
from tests.payments.build import at, payment

HOUR_S = 3600.0


class Lnd:
    """Answers about payments by hash, and lets the exporter go on counting meanwhile."""

    def __init__(self, *answers: Payment | None, then: Callable[[], None] = lambda: None) -> None:
        """Answer with these, one after the other; the first time do `then`."""
        self.asked: list[str] = []
        self._answers = [*answers]
        self._then = then

    async def fetch(self, payment_hash: str) -> Payment | None:
        """Return the next answer."""
        if not self.asked:
            self._then()
        self.asked.append(payment_hash)
        return self._answers.pop(0)


@dataclass
class Scene:
    """An exporter that has counted for an hour, and whoever reads history, in virtual time."""

    loop: VirtualLoop
    counting: Counting
    began_s: float

    def now(self) -> Moment:
        """Return the present moment, an hour after `T0` at first."""
        return at(self.loop.time() - self.began_s)

    def look(self) -> Seam | None:
        """Read the state file."""
        return read_seam(self.counting.path, "alice", self.now().wall_ns)

    def border(self, before: Continued | None = None) -> Border:
        """Begin to read history."""
        return Border(look(self.counting.path, HOUR_S), self.look, self.now, before)

    def in_a_while(self, seconds: float, *shown: Payment) -> None:
        """Let the exporter write its state later; its stream has shown these payments by then."""

        def write() -> None:
            for each in shown:
                self.counting.observer.receive(each, HOUR_S)
            self.counting.write((self.now().wall_ns - at(0).wall_ns) / 1e9)

        self.loop.call_later(seconds, write)

    def kill(self) -> None:
        """End the exporter."""
        assert self.counting.store is not None
        self.counting.store.close()
        self.counting.store = None


def play(path: Path, story: Callable[[Scene], Coroutine[None, None, None]], *, running: bool = True) -> None:
    """Play a story with an exporter that runs, or with one that has been stopped."""

    async def main(loop: VirtualLoop) -> None:
        scene = Scene(loop, Counting(path), loop.time() - HOUR_S)
        scene.counting.write(HOUR_S)
        if running:
            scene.counting.store = Store(path)
        await story(scene)
        if scene.counting.store is not None:
            scene.kill()

    run_virtually(main)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The path of a state file."""
    return tmp_path / "state.sqlite"


@pytest.mark.parametrize("running", [False, True])
def test_most_is_decided_at_once(path: Path, *, running: bool) -> None:
    """By the first look; in the end nothing is asked, but a state is awaited in which nothing has changed."""

    async def story(scene: Scene) -> None:
        border, lnd = scene.border(), Lnd()
        assert [border.side(each) for each in (OVER, FLYING, OLD, YOUNG)] == [
            Side.HISTORY,
            Side.LIVE,
            Side.HISTORY,
            Side.LIVE,
        ]
        scene.in_a_while(30)
        assert await border.settle(lnd.fetch) == []
        assert lnd.asked == []
        assert (scene.now() == at(HOUR_S)) is not running

    play(path, story, running=running)


def test_ended_just_before_the_first_look(path: Path) -> None:
    """The exporter may be about to learn of it: it is decided later, but isn't asked for again."""
    recent_s = RECENT_NS / 1e9

    async def story(scene: Scene) -> None:
        border, ends = scene.border(), (HOUR_S - recent_s - 1, HOUR_S - recent_s + 1, HOUR_S + 1)
        seen = [
            DEEP_ENDED._replace(
                payment_hash=f"{number:064x}",
                attempts=(DEEP_ENDED.attempts[0]._replace(resolve_ns=at(end_s).wall_ns),),
            )
            for number, end_s in enumerate(ends)
        ]
        assert [border.side(each) for each in seen] == [Side.HISTORY, Side.LATER, Side.LATER]
        scene.in_a_while(30, seen[2])
        assert await border.settle(Lnd().fetch) == [seen[1]]

    play(path, story)


@pytest.mark.parametrize("told", [True, False])
def test_ends_while_history_is_read(path: Path, *, told: bool) -> None:
    """The exporter learns of it by its stream, a moment after lnd was asked; or never, then it is history."""

    async def story(scene: Scene) -> None:
        border, lnd = scene.border(), Lnd(DEEP_ENDED)
        assert border.side(DEEP) is Side.LATER
        scene.in_a_while(3)
        scene.in_a_while(8, *[DEEP_ENDED] * told)
        scene.in_a_while(60)
        assert await border.settle(lnd.fetch) == [DEEP_ENDED] * (not told)
        assert lnd.asked == [DEEP.payment_hash]

    play(path, story)


@pytest.mark.parametrize(
    "answer",
    [DEEP, None, payment(payment_hash=DEEP.payment_hash, created_s=60, payment_index=13)],
    ids=["still in flight", "deleted", "paid again"],
)
def test_belongs_to_nobody(path: Path, answer: Payment | None) -> None:
    """It hasn't ended; or lnd has erased it before anybody saw its end."""

    async def story(scene: Scene) -> None:
        border = scene.border()
        border.side(DEEP)
        assert await border.settle(Lnd(answer).fetch) == []

    play(path, story, running=False)


def test_exporter_that_does_not_run_is_not_waited_for(path: Path) -> None:
    """What it hasn't learnt when it ends, or is killed, it never will: its next stream shows only what is in flight."""

    async def story(scene: Scene) -> None:
        border, lnd = scene.border(), Lnd(DEEP_ENDED, then=scene.kill)
        border.side(DEEP)
        assert await border.settle(lnd.fetch) == [DEEP_ENDED]
        assert scene.now() == at(HOUR_S)

    play(path, story)


def test_stream_told_after_it_was_decided(path: Path) -> None:
    """The attempts were deleted, so it seemed to have ended long ago. Nothing is known then: it must be read again."""

    async def story(scene: Scene) -> None:
        border = scene.border()
        assert border.side(DEEP_FAILED) is Side.HISTORY
        scene.in_a_while(30, DEEP_FAILED)
        with pytest.raises(MustBeginAnew, match="ended while history was read"):
            await border.settle(Lnd().fetch)
        assert scene.border().side(DEEP_FAILED) is Side.LIVE

    play(path, story)


def test_payment_that_began_while_lnds_clock_was_behind(path: Path) -> None:
    """The exporter started it after the first look, but it was live's by then: it is above the floor."""
    late = payment(payment_hash="08" * 32, created_s=-60, payment_index=13)

    async def story(scene: Scene) -> None:
        border = scene.border()
        assert border.side(late) is Side.LIVE
        scene.in_a_while(30, late)
        assert await border.settle(Lnd().fetch) == []

    play(path, story)


def test_exporter_that_writes_nothing(path: Path) -> None:
    """It is waited for some minutes."""

    async def story(scene: Scene) -> None:
        border = scene.border()
        with pytest.raises(SeamError, match="hasn't written its state for minutes"):
            await border.settle(Lnd().fetch)
        assert WAIT_S < (scene.now().wall_ns - at(HOUR_S).wall_ns) / 1e9 < WAIT_S + 30

    play(path, story)


@pytest.mark.parametrize("forgotten", [True, False])
def test_counting_began_anew(path: Path, *, forgotten: bool) -> None:
    """The node was forgotten, and perhaps counted again since."""

    async def story(scene: Scene) -> None:
        border = scene.border()
        with closing(Store(path)) as store:
            store.forget("alice")
        if not forgotten:
            scene.counting = Counting(path, [OVER])
            scene.counting.write(HOUR_S)
        with pytest.raises(MustBeginAnew, match="began anew"):
            await border.settle(Lnd().fetch)

    play(path, story, running=False)


def test_reading_is_continued(path: Path) -> None:
    """What was left open is asked for, though it isn't listed again; what may have been put elsewhere is refused."""

    async def story(scene: Scene) -> None:
        border = scene.border()
        border.side(DEEP)
        state = msgspec.json.decode(msgspec.json.encode(border.state), type=Continued)
        assert state == Continued(scene.border().state.began, (FLYING.run,), (DEEP.run,))
        assert await scene.border(state).settle(Lnd(DEEP_ENDED).fetch) == [DEEP_ENDED]
        border = scene.border(state)
        assert border.side(DEEP_FAILED) is Side.HISTORY, "it is listed again"
        assert await border.settle(Lnd().fetch) == [], "and isn't added twice"
        scene.counting.observer.receive(DEEP, HOUR_S)
        scene.counting.write(HOUR_S + 5)
        assert await scene.border(state).settle(Lnd(DEEP_ENDED).fetch) == []
        with pytest.raises(MustBeginAnew, match="read in part"):
            scene.border(state._replace(kept=()))
        with pytest.raises(MustBeginAnew, match="read in part"):
            scene.border(state._replace(began=(state.began[0] + 1, state.began[1])))

    play(path, story, running=False)
