"""The command line as seen from outside: exit codes, standard output and standard error, signals."""

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

import bcrypt
import pytest

from exporter import __version__
from exporter.__main__ import main
from exporter.config import load
from exporter.config.commands import COMMANDS, Command
from exporter.config.macaroons import BAKE
from exporter.config.settings import SETTINGS
from exporter.config.usage import usage
from exporter.follow import Account
from exporter.payments.labels import Source, Status
from exporter.payments.node import Channels
from exporter.payments.payment import Moment
from exporter.simulator import credentials
from exporter.simulator.server import SimulatedNode
from exporter.store import Store, encode
from tests.patience import PATIENCE_S
from tests.payments.build import PEER, flying, payment

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
PROGRAM = [sys.executable, "-m", "exporter"]


class Ended(NamedTuple):
    """Exit code and output of a command."""

    code: int
    stdout: str
    stderr: str


def run(*argv: str) -> Ended:
    """Run a command in a process of its own until it ends."""
    done = subprocess.run([*PROGRAM, *argv], capture_output=True, text=True, check=False, timeout=PATIENCE_S, cwd=ROOT)
    return Ended(done.returncode, done.stdout, done.stderr)


def shell(line: str, encoding: str) -> Ended:
    """Run a command in a shell; if a command of a pipe fails, its exit code is that of the pipe."""
    command = ["bash", "-o", "pipefail", "-c", f"{' '.join(PROGRAM)} {line}"]
    environ = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run(command, capture_output=True, encoding=encoding, check=False, cwd=ROOT, env=environ)
    return Ended(done.returncode, done.stdout, done.stderr)


