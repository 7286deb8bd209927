"""The commands `state export` and `state import` as seen from outside: output, exit codes, wrong input."""

import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from exporter.__main__ import main
from exporter.config.usage import usage
from exporter.store import Store, encode
from tests.config.conftest import without_root
from tests.patience import PATIENCE_S
from tests.store.test_handover import NAME, node
from tests.store.test_store import busy_node, saved_node, write_state
from tests.test_main import PROGRAM, ROOT

AT = "exported as of 2026-05-28 20:26:49 UTC, 2 in flight\n"
US = "lnd-payments-exporter: "


class Ended(NamedTuple):
    """Exit code and output of a command."""

    code: int
    out: str
    err: str


class Place:
    """A directory with the state of an exporter, which is the working directory."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.home = home
        self._capsys = capsys

    def __call__(self, *words: str) -> Ended:
        """Run a command."""
        return Ended(main(["state", *words]), *self._capsys.readouterr())

    def nodes(self, state: str) -> list[str]:
        """Return the nodes of a state file."""
        store = Store(self.home / state)
        store.close()
        return store.nodes()


@pytest.fixture
def state(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Place:
    """The state of two nodes in `a`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    write_state(tmp_path / "a", {NAME: node(), "bob": node()})
    return Place(tmp_path, capsys)


def test_handover_of_two_nodes(state: Place) -> None:
    """Flags may stand anywhere; a second import is harmless."""
    assert state("export", NAME, "1.state", "--storage.path=a") == (0, "", f"{NAME}: {AT}")
    assert state("export", "--storage.path", "a", "bob", "2.state") == (0, "", f"bob: {AT}")
    assert Path("1.state").stat().st_mode & 0o777 == 0o600
    into = f"imported into {state.home / 'b'}\n"
    assert state("import", "1.state", "--storage.path=b", "2.state") == (0, f"{NAME}: {into}bob: {into}", "")
    again = f"{NAME}: is already, with the same content, in {state.home / 'b'}\n"
    assert state("import", "1.state", "--storage.path=b") == (0, again, "")
    assert (state.nodes("a"), state.nodes("b")) == (["bob", NAME], ["bob", NAME])


