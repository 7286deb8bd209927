"""Pages of virtual time as input for promtool: one line per series, repeated values only once with their number."""

import json
from collections.abc import Iterable, Iterator, Mapping

from tests.incidents.targets import Scraped

_MISSING = "_"
_STALE = "stale"
"""Prometheus' marker for a series that is missing for the first time."""


class Series:
    """All scraped series; a series without a value at some scrape is missing there."""

    def __init__(self, step_s: int) -> None:
        """Begin without scrapes; `step_s` are the seconds between scrapes."""
        self.step_s = step_s
        self._names: dict[tuple[object, ...], str] = {}  # one for each series of each target
        self._runs: dict[str, list[tuple[str, int]]] = {}
        self._scrapes = 0

    def scrape(self, targets: Iterable[Scraped]) -> None:
        """Add a scrape of all targets."""
        seen = {
            self._name(sample.name, labels, sample.labels): float(sample.value)
            for labels, metrics in targets
            for family in metrics
            for sample in family.samples
        }
        for name, value in seen.items():
            runs = self._runs.setdefault(name, [(_MISSING, self._scrapes)] if self._scrapes else [])
            _extend(runs, f"{value:.15g}")
        for name in self._runs.keys() - seen.keys():
            _extend(self._runs[name], _MISSING)
        self._scrapes += 1

    def repeat(self) -> None:
        """Add a scrape of the same page again."""
        for runs in self._runs.values():
            _extend(runs, runs[-1][0])
        self._scrapes += 1

    def __len__(self) -> int:
        """Return the number of scrapes."""
        return self._scrapes

    def written(self) -> list[dict[str, str]]:
        """Return the `input_series` of a file for `promtool test rules`."""
        return [{"series": name, "values": _written(runs)} for name, runs in sorted(self._runs.items())]

    def samples(self, begin_s: int) -> Iterator[tuple[str, str]]:
        """Yield every sample as a line of OpenMetrics, with its metric; the first scrape was at `begin_s`."""
        for name, runs in self._runs.items():
            at_s, lines = begin_s, []
            for value, times in runs:
                if value != _MISSING:
                    lines += [f"{name} {value} {at_s + place * self.step_s}\n" for place in range(times)]
                at_s += times * self.step_s
            yield name.partition("{")[0], "".join(lines)

    def _name(self, metric: str, target: Mapping[str, str], labels: dict[str, str]) -> str:
        """Return a series' name, formatted once: a page has some 800 series, and a story hundreds of pages."""
        key = (metric, *target.values(), *labels.items())
        if (name := self._names.get(key)) is None:
            words = sorted({**target, **labels}.items())
            inside = ",".join(f"{label}={json.dumps(word, ensure_ascii=False)}" for label, word in words)
            name = self._names[key] = f"{metric}{{{inside}}}"
        return name


def _extend(runs: list[tuple[str, int]], value: str) -> None:
    if runs and runs[-1][0] == value:
        runs[-1] = (value, runs[-1][1] + 1)
    else:
        runs.append((value, 1))


def _written(runs: list[tuple[str, int]]) -> str:
    """Return values in promtool's notation: `7x3` is 7 and three more 7; `_x3` is three missing samples."""
    words = []
    for place, (value, times) in enumerate(runs):
        if value != _MISSING:
            words.append(value if times == 1 else f"{value}x{times - 1}")
        elif not place:
            words.append(f"_x{times}")
        else:
            words += [_STALE, f"_x{times - 1}"][:times]
    return " ".join(words)