@contextmanager
def demo(*argv: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the demo, and yield its process and the base of its URLs."""
    command = [*PROGRAM, "demo", "--web.listen-address=127.0.0.1:0", *argv]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if found := re.search(r"(https?://[^/]+)/ ", line):
                    yield process, found[1]
                    break
            else:
                pytest.fail(f"the demo ended without a word: {process.stderr and process.stderr.read()}")
        finally:
            process.kill()


def fetch(url: str) -> str:
    """Return the body of an HTTP response."""
    with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
        text: str = answer.read().decode()
    return text


def test_help_lists_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    """It fits a terminal, and goes to stdout with exit code 0, whatever the other arguments are."""
    assert main(["run", "--nonsense", "--help"]) == 0
    text = capsys.readouterr().out
    flags = [setting.flag + ("" if setting.switch else f"={setting.metavar}") for setting in SETTINGS.values()]
    assert [flag for flag in flags if f"  {flag}" not in text] == []
    assert [line for line in text.splitlines() if len(line) > 80] == []
    assert main(["help"]) == main(["-h"]) == 0


def words_of(text: str) -> str:
    """Return a text without its line breaks."""
    return " ".join(text.split())


@pytest.mark.parametrize("command", [command for command in COMMANDS if command != "run"])
def test_help_of_a_command(capsys: pytest.CaptureFixture[str], command: Command) -> None:
    """It has the flags of this command and no others, an example, and the exit codes; it fits a terminal."""
    texts = []
    words = command.split()
    for arguments in ([*words, "--help"], [*words, "--nonsense", "-h"], ["help", *words]):
        assert main(arguments) == 0
        texts.append(capsys.readouterr().out)
    (text,) = {*texts}
    described = COMMANDS[command]
    assert text.startswith(f"Usage: lnd-payments-exporter {described.arguments}\n\n")
    assert described.details in words_of(text)
    assert f"\nExample:\n  lnd-payments-exporter {described.example}\n" in text
    assert re.findall(r"^  (\d+(?:, \d+)*) ", text.partition("Exit codes:\n")[2], re.MULTILINE) == [
        *described.exit_codes
    ]
    flags = [setting.flag for setting in SETTINGS.values() if command in setting.commands]
    assert re.findall(r"^  (--[\w.-]+)", text, re.MULTILINE) == flags
    assert [line for line in text.splitlines() if len(line) > 80] == []


def test_help_of_healthcheck(capsys: pytest.CaptureFixture[str]) -> None:
    """The whole text of the shortest one."""
    assert main(["healthcheck", "--help"]) == 0
    assert capsys.readouterr().out == HELP_OF_HEALTHCHECK


HELP_OF_HEALTHCHECK = """\
Usage: lnd-payments-exporter healthcheck [FLAGS]

Ask a running exporter on this machine whether it is ready (GET /-/ready), as
container engines do. With TLS, too; it needs no password: the exporter listens
only when it is ready, so an answer that asks for one is enough.

Flags:
  --web.listen-address=ADDRESS
                            where that exporter serves metrics (default: :10019)
  --web.config.file=FILE    that exporter's web file, needed only if it requires
                            client certificates
  --config.file=FILE        a YAML file with settings
  -h, --help                print this text

Each flag is also an environment variable: --web.listen-address is
LND_PAYMENTS_EXPORTER_WEB_LISTEN_ADDRESS. `lnd-payments-exporter --help`
describes the YAML file, and how to make a macaroon.

Example:
  lnd-payments-exporter healthcheck --web.listen-address=:8000

Exit codes:
  0         ready
  1         not ready, or no answer within 3 seconds
  2         the command line or the configuration is wrong
"""


def test_tables_of_commands_and_settings_agree() -> None:
    """Help texts are for settings of the command, and examples are valid."""
    for command, described in COMMANDS.items():
        assert [name for name in described.flags if command not in SETTINGS[name].commands] == []
    commands: tuple[Command, ...] = ("demo", "open", "healthcheck", "state export", "state import")
    for command in commands:
        arguments = COMMANDS[command].example.removeprefix(f"{command} ").split()
        assert load(arguments, {}, command).nodes == ()


def test_help_of_run_or_of_an_unknown_command_is_the_overview(capsys: pytest.CaptureFixture[str]) -> None:
    """It lists all commands."""
    for arguments in (["help"], ["help", "opne"], ["opne", "--help"], ["--help", "open"], ["run", "-h"]):
        assert main(arguments) == 0
        assert capsys.readouterr().out == usage()


def test_macaroon_is_the_same_everywhere() -> None:
    """`--help` and all problems with a macaroon name the same five calls; tests/test_docs.py compares the pages."""
    calls = {
        "uri:/routerrpc.Router/TrackPayments",
        "uri:/routerrpc.Router/TrackPaymentV2",
        "uri:/lnrpc.Lightning/ListPayments",
        "uri:/lnrpc.Lightning/GetInfo",
        "uri:/lnrpc.Lightning/ListChannels",
    }
    assert [set(re.findall(r"uri:/[\w./]+", text)) for text in (BAKE, usage())] == [calls] * 2
    assert BAKE.endswith("\nListChannels is optional: for aliases, balances, offline peers and lost HTLCs.")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """The name of the program and its version, which is defined once."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"lnd-payments-exporter {__version__}\n"
    assert "version" in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dynamic"]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("deom", "Did you mean demo?"),
        (
            "lightning",
            (
                "Commands are run, demo, open, ended, track, why, check, report, backfill, healthcheck, state export,"
                " state import, rules, dashboards, alertmanager-example, completion, man; see --help."
            ),
        ),
    ],
)
def test_unknown_commands(capsys: pytest.CaptureFixture[str], name: str, hint: str) -> None:
    """Exit code 2 and a suggestion."""
    assert main([name]) == 2
    assert capsys.readouterr() == ("", f"lnd-payments-exporter: unknown command {name!r}. {hint}\n")


NOWHERE = """\
lnd-payments-exporter: 1 problem with the configuration

  --lnd.dir
      /nowhere does not exist.
      Give lnd's directory; in a container: is the volume mounted?
"""


@pytest.mark.parametrize("command", ["", "run", "check"])
def test_invalid_configuration(command: str) -> None:
    """Exit code 2 and the message on stderr; no traceback."""
    assert run(*command.split(), "--lnd.dir=/nowhere") == (2, "", NOWHERE)


