"""A transport whose client has left is asked for nothing any more."""

import asyncio

from exporter.web.paced import PacedTransport


class ClosedTwice(asyncio.Transport):
    """Behaves as asyncio's TLS of Python 3.12 and newer after a second `close`, whatever the version here.

    asyncio itself closes it twice if a client leaves at once after the handshake.
    """

    def __init__(self) -> None:
        """Begin open."""
        super().__init__()
        self.closed = 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Take the limits."""

    def is_closing(self) -> bool:
        """Answer, even after the second `close`."""
        return self.closed > 0

    def close(self) -> None:
        """Count it."""
        self.closed += 1

    def is_reading(self) -> bool:
        """Raise after the second `close`."""
        if self.closed > 1:
            raise AttributeError("'NoneType' object has no attribute '_app_reading_paused'")
        return True

    def pause_reading(self) -> None:
        """Raise as `is_reading` does."""
        self.is_reading()


def test_close_after_the_client_has_left() -> None:
    """It raises nothing, so that the connection is forgotten, and closes nothing that is closed."""
    below = ClosedTwice()
    transport = PacedTransport(below, lambda: None, lambda: None)
    below.close()
    below.close()
    transport.close()
    assert (transport.is_closing(), below.closed) == (True, 2)


def test_close_closes_once() -> None:
    """A second `close`, and what the transport below tells later, close nothing more."""
    below = ClosedTwice()
    transport = PacedTransport(below, lambda: None, lambda: None)
    transport.close()
    transport.pause()
    transport.resume()
    transport.close()
    assert below.closed == 1