def test_environment_and_file_of_the_exporter(state: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """They name the state file, as for `open`; nodes and shard don't matter."""
    Path("exporter.yml").write_text("nodes: [{name: x, dir: /nowhere}]\nstorage: {path: a}\n")
    monkeypatch.setenv("LND_PAYMENTS_EXPORTER_CONFIG_FILE", "exporter.yml")
    monkeypatch.setenv("LND_PAYMENTS_EXPORTER_SHARD", "auto/3")
    assert state("export", "bob", "bob.state") == (0, "", f"bob: {AT}")
    monkeypatch.setenv("LND_PAYMENTS_EXPORTER_STORAGE_PATH", "b")
    assert state("import", "bob.state").out == f"bob: imported into {state.home / 'b'}\n"


def piped(*words: str, given: bytes = b"") -> bytes:
    """Run a command in a process of its own, with these bytes as its input; return its output."""
    done = subprocess.run(
        [*PROGRAM, "state", *words], input=given, capture_output=True, check=True, timeout=PATIENCE_S, cwd=ROOT
    )
    return done.stdout


def test_standard_streams(state: Place) -> None:
    """The bytes of an export go through a pipe, and are the same as in a file."""
    flag = f"--storage.path={state.home}/a"
    state("export", NAME, "n.state", flag)
    content = Path("n.state").read_bytes()
    assert [piped("export", NAME, flag), piped("export", NAME, "-", flag)] == [content, content]
    said = piped("import", "-", f"--storage.path={state.home}/b", given=content).decode()
    assert said == f"{NAME}: imported into {state.home}/b\n"


def test_names_that_begin_with_a_dash(state: Place) -> None:
    """After `--` there are no flags."""
    write_state(state.home / "c", {"--json": node()})
    assert state("export", "--storage.path=c", "--", "--json", "-x") == (0, "", f"--json: {AT}")
    assert state("import", "--storage.path=b", "--", "-x") == (0, f"--json: imported into {state.home / 'b'}\n", "")


def test_advice_for_a_state_that_does_not_exist(state: Place) -> None:
    """It doesn't propose to keep nothing, as it does for an exporter."""
    ended = state("export", "bob", "x", "--storage.path=no")
    fix = "Name the state file of the exporter: --storage.path=FILE"
    assert ended.err.endswith(f"\n      {state.home}/no does not exist.\n      {fix}\n")


def test_terminal(state: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """No binary data on it."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    what = "An export is binary, and standard output is a terminal. Name a file: state export bob FILE\n"
    assert state("export", "bob", "--storage.path=a") == (2, "", US + what)


def test_running_exporter(state: Place) -> None:
    """A warning while it follows the node; nothing is imported into its file."""
    state("export", NAME, "n.state", "--storage.path=a")
    write_state(state.home / "b", {"bob": node()})
    store = Store(state.home / "b")
    ended = state("export", "bob", "b.state", "--storage.path=b")
    assert ended.code == 0
    assert ended.err.startswith(f"bob: {AT}warning: an exporter is running and still follows bob.")
    ended = state("import", "n.state", "--storage.path=b")
    assert (ended.code, f"An exporter is running with {state.home}/b." in ended.err) == (2, True)
    store.save(store.unfollowed([]))
    assert state("export", "bob", "b2.state", "--storage.path=b").err == f"bob: {AT}"
    store.close()


def test_node_that_is_counted_already(state: Place) -> None:
    """The advice deletes it; afterwards it can be imported."""
    state("export", "bob", "bob.state", "--storage.path=a")
    write_state(state.home / "b", {"bob": encode(saved_node(busy_node(), 99))})
    ended = state("import", "bob.state", "--storage.path=b")
    assert (ended.code, ended.out) == (2, "")
    assert "The state file counts bob already.\n" in ended.err
    assert "--storage.reset=bob\n" in ended.err


def test_the_same_node_twice(state: Place) -> None:
    """Which one is meant isn't clear."""
    state("export", "bob", "1.state", "--storage.path=a")
    state("export", "bob", "2.state", "--storage.path=a")
    what = f"{state.home}/2.state has the node bob a second time. Import one of the two.\n"
    assert state("import", "1.state", "2.state", "--storage.path=b") == (2, "", US + what)
    assert not Path("b").exists()


HOW = "Write: lnd-payments-exporter state"


@pytest.mark.parametrize(
    ("line", "err"),
    [
        ("", "a word is missing: state export, or state import; see --help."),
        ("exprot bob", "unknown command 'state exprot'. Did you mean state export?"),
        (
            "list",
            "unknown command 'state list'. Commands are state export, state import; see --help.",
        ),
        (
            "export",
            f"The name of a node is missing. {HOW} export NODE FILE; `open` shows the nodes of the state file.",
        ),
        ("import", f"The file to import is missing. {HOW} import FILE...; `state export` makes the files."),
        ("export bbo x --storage.path=a", f"{{home}}/a has no node bbo. Its nodes: bob, {NAME}"),
        ("export bob x y --storage.path=a", "'y' is one argument too many. One node at a time, to one file."),
        (
            "export b,b x --storage.path=a",
            (
                "'b,b' can't be the name of a node. Use 1 to 64 letters, digits and . _ - : @ / without blanks, such as"
                " alice or routing-1."
            ),
        ),
        ("export bob a --storage.path=a", "{home}/a exists already. Name a new file: nothing is overwritten."),
        ("export bob . --storage.path=a", "{home} is a directory. Name a new file: nothing is overwritten."),
        (
            "export bob no/x --storage.path=a",
            (
                "{home}/no/x can't be created (No such file or directory). Name a file in a directory that this user"
                " may write to."
            ),
        ),
        ("import no --storage.path=b", "{home}/no does not exist. Give a file that `state export` has written."),
        ("import . --storage.path=b", "{home} is a directory. Give the files in it: {home}/*"),
        (
            "import a --storage.path=b",
            (
                "{home}/a is the state file of an exporter, not an export. Export each node from it: state export NODE"
                " FILE --storage.path={home}/a"
            ),
        ),
        (
            "import text --storage.path=b",
            (
                "{home}/text is not an export. `state export NODE FILE` makes such a file; copy it as a whole, as a"
                " binary file."
            ),
        ),
    ],
)
def test_wrong_arguments(state: Place, line: str, err: str) -> None:
    """One line, exit code 2, and no file is made or changed."""
    Path("text").write_text("hello\n")
    before = {path.name: path.read_bytes() for path in state.home.iterdir()}
    assert state(*line.split()) == (2, "", f"{US}{err.format(home=state.home)}\n")
    assert {path.name: path.read_bytes() for path in state.home.iterdir()} == before


@pytest.mark.parametrize(
    ("line", "where", "what"),
    [
        ("export bob x --storage.path=no", "--storage.path", "{home}/no does not exist."),
        ("export bob x --storage.path=no/a", "--storage.path", "{home}/no/a does not exist."),
        ("export bob x --storage.path=.", "--storage.path", "{home} is not the state of an exporter."),
        ("export bob x --storage.path=text", "--storage.path", "{home}/text is not the state of an exporter."),
        ("import x --storage.path=text", "--storage.path", "{home}/text is not the state of an exporter."),
        ("import x --storage.path=.", "--storage.path", "{home} is a directory."),
        ("import x --storage.path=x", "--storage.path", "{home}/x is not the state of an exporter."),
        ("export bob --storage.memory", "--storage.memory", "leaves nothing on disk that could be handed over."),
        ("export bob --shard=0/3", "--shard", "is for the commands run and check."),
        ("import x --json", "--json", "is for the commands open, ended, track, why, check and report."),
        ("export bob --storage=a", "--storage", "Unknown flag."),
        ("export bob --storage.path", "--storage.path", "has no value."),
    ],
)
def test_wrong_settings(state: Place, line: str, where: str, what: str) -> None:
    """They are reported as by other commands."""
    state("export", "bob", "x", "--storage.path=a")
    Path("text").write_text("hello\n")
    if line.startswith("export"):
        Path("x").unlink()
    before = {path.name: path.read_bytes() for path in state.home.iterdir()}
    ended = state(*line.split())
    assert (ended.code, ended.out) == (2, "")
    assert f"  {where}\n      {what.format(home=state.home)}\n" in ended.err
    assert {path.name: path.read_bytes() for path in state.home.iterdir()} == before


@pytest.mark.parametrize("line", ["export bob x --storage.path=a", "import x --storage.path=b/c", "import x -"])
def test_no_permission(state: Place, line: str) -> None:
    """Another user may neither read the state nor an export."""
    state("export", "bob", "x", "--storage.path=a")
    state.home.chmod(0o755)
    with without_root():
        ended = state(*line.split())
    assert ended.code == 2
    assert "ermission" in ended.err
    assert "--storage.memory" not in ended.err, "that is advice for an exporter"


def test_the_state_file_is_a_directory(state: Place) -> None:
    """The advice is a file in it."""
    state("export", "bob", "x", "--storage.path=a")
    fix = f"      {state.home} is a directory.\n      Name a file in it: --storage.path={state.home}/state.sqlite\n"
    assert state("import", "x", "--storage.path=.").err.endswith(fix)


def limited() -> None:
    """Let no file of this process grow beyond some pages, as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))


def test_full_disk(state: Place) -> None:
    """Exit code 1 for an export that can't be written, and nothing of it is left; the state is as it was."""
    words = ["state", "export", "bob", str(state.home / "x"), f"--storage.path={state.home}/a"]
    done = subprocess.run(
        [*PROGRAM, *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
        preexec_fn=limited,
    )
    assert (done.returncode, done.stderr) == (1, f"{US}{state.home}/x can't be written (File too large)\n")
    assert sorted(os.listdir(state.home)) == ["a", "a.lock"]  # noqa: PTH208 - the whole directory
    words = ["state", "export", "bob", words[-1]]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*PROGRAM, *words],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )
    assert (done.returncode, done.stderr) == (
        1,
        f"{US}standard output can't be written (No space left on device)\n",
    )


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    """Without the second word that of both; the overview lists them."""
    both = [usage("state export"), usage("state import")]
    for words in (["state", "--help"], ["help", "state"]):
        assert main(words) == 0
        assert capsys.readouterr().out == "\n".join(both)
    for command, text in zip(("export", "import"), both, strict=True):
        assert main(["help", "state", command]) == 0
        assert capsys.readouterr().out == text
    assert "\n  state export NODE [FILE]  write" in usage()
