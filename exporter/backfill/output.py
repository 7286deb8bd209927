"""Where the past goes: opens the sink, keeps the save point, and says what to do with what was written."""

import os
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote as quote_for_shell
from urllib.parse import quote

import msgspec
from msgspec.structs import replace

from exporter.backfill import savepoint
from exporter.backfill.files import BLOCK_MS, LATER, SUFFIX, FilesSink
from exporter.backfill.savepoint import SavePoint
from exporter.backfill.seam import Seam
from exporter.backfill.sink import Sink, SinkError
from exporter.backfill.stdout import StdoutSink
from exporter.config import Config, ConfigError, Problem
from exporter.payments.payment import NS_PER_MS, NS_PER_S, Moment
from exporter.text import format_duration

SAVE_POINT = "progress.json"
"""The file in the output directory from which reading continues."""
HEAD_MS = 3 * 3_600_000
"""Prometheus' head may reach back so far: a block that overlaps it costs samples of all targets at a restart."""
RETENTION_S = 15 * 86_400
"""How long Prometheus keeps samples unless it is told otherwise, seconds."""
_FILES, _RECEIVER = "--output", "--remote-write"


class Output:
    """The output of one run of `backfill`."""

    def __init__(self, config: Config, now: Callable[[], Moment]) -> None:
        """Look at what is there; `now` reads both clocks. Raises `ConfigError`."""
        self._options = config.backfill
        self._now = now
        (node,) = config.nodes
        self.settings = msgspec.json.encode(
            (
                {**self._options.labels},
                node.name,
                {*config.without},
                config.max_peers,
                {*config.destinations.values()},
                receiver.shown if (receiver := self._options.remote_write) else "",
            ),
            order="deterministic",
        ).decode()
        """What must be the same to continue."""
        self._sink: Sink | None = None
        self._lock: int | None = None
        self._back_s: float | None = None  # how far back a receiver takes samples, if it says so
        assert config.storage.path is not None, "the configuration is refused without a path"
        self._save_path = self._path_of_save_point(config.storage.path, node.name)
        self.saved = self._read()
        """The newest save point: where an earlier run was broken off, or this one would be; None if there is none."""

    def __str__(self) -> str:
        """Return its name for people."""
        receiver = self._options.remote_write
        return receiver.shown if receiver else str(self._options.output or "standard output")

    @property
    def how_to_continue(self) -> str:
        """Return what is to be done after an error."""
        return " Run the same command again to continue." if self._save_path else ""

    @property
    def how_to_begin_anew(self) -> str:
        """Return what is to be done if an earlier run can't be continued, or is to be repeated."""
        return (
            "To begin again, name a new directory."
            if self._options.output
            else f"To begin again, remove {self._save_path}."
        )

    def is_done(self, seam: Seam | None) -> bool:
        """Return True if an earlier run has done everything; `seam` is how the exporter counts the node.

        Raises `ConfigError` if that run was another one, or for another state file.
        """
        saved, adopted = self.saved, seam is not None and seam.adopted
        if saved is None or not (saved.done or adopted):
            return False
        self._refuse_others(saved)
        if not saved.done and not saved.written:
            raise self._other("is written in part, and meanwhile another run has begun the counters with all history.")
        if seam is None:
            raise self._other("is complete, but the state file doesn't have its sums: it was reset, or is another one.")
        return True

    async def say_limits(self) -> None:
        """Say what a receiver accepts, and what may be wrong with its settings. Raises `ConfigError`, `SinkError`."""
        receiver = self._options.remote_write
        if receiver is None:
            return
        from exporter.backfill.remote_answer import RemoteWriteError  # noqa: PLC0415 - only a receiver needs HTTP
        from exporter.backfill.remote_limits import limits  # noqa: PLC0415 - the same

        try:
            found = await limits(receiver)
        except RemoteWriteError as error:
            raise SinkError(str(error)) from None
        if found.enabled is False:
            raise ConfigError([Problem(_RECEIVER, found.sentences[0], "Or write files: --output=DIR")])
        self._back_s = found.back_s
        for sentence in (*receiver.warnings, *found.sentences):
            print(sentence, file=sys.stderr)

    def limits_of(self, span_s: int, latest_ns: int) -> Iterator[str]:
        """Yield what is said beforehand about the oldest and the newest samples.

        They begin `span_s` seconds ago and end at `latest_ns` at the latest, nanoseconds since 1970.
        """
        options = self._options
        if options.remote_write is not None:
            if self._back_s is not None and span_s > self._back_s:
                taken = format_duration(round(self._back_s))
                yield f"It will probably refuse what is older than {taken}: --since={taken.replace(' ', '')}"
            return
        if options.since_s is None and span_s > RETENTION_S:
            yield (
                "Prometheus deletes what is older than its --storage.tsdb.retention.time, 15 days unless it is set:"
                " --since=15d writes no more than that."
            )
        latest_ms = min(latest_ns, self._now().wall_ns - (options.until_s or 0) * NS_PER_S) // NS_PER_MS
        if options.output is not None and latest_ms >= self._later_ms():
            yield (
                f"The last hours may overlap what Prometheus has in its memory: they go to {options.output / LATER},"
                " and are to be given to it some hours later."
            )

    def saved_of(self, pubkey: str) -> SavePoint | None:
        """Return where an earlier run was broken off; None to begin. Raises `ConfigError` if it was another one."""
        saved = self.saved
        if saved is None:
            return None
        if saved.pubkey != pubkey:
            raise self._other(f"has the past of another node, {saved.pubkey}.")
        self._refuse_others(saved)
        return saved

    def renumbered(self) -> ConfigError:
        """Return the error if lnd doesn't list the payments any more as they were read by an earlier run."""
        return self._other("can't be continued: lnd numbers its payments anew, or some were deleted.")

    def open(self, step_ns: int) -> Sink:
        """Return the sink; `step_ns` is the time between two samples."""
        step_ms = step_ns // NS_PER_MS
        if self._options.remote_write is not None:
            from exporter.backfill.remote_sink import RemoteSink  # noqa: PLC0415 - only a receiver needs HTTP

            self._sink = RemoteSink(self._options.remote_write, step_ms, note=lambda line: print(line, file=sys.stderr))
        elif self._options.output is not None:
            self._sink = FilesSink(self._options.output, step_ms, self._later_ms(), anew=self.saved is None)
        else:
            self._sink = StdoutSink(step_ms)
        return self._sink

    def save(self, point: SavePoint) -> None:
        """Keep a save point, if the output can be continued. Raises `SinkError`."""
        if self._save_path is None:
            return
        try:
            savepoint.write(self._save_path, point)
        except OSError as error:
            raise SinkError(f"{error.filename or self._save_path} can't be written ({error.strerror})") from None
        self.saved = point

    def save_written(self) -> None:
        """Note that all is written. Raises `SinkError`."""
        if self.saved is not None:  # else it is so little that it is written again
            self.save(replace(self.saved, written=True))

    async def close(self) -> None:
        """Close what is open, and let another run use it."""
        if self._sink is not None:
            await self._sink.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def next_steps(self) -> str:
        """Return what to do with the files that were written, as commands for a shell."""
        directory = self._options.output
        if directory is None:
            return ""
        files, later = sorted(directory.glob(f"*{SUFFIX}")), sorted((directory / LATER).glob(f"*{SUFFIX}"))
        if not files and not later:
            return "No series are written, so there is nothing to give to Prometheus.\n"
        said = (
            "Then give the files to Prometheus, which keeps running: run this as its user, with the directory of its\n"
            "--storage.tsdb.path for PROMETHEUS_DATA (docs/backfill.md says more).\n"
        )
        if files:
            said += f"\n{_make_blocks(directory)}"
        if later:
            begins_ms = int(later[-1].stat().st_mtime * 1000) // BLOCK_MS * BLOCK_MS
            at = datetime.fromtimestamp((begins_ms + BLOCK_MS + HEAD_MS) / 1000, UTC)
            said += (
                f"\nThe newest hours may still be in its memory: this at {at:%Y-%m-%d %H:%M} UTC, or later.\n"
                f"\n{_make_blocks(directory / LATER)}"
            )
        return f"{said}\nMost panels need recorded series, too: see `The dashboards over it` in docs/backfill.md.\n"

    def _later_ms(self) -> int:
        return self._now().wall_ns // NS_PER_MS - HEAD_MS

    def _path_of_save_point(self, state: Path, node: str) -> Path | None:
        """Return the file of the save point: in the directory of the output, or beside the state; None without any."""
        if self._options.output is not None:
            return self._options.output / SAVE_POINT
        if self._options.remote_write is not None:
            return state.with_name(f"{state.name}.{quote(node, safe='')}.{SAVE_POINT}")
        return None

    def _read(self) -> SavePoint | None:
        if self._save_path is None:
            return None
        directory = self._options.output
        try:
            if directory is not None:
                directory.mkdir(parents=True, exist_ok=True)
                if self._has_other_files(directory):
                    raise self._other("has files of something else.")
            else:
                self._save_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = savepoint.lock(self._save_path)
            saved = savepoint.read(self._save_path)
        except BlockingIOError:
            what = f"Another run of `backfill` writes to {self} now."
            raise ConfigError([Problem(self._flag, what, "Wait until it has ended, or stop it.")]) from None
        except OSError as error:
            what = f"{directory or self._save_path} can't be used ({error.strerror})."
            raise ConfigError([Problem(self._flag, what, "Name a directory that this user may write to.")]) from None
        except ValueError as error:
            raise self._other(f"has a save point that can't be read ({error}).") from None
        return saved

    def _has_other_files(self, directory: Path) -> bool:
        """Return True if there are files in a directory in which no run has begun."""
        assert self._save_path is not None, "there is a directory"
        begun = self._save_path.exists() or savepoint.lock_path(self._save_path).exists()
        return not begun and any(directory.iterdir())

    @property
    def _flag(self) -> str:
        return _FILES if self._options.output is not None else _RECEIVER

    def _refuse_others(self, saved: SavePoint) -> None:
        """Raise `ConfigError` if an earlier run was one with other settings."""
        step_s = self._options.step_s
        if saved.settings != self.settings or (step_s and step_s * NS_PER_S != saved.step_ns):
            receiver = "for another receiver, or " if self._options.remote_write else ""
            raise self._other(f"was begun {receiver}with other labels, another step, or other settings of the metrics.")

    def _other(self, what: str) -> ConfigError:
        path = self._options.output or self._save_path
        return ConfigError([Problem(self._flag, f"{path} {what}", self.how_to_begin_anew)])


def _make_blocks(directory: Path) -> str:
    """Return the command that makes blocks of Prometheus' database of the files in a directory."""
    made = 'promtool tsdb create-blocks-from -q openmetrics "$file" PROMETHEUS_DATA'
    return f"  for file in {quote_for_shell(str(directory))}/*{SUFFIX}; do {made}; done\n"