def test_check_prints_the_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0 if it is valid; nothing is started."""
    macaroon = tmp_path / "admin.macaroon"
    macaroon.write_bytes(b"\x02\x01\x03lnd" + bytes(100))
    kept = tmp_path / "kept" / "here"
    flags = ["--lnd.address=alice", "--lnd.tls-cert=system", f"--lnd.macaroon={macaroon}", f"--storage.path={kept}"]
    flags += ["--lnd.proxy=me:secret@127.0.0.1:9050", "--lnd.final-updates-only", "--lnd.tls-server-name=b.example"]
    flags += ["--metrics.without=peers,amounts"]
    assert main(["check", *flags]) == 0
    assert capsys.readouterr().out == (
        "The configuration is valid (lnd was not asked).\n"
        f"  node lnd: alice:10009 (grpc through a proxy), certificate trusted by the system for b.example,"
        f" macaroon {macaroon}\n"
        "    mode auto, final updates only\n"
        "    warning: this macaroon can spend: a smaller one is enough (see --help)\n"
        f"  state in {kept}\n"
        "    list of the last 10,000 payments of each node that ended, with who was paid\n"
        "  metrics on :10019/metrics, peers 50, without amounts, peers\n"
        "  log info auto: warnings of payments in flight for 10m, 1h, 1d, of held HTLCs with fewer than 144, 36 blocks"
        " left\n"
    )


@pytest.mark.parametrize(
    ("flags", "shown"),
    [
        (["--storage.ended=500"], "    list of the last 500 payments of each node that ended, with who was paid"),
        (
            ["--storage.ended-destinations=false"],
            "    list of the last 10,000 payments of each node that ended, without who was paid",
        ),
        (["--storage.ended=0"], "    no list of payments that ended"),
        (["--storage.memory"], "    no list of payments that ended"),
        (["--storage.memory"], "  state in memory only: counters begin at zero at each start"),
        (
            ["--lnd.explain-no-route"],
            "    explains no route: its macaroon must also allow DecodePayReq and QueryRoutes",
        ),
        (["--web.enable-lifecycle"], "  metrics on :10019/metrics, peers 50, reload on request"),
        (
            ["--log.ended=failed", "--log.blocks-left=none"],
            "  log info auto: payments that failed or were lost, warnings of payments in flight for 10m, 1h, 1d",
        ),
        (
            ["--log.ended=all", "--log.payment-hashes=false"],
            "  log info auto: payments that ended, no payment hashes, no warnings about single payments",
        ),
        (
            ["--log.open-after=none", "--log.blocks-left=none"],
            "  log info auto: nothing of single payments, except late successes",
        ),
        (
            ["--log.open-after=none", "--log.blocks-left=36"],
            "  log info auto: warnings of held HTLCs with fewer than 36 blocks left",
        ),
    ],
)
def test_check_shows_what_is_kept_and_logged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], shown: str
) -> None:
    """A line of its output for each setting that somebody may want to see before the start."""
    kept = [] if "--storage.memory" in flags else [f"--storage.path={tmp_path}/state.sqlite"]
    assert main(["check", *a_node(tmp_path), *kept, *flags]) == 0
    assert shown in capsys.readouterr().out.splitlines()


def test_open_lists_payments_of_the_demo() -> None:
    """The command that the demo suggests lists the payment that is held for most of an hour; `why` explains it.

    `why` may ask all that it wants to know, and `check` shows the settings of the demo.
    """
    with demo("--log.format=json") as (process, _):
        assert process.stdout is not None
        command = next(line.split()[1:] for line in process.stdout if " open --config.file=" in line)
        deadline = time.monotonic() + PATIENCE_S
        while not (found := json.loads(run(*command, "--older-than=44m", "--json").stdout))["payments"]:
            assert time.monotonic() < deadline
        table = run(*command, "--older-than=44m")
        assert (table.code, table.stderr) == (0, "")
        assert table.stdout.startswith("demo: 1 payment in flight for 44m or longer\n")
        assert found["payments"][0]["payment_hash"] in table.stdout
        assert found["payments"][0]["first_hops"][0]["alias"] in table.stdout
        explained = run("why", found["payments"][0]["payment_hash"], command[1])
        assert (explained.code, explained.stderr) == (4, "")
        assert explained.stdout.startswith("demo: in flight for ")
        assert "Not asked" not in explained.stdout
        checked = run("check", command[1])
        assert (checked.code, checked.stderr) == (0, "")
        assert "  destinations exchange-a (4 keys), swap-service (2 keys)" in checked.stdout.splitlines()
        process.kill()
        process.wait(PATIENCE_S)
        table = run(*command)
        assert (table.code, table.stderr) == (0, "")
        assert "The exporter is not running. This is the state at " in table.stdout
        shutil.rmtree(Path(command[1].partition("=")[2]).parent)


def test_the_text_of_the_demo_fits_a_terminal() -> None:
    """Only commands are longer, which can be copied as they are."""
    with demo("--log.format=json") as (process, _):
        assert process.stdout is not None
        lines = [*takewhile(lambda line: not line.startswith("Ctrl-C ends it."), process.stdout)]
    commands = re.compile(r"  (curl |(\.venv/bin/)?lnd-payments-exporter )")
    assert [line for line in lines if len(line) > 81 and not commands.match(line)] == []
    assert len(lines) > 15


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_demo_counts_payments_and_stops_on_a_signal(number: signal.Signals) -> None:
    """Within seconds; `healthcheck` finds it ready, and the exit code is 0."""
    with demo("--log.format=json", "--web.telemetry-path=/payments") as (process, url):
        address = url.removeprefix("http://")
        assert run("healthcheck", f"--web.listen-address={address}") == (0, "ready\n", "")
        deadline = time.monotonic() + PATIENCE_S
        while not re.search(r"^lnd_payments_succeeded_total\{.*\} [1-9]", fetch(f"{url}/payments"), re.MULTILINE):
            assert time.monotonic() < deadline
        process.send_signal(number)
        _, stderr = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0
        assert [line for line in stderr.splitlines() if not line.startswith("{")] == []


def test_the_demo_is_not_reloaded() -> None:
    """The lifecycle API is off unless it is switched on, and the demo has no configuration to reload anyway."""
    with demo("--log.format=json") as (_, url):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{url}/-/reload", data=b"", timeout=PATIENCE_S)
        assert (refused.value.code, refused.value.read()) == (403, b"Lifecycle API is not enabled.\n")
    assert run("demo", "--web.enable-lifecycle").code == 2


def test_the_demo_with_a_web_file(tmp_path: Path) -> None:
    """The command that it prints leads to the metrics; name and password are left to the reader."""
    made = credentials.certificate()
    (tmp_path / "cert.pem").write_bytes(made.certificate)
    (tmp_path / "key.pem").write_bytes(made.key)
    user = f"basic_auth_users: {{prometheus: {bcrypt.hashpw(b'secret', bcrypt.gensalt(4)).decode()}}}\n"
    (tmp_path / "web.yml").write_text(f"tls_server_config: {{cert_file: cert.pem, key_file: key.pem}}\n{user}")
    with demo("--log.format=json", f"--web.config.file={tmp_path}/web.yml") as (process, url):
        assert url.startswith("https://127.0.0.1:")
        assert process.stdout is not None
        command = next(line for line in process.stdout if "curl" in line)
        assert command.startswith(f"  curl -s -k -u NAME {url}/metrics | grep ")


def test_address_in_use() -> None:
    """Exit code 2 and a fix, as for any other problem with the configuration."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        code, stdout, stderr = run("demo", f"--web.listen-address={address}")
    assert (code, stdout) == (2, "")
    assert f"  --web.listen-address\n      {address} is in use by another program" in stderr
    assert f"listen elsewhere: --web.listen-address=127.0.0.1:{int(address.rpartition(':')[2]) + 1}\n" in stderr
    assert "Traceback" not in stderr


