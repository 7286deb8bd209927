"""Which of several exporters follows a node: rendezvous hashing of its name, and the setting `--shard`."""

import hashlib
import re
import socket
from dataclasses import dataclass

from exporter.config.problems import InvalidValue

MAX_SHARDS = 1000
AUTO_SHARD = "auto"
"""`--shard=auto/N`: the ordinal at the end of the host name, as the pods of a StatefulSet have it."""

_SHARD = re.compile(rf"(\d{{1,4}}|{AUTO_SHARD})/(\d{{1,4}})", re.ASCII | re.IGNORECASE)
_ORDINAL = re.compile(r"-(\d{1,9})$", re.ASCII)


@dataclass(frozen=True, slots=True)
class Shard:
    """One of `count` exporters that share the nodes of a file."""

    index: int
    """From 0 to `count` - 1."""
    count: int

    def __str__(self) -> str:
        """Return `I/N`, as the setting is written."""
        return f"{self.index}/{self.count}"

    def has(self, name: str) -> bool:
        """Return whether the node of this name belongs to this shard."""
        own = _weight(name, self.index)
        # The first greater one decides: for most nodes that takes a few hashes, however many shards there are.
        return all(_weight(name, other) <= own for other in range(self.count) if other != self.index)


def shard_of(name: str, count: int) -> int:
    """Return the index of the shard to which the node of this name belongs: the one with the greatest hash.

    `docs/shards.md` describes it for other programs. It must never change: nodes would move, and begin at zero there.
    """
    return max(range(count), key=lambda index: _weight(name, index))


def _weight(name: str, index: int) -> bytes:
    return hashlib.sha256(f"{index}/{name}".encode(errors="surrogateescape")).digest()


def parse_shard(given: str) -> Shard:
    """Return the shard that `I/N` or `auto/N` means on this machine; raises `InvalidValue`."""
    match = _SHARD.fullmatch(given)
    if match is None:
        raise InvalidValue(
            f"{given!r} is not a shard.", "Write I/N, such as 0/3, 1/3 and 2/3 for three exporters, or auto/3."
        )
    count = int(match[2])
    if not 1 <= count <= MAX_SHARDS:
        raise InvalidValue(f"{given!r} has {count} shards.", f"Use 1 to {MAX_SHARDS} shards.")
    if match[1].lower() == AUTO_SHARD:
        return Shard(ordinal(socket.gethostname(), count), count)
    index = int(match[1])
    if index >= count:
        numbers = "the only one is 0/1" if count == 1 else f"they are 0/{count} to {count - 1}/{count}"
        raise InvalidValue(f"There is no shard {given}: they are counted from 0.", f"Of {count}, {numbers}.")
    return Shard(index, count)


def ordinal(host: str, count: int) -> int:
    """Return the number at the end of a host name such as `exporter-3`; raises `InvalidValue`."""
    fix = f"Give the number of this exporter: --shard=I/{count}"
    match = _ORDINAL.search(host.partition(".")[0])
    if match is None:
        raise InvalidValue(f"The host name {host!a} has no ordinal at its end, such as exporter-0.", fix)
    if (index := int(match[1])) >= count:
        fix = f"Run {count} exporters, exporter-0 to exporter-{count - 1}, or give a greater N to all of them."
        raise InvalidValue(f"The host name {host!a} has the ordinal {index}, but there are {count} shards.", fix)
    return index
