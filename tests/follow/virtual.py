"""An event loop in virtual time: when nothing is left to do, the clock jumps to the next timer. Hours in a second."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


class _JumpingSelector(selectors.DefaultSelector):
    """A selector that puts the clock forward instead of waiting."""

    now_s = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready now, and put the clock forward by `timeout`."""
        if timeout is None:
            raise RuntimeError("all tasks wait, and there is no timer: this would hang for ever")
        self.now_s += max(0.0, timeout)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs coroutines that wait for each other and for time, but not for anything outside; deterministic."""

    def __init__(self) -> None:
        """Start at an arbitrary time."""
        self._clock_selector = _JumpingSelector()
        super().__init__(self._clock_selector)

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self._clock_selector.now_s

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - as in asyncio
        """Do nothing: `Inline` has no threads. asyncio's method waits for a real thread, which takes real time."""

    def stand_still(self, seconds: float) -> None:
        """Let time pass as if this process didn't run."""
        self._clock_selector.now_s += seconds


class Inline(ThreadPoolExecutor):
    """An executor that runs its work in the calling thread: in virtual time it takes no time."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run the function; return a future that is done."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - the future carries it to its caller
            future.set_exception(error)
        return future


def run_virtually(main: Callable[[VirtualLoop], Coroutine[Any, Any, None]]) -> None:
    """Run a coroutine in a new virtual loop to its end."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)
        loop.set_default_executor(Inline())
        runner.run(main(loop))