def a_node(home: Path) -> list[str]:
    """Return valid flags of a node that doesn't exist."""
    macaroon = home / "payments.macaroon"
    macaroon.write_bytes(b"\x02\x01\x03lnd" + bytes(100))
    return ["--lnd.address=alice", "--lnd.tls-cert=system", f"--lnd.macaroon={macaroon}"]


def too_new(path: Path) -> None:
    """Make a state file of a newer exporter."""
    Store(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()


def foreign(path: Path) -> None:
    """Make a file that isn't a state file."""
    path.write_bytes(b"\x02\x01\x03lnd" + bytes(100))


def nowhere(path: Path) -> None:
    """Make a directory."""
    path.mkdir()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda _path: None, "does not exist."),
        (too_new, "was written by another version (schema 99, this one knows 5)."),
        (foreign, "is not the state of an exporter."),
        (nowhere, "is not the state of an exporter."),
    ],
)
def test_open_without_a_readable_state_file(tmp_path: Path, spoil: Callable[[Path], None], words: str) -> None:
    """Exit code 2, one line that says what is wrong, and a fix."""
    path = tmp_path / "state"
    spoil(path)
    code, stdout, stderr = run("open", f"--storage.path={path}")
    assert (code, stdout) == (2, "")
    assert f"--storage.path\n      {path} {words}\n" in stderr
    assert "Traceback" not in stderr


