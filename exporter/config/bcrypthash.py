"""A bcrypt hash of a password: read as Go's library reads it, and compared with a password as Go compares."""

import hmac
import re
from dataclasses import dataclass, field

from exporter.config.problems import InvalidValue

ALPHABET = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
"""Of bcrypt's own base64."""
LONGEST = 72
"""How many bytes of a password bcrypt looks at."""
LEAST_COST = 4
LARGEST_COST = 18
"""A hash of this cost takes some 14 seconds; each step more doubles that."""

_HASH = re.compile(
    r"\$2[a-z]?\$(?P<cost>[0-9]{2})\$(?P<salt>[./A-Za-z0-9]{22})(?P<digest>[./A-Za-z0-9]{31})", re.DOTALL
)
_FIX = "Make one: htpasswd -nBC 10 '' | tr -d ':\\n'"
_SIZE = 60


@dataclass(frozen=True, slots=True)
class BcryptHash:
    """A hash of a password. It is never shown."""

    cost: int
    salt: bytes = field(repr=False)
    """As `bcrypt` takes it: version, cost and salt."""
    digest: bytes = field(repr=False)
    """The 31 characters at the end."""

    def matches(self, password: bytes) -> bool:
        """Return whether this is the hash of the password. Takes long, and lets other threads run meanwhile.

        The letter of the version makes no difference, as in Go: `$2y$` is what `htpasswd` writes.
        """
        import bcrypt  # few exporters have passwords

        try:
            found = bcrypt.hashpw(password[:LONGEST], self.salt)
        except ValueError:  # older versions of the library refuse a zero byte
            return False
        return hmac.compare_digest(found[-len(self.digest) :], self.digest)


def parse_hash(text: str) -> BcryptHash:
    """Return the hash. Raises `InvalidValue`, without any part of it."""
    match = _HASH.match(text)  # what follows is ignored, such as a line end
    if not match:
        _, name, rest = text.rpartition(":")
        if name and _HASH.match(rest):
            raise InvalidValue("has a name before the hash.", "Leave out everything up to the colon.")
        cut = f" It has {len(text)} characters, and a hash {_SIZE}." if text.startswith("$2") else ""
        raise InvalidValue(f"is not a bcrypt hash.{cut}", _FIX)
    cost = int(match["cost"])
    if not LEAST_COST <= cost <= LARGEST_COST:
        slow = f" A higher one than {LARGEST_COST} takes too long for a scrape." if cost > LARGEST_COST else ""
        raise InvalidValue(f"is a bcrypt hash of cost {cost}.{slow}", f"{_FIX} (10 is its cost)")
    salt = match["salt"]
    last = ALPHABET[ALPHABET.index(salt[-1]) & 0x30]  # only two of its six bits count; `bcrypt` wants the others zero
    return BcryptHash(cost, f"$2b${cost:02}${salt[:-1]}{last}".encode(), match["digest"].encode())


def impossible_hash(cost: int) -> BcryptHash:
    """Return a hash that no password has, and that takes as long to compare as any of this cost."""
    return BcryptHash(cost, f"$2b${cost:02}${'.' * 22}".encode(), b"-" * 31)
