"""Checks names and passwords (basic auth) without letting wrong ones stop anybody else."""

import asyncio
import base64
import hmac
import re
import secrets
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from functools import partial

from exporter.config.bcrypthash import BcryptHash, impossible_hash

WRONG_REMEMBERED = 1000
"""How many wrong passwords are remembered, the newest."""
MOST_WAITING = 64
"""How many passwords wait for their comparison at most."""

_SCHEME = "basic "
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")


class Verdict(Enum):
    """Whether a request is answered."""

    RIGHT = 1
    WRONG = 2
    """There is no password, or not the right one."""
    BUSY = 3
    """Too many other passwords are waiting, or the exporter is being stopped."""


def parse_basic_auth(header: str | None) -> tuple[bytes, bytes] | None:
    """Return name and password of an `Authorization` header, read as Go reads it; None if it isn't basic auth."""
    if header is None or header[: len(_SCHEME)].lower() != _SCHEME:
        return None
    encoded = header[len(_SCHEME) :]
    if not _BASE64.fullmatch(encoded):
        return None
    name, colon, password = base64.b64decode(encoded).partition(b":")
    return (name, password) if colon else None


class Passwords:
    """Compares passwords with bcrypt, in a thread, one at a time, and remembers what it found.

    What is remembered is a digest with a key of this process: one for each user whose password was right, which nothing
    pushes out, and a limited number of wrong ones.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._right: dict[bytes, bytes] = {}
        self._wrong: dict[bytes, None] = {}
        self._waiting: dict[bytes, asyncio.Future[bool]] = {}
        self._closed = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="bcrypt")

    def close(self) -> None:
        """Drop what is waiting, and compare no more: those who wait are told that it is busy."""
        self._closed = True
        self._thread.shutdown(wait=False, cancel_futures=True)

    def keep_only(self, users: Mapping[bytes, BcryptHash]) -> None:
        """Forget the users who are gone."""
        self._right = {name: digest for name, digest in self._right.items() if name in users}

    async def check(self, users: Mapping[bytes, BcryptHash], header: str | None) -> Verdict:
        """Return whether the header has a user's name and password. An unknown user takes as long as a known one."""
        given = parse_basic_auth(header)
        if given is None:
            return Verdict.WRONG
        name, password = given
        known = name in users
        stored = users[name] if known else self._stand_in(users, name)
        digest = self._digest(name, stored.salt, stored.digest, password)
        if hmac.compare_digest(self._right.get(name, b""), digest):
            return Verdict.RIGHT
        if digest in self._wrong:
            return Verdict.WRONG
        comparison = self._waiting.get(digest)
        if comparison is None:
            if self._closed or len(self._waiting) >= MOST_WAITING:
                return Verdict.BUSY
            comparison = asyncio.get_running_loop().run_in_executor(self._thread, stored.matches, password)
            self._waiting[digest] = comparison
            comparison.add_done_callback(partial(self._compared, digest, name if known else None))
        await asyncio.wait({comparison})  # not cancelled with this request: others may wait for it, too
        if comparison.cancelled():
            return Verdict.BUSY
        right = comparison.result()
        return Verdict.RIGHT if right and known else Verdict.WRONG

    def _compared(self, digest: bytes, name: bytes | None, comparison: asyncio.Future[bool]) -> None:
        del self._waiting[digest]
        if comparison.cancelled() or comparison.exception() is not None:
            return
        if comparison.result() and name is not None:
            self._right[name] = digest
            return
        self._wrong[digest] = None
        if len(self._wrong) > WRONG_REMEMBERED:
            del self._wrong[next(iter(self._wrong))]

    def _stand_in(self, users: Mapping[bytes, BcryptHash], name: bytes) -> BcryptHash:
        """Return a hash for an unknown user that takes as long as the one of some user, always the same."""
        costs = [user.cost for user in users.values()]
        chosen = int.from_bytes(self._digest(name)[:8], "big") % len(costs)
        return impossible_hash(costs[chosen])

    def _digest(self, *parts: bytes) -> bytes:
        digest = hmac.new(self._key, digestmod="sha256")
        for part in parts:
            digest.update(len(part).to_bytes(8, "big") + part)
        return digest.digest()
