"""Passwords: right and wrong ones, what they cost, and that wrong ones stop nobody."""

import asyncio
import base64
import threading
from collections.abc import Mapping
from typing import Any

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config.bcrypthash import BcryptHash, parse_hash
from exporter.web import passwords
from exporter.web.passwords import Passwords, Verdict, parse_basic_auth
from tests.patience import PATIENCE_S


def hashed(password: bytes, cost: int = 4) -> BcryptHash:
    """Return the hash of a password."""
    return parse_hash(bcrypt.hashpw(password, bcrypt.gensalt(cost)).decode())


def basic(name: str | bytes, password: str | bytes) -> str:
    """Return the header with a name and a password."""
    parts = (part.encode() if isinstance(part, str) else part for part in (name, password))
    return f"Basic {base64.b64encode(b':'.join(parts)).decode()}"


USERS = {b"alice": hashed(b"secret"), "ålice".encode(): hashed("pæss:wörd".encode()), b"": hashed(b"")}


@pytest.mark.parametrize(
    ("header", "verdict"),
    [
        (basic("alice", "secret"), Verdict.RIGHT),
        (basic("alice", "secret").replace("Basic", "bASIC"), Verdict.RIGHT),
        (basic("ålice", "pæss:wörd"), Verdict.RIGHT),
        (basic("", ""), Verdict.RIGHT),
        (None, Verdict.WRONG),
        ("", Verdict.WRONG),
        ("Basic", Verdict.WRONG),
        ("Basic ", Verdict.WRONG),
        (basic("alice", "Secret"), Verdict.WRONG),
        (basic("alice", "secret\0"), Verdict.WRONG),
        (basic("alice", "secret "), Verdict.WRONG),
        (basic("Alice", "secret"), Verdict.WRONG),
        (basic("bob", "secret"), Verdict.WRONG),
        (basic("alice", ""), Verdict.WRONG),
        (basic("ålice".encode("latin-1"), "pæss:wörd".encode("latin-1")), Verdict.WRONG),
        (basic("alice", "secret").replace("Basic", "Bearer"), Verdict.WRONG),
        (basic("alice", "secret").replace(" ", "  "), Verdict.WRONG),
        (f"Basic {base64.b64encode(b'alice').decode()}", Verdict.WRONG),
        (basic("", "").rstrip("="), Verdict.WRONG),
        (basic("alice", "secret") + "=", Verdict.WRONG),
        ("Basic \udcff\udcfe", Verdict.WRONG),
    ],
)
async def test_headers(header: str | None, verdict: Verdict) -> None:
    """Twice, because the second answer is remembered."""
    checker = Passwords()
    assert [await checker.check(USERS, header) for _ in range(2)] == [verdict] * 2


@pytest.mark.parametrize(
    ("password", "other", "same"),
    [
        (b"x" * 72, b"x" * 73, True),
        (b"x" * 71, b"x" * 72, False),
        (b"x" * 72, b"x" * 8000, True),
        (b"a\0b", b"a\0c", False),
        (b"a\0b", b"a", False),
        (b"a\0b", b"a\0b", True),
        ("ü".encode() * 36, "ü".encode() * 40, True),
    ],
)
def test_bcrypt_looks_at_72_bytes_with_their_zeros(password: bytes, other: bytes, same: bool) -> None:  # noqa: FBT001
    """As in Go. A longer password is cut off."""
    assert hashed(password).matches(other) is same


@pytest.mark.parametrize("version", ["2a", "2b", "2y", "2x", "2c", "2"])
def test_versions_of_hashes_are_the_same(version: str) -> None:
    """As in Go, which looks at the letter as little."""
    stored = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    read = parse_hash(stored.replace("$2b$", f"${version}$", 1))
    assert (read.matches(b"secret"), read.matches(b"Secret")) == (True, False)


class Counted:
    """A user whose comparisons are counted, and wait for `go` if they are told to."""

    def __init__(self, stored: BcryptHash) -> None:
        self.cost, self.salt, self.digest = stored.cost, stored.salt, stored.digest
        self.stored = stored
        self.times = 0
        self.at_once = 0
        self.most_at_once = 0
        self.go = threading.Event()
        self.go.set()

    def matches(self, password: bytes) -> bool:
        """Compare."""
        self.times += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        assert self.go.wait(PATIENCE_S)
        self.at_once -= 1
        return self.stored.matches(password)


