"""Dictionaries that note which keys changed between two copies, so that the copies are compared by what changed."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Snapshot(dict[K, V]):
    """A copy of a `NotedDict`, which nobody changes."""

    __slots__ = ("changed", "identity", "previous")

    def __init__(self, content: Mapping[K, V], previous: object = None, changed: Collection[K] = frozenset()) -> None:
        """Copy `content`; it differs from the copy whose `identity` is `previous` at most in the keys `changed`."""
        super().__init__(content)
        self.identity = object()  # the copy itself would keep all earlier ones in memory
        self.previous = previous
        self.changed = changed


def differing(old: Mapping[K, V], new: Mapping[K, V]) -> Collection[K]:
    """Return all keys in which two mappings may differ: few, if `new` is the copy made next after `old`."""
    if new is old:
        return ()
    if isinstance(new, Snapshot) and isinstance(old, Snapshot) and new.previous is old.identity:
        return new.changed
    return old.keys() | new.keys()


class NotedDict(dict[K, V]):
    """A dictionary that can be copied again and again; only the methods below change it."""

    def __init__(self) -> None:
        """Start empty."""
        super().__init__()
        self._changed: set[K] = set()  # since `_last`: at most the keys of the two
        self._last: Snapshot[K, V] = Snapshot({})

    def snapshot(self) -> Snapshot[K, V]:
        """Return a copy: the last one, if nothing has changed since."""
        if self._changed:
            self._last = Snapshot(self, self._last.identity, frozenset(self._changed))
            self._changed.clear()
        return self._last

    def __setitem__(self, key: K, value: V) -> None:
        """Set a value."""
        if key not in self or self[key] != value:
            self._changed.add(key)
            super().__setitem__(key, value)

    def __delitem__(self, key: K) -> None:
        """Remove a key."""
        super().__delitem__(key)
        self._note_removed(key)

    def pop(self, key: K, *default: Any) -> Any:
        """Remove a key, and return its value."""
        value = super().pop(key, *default)
        self._note_removed(key)
        return value

    def update(self, *others: Mapping[K, V] | Iterable[tuple[K, V]]) -> None:  # type: ignore[override]
        """Set values."""
        for other in others:
            for key, value in other.items() if isinstance(other, Mapping) else other:
                self[key] = value

    def clear(self) -> None:
        """Remove all keys."""
        for key in [*self]:
            del self[key]

    def _note_removed(self, key: K) -> None:
        if key in self._last:
            self._changed.add(key)
        else:
            self._changed.discard(key)
