"""An event loop whose time passes only when nothing else is left to do, and then at once: hours in a second."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


class _Impatient(selectors.DefaultSelector):
    """Waits for nothing: puts the clock forward instead."""

    now_s = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready now; it is `timeout` later afterwards."""
        if timeout is None:
            raise RuntimeError("nothing will ever happen again")
        self.now_s += max(0.0, timeout)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs coroutines that wait for each other and for time, but for nothing outside; the same every time."""

    def __init__(self) -> None:
        """It is some time."""
        self._impatient = _Impatient()
        super().__init__(self._impatient)

    def time(self) -> float:
        """Virtual seconds."""
        return self._impatient.now_s

    def stand_still(self, seconds: float) -> None:
        """Let time pass in which this process doesn't run."""
        self._impatient.now_s += seconds


class Inline(ThreadPoolExecutor):
    """Does at once what is given to a thread: in virtual time it takes none."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Done when it returns."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - whoever asked for it gets it
            future.set_exception(error)
        return future


def run_virtually(main: Callable[[VirtualLoop], Coroutine[Any, Any, None]]) -> None:
    """Run to the end."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)
        loop.set_default_executor(Inline())
        runner.run(main(loop))