async def test_a_right_password_is_compared_once_and_no_wrong_one_makes_it_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither wrong passwords of that user nor names that nobody has."""
    monkeypatch.setattr(passwords, "WRONG_REMEMBERED", 5)
    alice = Counted(USERS[b"alice"])
    users: Mapping[bytes, Any] = {b"alice": alice}
    checker = Passwords()
    assert await checker.check(users, basic("alice", "secret")) is Verdict.RIGHT
    for number in range(20):
        assert await checker.check(users, basic("alice", f"wrong {number}")) is Verdict.WRONG
        assert await checker.check(users, basic(f"bob {number}", "secret")) is Verdict.WRONG
    assert alice.times == 1 + 20
    assert await checker.check(users, basic("alice", "secret")) is Verdict.RIGHT
    assert await checker.check(users, basic("alice", "wrong 19")) is Verdict.WRONG
    assert alice.times == 1 + 20
    assert await checker.check(users, basic("alice", "wrong 0")) is Verdict.WRONG  # forgotten long ago
    assert alice.times == 1 + 20 + 1


async def test_wrong_passwords_do_not_stop_a_known_user() -> None:
    """While one is compared, others wait, equal ones together; but who was right before is answered at once."""
    alice = Counted(USERS[b"alice"])
    users: Mapping[bytes, Any] = {b"alice": alice}
    checker = Passwords()
    assert await checker.check(users, basic("alice", "secret")) is Verdict.RIGHT
    alice.go.clear()
    wrong = [asyncio.create_task(checker.check(users, basic("alice", f"wrong {n % 10}"))) for n in range(50)]
    assert await checker.check(users, basic("alice", "secret")) is Verdict.RIGHT
    assert not any(task.done() for task in wrong)
    wrong[0].cancel()  # a client that leaves takes nothing from those who ask the same
    alice.go.set()
    answers = await asyncio.gather(*wrong, return_exceptions=True)
    assert (type(answers[0]), set(answers[1:])) == (asyncio.CancelledError, {Verdict.WRONG})
    assert (alice.times, alice.most_at_once) == (1 + 10, 1)


async def test_too_many_passwords_at_once_are_refused() -> None:
    """Those beyond a limit, without being compared; who was right before isn't counted."""
    alice = Counted(USERS[b"alice"])
    users: Mapping[bytes, Any] = {b"alice": alice}
    checker = Passwords()
    assert await checker.check(users, basic("alice", "secret")) is Verdict.RIGHT
    alice.go.clear()
    names = range(passwords.MOST_WAITING)
    wrong = [asyncio.create_task(checker.check(users, basic("alice", f"wrong {n}"))) for n in names]
    await asyncio.sleep(0)  # lets each of them begin
    assert await checker.check(users, basic("alice", "one more")) is Verdict.BUSY
    assert await checker.check(users, basic("alice", "secret")) is Verdict.RIGHT
    alice.go.set()
    assert {*await asyncio.gather(*wrong)} == {Verdict.WRONG}
    assert await checker.check(users, basic("alice", "one more")) is Verdict.WRONG


async def test_another_hash_or_no_user_any_more() -> None:
    """What was right before is right no longer."""
    checker = Passwords()
    assert await checker.check({b"alice": hashed(b"old")}, basic("alice", "old")) is Verdict.RIGHT
    assert await checker.check({b"alice": hashed(b"new")}, basic("alice", "old")) is Verdict.WRONG
    assert await checker.check({b"alice": hashed(b"new")}, basic("alice", "new")) is Verdict.RIGHT
    assert await checker.check({b"bob": hashed(b"new")}, basic("alice", "new")) is Verdict.WRONG


async def test_shutdown_waits_for_one_comparison_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that wait are told that it is busy, as are those that come later; the right password is still known."""
    checker, begun, may_end = Passwords(), threading.Event(), threading.Event()
    assert await checker.check(USERS, basic("alice", "secret")) is Verdict.RIGHT

    def slow(_: BcryptHash, __: bytes) -> bool:
        begun.set()
        return not may_end.wait(PATIENCE_S)

    monkeypatch.setattr(BcryptHash, "matches", slow)
    first, *others = [asyncio.create_task(checker.check(USERS, basic("alice", f"wrong {n}"))) for n in range(5)]
    await asyncio.to_thread(begun.wait, PATIENCE_S)
    checker.close()
    assert [await asyncio.wait_for(other, PATIENCE_S) for other in others] == [Verdict.BUSY] * 4
    assert await checker.check(USERS, basic("alice", "too late")) is Verdict.BUSY
    assert await checker.check(USERS, basic("alice", "secret")) is Verdict.RIGHT
    may_end.set()
    assert await first is Verdict.WRONG


async def test_an_unknown_user_costs_as_much_as_a_known_one() -> None:
    """The same comparison is made, of the cost that some user's hash has, the same for each try."""
    users = {b"alice": hashed(b"a", 4), b"bob": hashed(b"b", 5)}
    checker = Passwords()
    costs = {
        name: {checker._stand_in(users, name).cost for _ in range(3)} for name in map(str.encode, "abcdefghijklmnop")
    }
    assert {len(found) for found in costs.values()} == {1}
    assert set.union(*costs.values()) == {4, 5}


@given(st.text() | st.binary().map(lambda b: f"Basic {base64.b64encode(b).decode()}") | st.text().map("Basic ".__add__))
def test_no_header_is_a_bug(header: str) -> None:
    """It is a name and a password, or it isn't."""
    found = parse_basic_auth(header)
    assert found is None or base64.b64decode(header[6:]) == b":".join(found)