async def test_reader_that_stops_early(tmp_path: Path) -> None:
    """`open | head` ends without an error message; a terminal without UTF-8 shows what it can."""
    path = tmp_path / "state"
    store, account = Store(path), Account("lnd", lambda: Moment(10**18, 1), 5)
    account.set_status(channels=Channels(0, {PEER: "café 🐙"}))
    for number in range(5000):
        account.record(payment(Status.IN_FLIGHT, flying(number + 1), payment_hash=f"{number:064x}"), Source.STREAM)
    store.save({"lnd": encode(account.save(account.capture()))})
    store.close()
    command = f"open --storage.path={path}"
    for flags in ("", "--json"):
        ended = shell(f"{command} {flags} | head -1", "utf-8")
        assert (ended.code, ended.stderr) == (128 + signal.SIGPIPE, "")
    assert "café ?" in shell(command, "latin-1").stdout


def test_open_before_any_node_was_met(tmp_path: Path) -> None:
    """It says so, with exit code 0."""
    Store(tmp_path / "state").close()
    found = run("open", f"--storage.path={tmp_path / 'state'}")
    assert found == (0, "The state file contains no nodes yet.\n", "")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [(too_new, "newer exporter (schema 99"), (foreign, "is not the state of"), (nowhere, "is a directory.")],
)
def test_unusable_state_file(tmp_path: Path, spoil: Callable[[Path], None], words: str) -> None:
    """Exit code 2, what is wrong and a fix; also with --storage.reset."""
    path = tmp_path / "state"
    spoil(path)
    for command, *flags in (["run"], ["run", "--storage.reset=lnd"], ["check"]):
        code, stdout, stderr = run(command, *a_node(tmp_path), f"--storage.path={path}", *flags)
        assert (code, stdout) == (2, "")
        assert f"--storage.path\n      {path} {'was written by a ' * (spoil is too_new)}{words}" in stderr
        assert "Traceback" not in stderr


def test_state_file_of_a_running_exporter(tmp_path: Path) -> None:
    """Exit code 2; the message names the process."""
    store = Store(tmp_path / "state")
    code, stdout, stderr = run(*a_node(tmp_path), f"--storage.path={tmp_path / 'state'}")
    store.close()
    assert (code, stdout) == (2, "")
    assert f"another exporter (process {os.getpid()}) keeps its state there." in stderr


async def test_storage_reset(tmp_path: Path) -> None:
    """It needs no node of the configuration, and names the file; an unreadable one is renamed, and is no success."""
    path = tmp_path / "state"
    flags = [f"--storage.path={path}", "--storage.reset=lnd"]
    code, _, stderr = run(*flags)
    assert (code, f"{path} does not exist." in stderr, path.exists()) == (2, True, False)
    store, account = Store(path), Account("lnd", lambda: Moment(1, 1), 5)
    store.save({"lnd": encode(account.save(account.capture()))})
    code, _, stderr = run(*flags)
    assert (code, "Stop it, delete the node, and start it again." in stderr) == (2, True)
    store.close()
    code, _, stderr = run(*flags[:-1], "--storage.reset=ldn")
    assert (code, f"{path} has no node ldn.\n      It has lnd.\n" in stderr) == (2, True)
    assert run(*flags) == (0, f"Nothing is kept of lnd any more in {path}.\n", "")
    code, _, stderr = run(*flags, *a_node(tmp_path))
    assert (code, f"{path} has no node lnd.\n      It has none.\n" in stderr) == (2, True)
    path.write_bytes(path.read_bytes()[:3000])
    code, stdout, stderr = run(*flags)
    assert (code, stdout) == (2, "")
    assert "could not be read" in stderr
    assert "the next start begins at zero" in stderr


def test_healthcheck_without_an_exporter() -> None:
    """Exit code 1, and a possible reason."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    code, stdout, stderr = run("healthcheck", f"--web.listen-address=:{port}")
    assert (code, stdout) == (1, "")
    assert stderr.startswith(f"http://127.0.0.1:{port}/-/ready does not answer: ")


async def test_log_holds_only_json(tmp_path: Path) -> None:
    """A warning about a macaroon that can spend; and with a wrong certificate none of gRPC's own lines."""
    (tmp_path / "other").mkdir()
    other = SimulatedNode(tmp_path / "other")
    async with SimulatedNode(tmp_path) as node:
        admin = node.macaroon.rename(tmp_path / "admin.macaroon")
        flags = [f"--lnd.address={node.address}", f"--lnd.macaroon={admin}", f"--lnd.tls-cert={other.tls_cert}"]
        process = await asyncio.create_subprocess_exec(
            *PROGRAM,
            *flags,
            "--storage.memory",
            "--web.listen-address=127.0.0.1:0",
            stderr=asyncio.subprocess.PIPE,
            cwd=ROOT,
        )
        assert process.stderr is not None
        events = [json.loads(await process.stderr.readline()) for _ in range(3)]
        process.terminate()
        events += [json.loads(line) for line in (await process.stderr.read()).splitlines()]
        assert await process.wait() == 0
    assert [event["event"] for event in events] == [
        "this macaroon can spend: a smaller one is enough (see --help)",
        "serving metrics",
        "not following",
        "stopped",
    ]


BUG = """
import sys
from exporter.stopping import until_stopped
from exporter.config import Config, LogConfig, StorageConfig, WebConfig

async def buggy(config):
    raise KeyError("preimage=" + "5e" * 32)

config = Config((), WebConfig((), "/metrics"), LogConfig("info", "json"), StorageConfig(None), 0)
sys.exit(until_stopped(config, buggy))
"""


def test_bug_ends_the_process() -> None:
    """Exit code 1 and a traceback in the log, without the secret in it."""
    done = subprocess.run([sys.executable, "-c", BUG], capture_output=True, text=True, check=False, cwd=ROOT)
    logged = json.loads(done.stderr)
    assert (done.returncode, logged["event"]) == (1, "stopped by a bug, please report it")
    assert logged["exception"].endswith("KeyError: 'preimage=[redacted]'")


@pytest.mark.parametrize("command", ["healthcheck", "open", "state export alice", "state import README.md"])
def test_light_commands_import_little(command: str) -> None:
    """One runs every few seconds, the others for somebody in a hurry: none loads grpc or aiohttp."""
    words = [*command.split(), "--storage.path=README.md"]
    loaded = f"import sys; from exporter.__main__ import main; main({words}); print([*sys.modules])"
    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True, cwd=ROOT)
    heavy = ["grpc", "aiohttp", "prometheus_client", "structlog"]
    if command == "healthcheck":
        heavy += ["cryptography", "yaml", "asyncio", "ssl", "http.client", "difflib", "textwrap"]
    assert [name for name in heavy if f"'{name}'" in done.stdout] == []
