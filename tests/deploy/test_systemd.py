"""The units of systemd are accepted and hardened, and fit the configuration and the page docs/install/debian.md."""

import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from exporter.__main__ import UNUSABLE
from exporter.config import Config, ListenAddress, NodeConfig, load
from exporter.config.macaroons import BAKE
from exporter.simulator.credentials import certificate

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "deploy" / "systemd"
PAGE = (ROOT / "docs" / "install" / "debian.md").read_text()
NAME = "lnd-payments-exporter"
SERVICE, WATCH, RESTART = (f"{NAME}{rest}" for rest in (".service", "-credentials.path", "-credentials.service"))
PROGRAM = f"/usr/local/bin/{NAME}"
SETTINGS = f"/etc/{NAME}/config.yml"
CREDENTIALS = f"/run/credentials/{SERVICE}"
FROM_LND = f"/etc/{NAME}/lnd"
MACAROON = b"\x02\x01\x03lnd" + bytes(100)

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")


def settings(unit: str) -> dict[str, list[str]]:
    """Return the values of each setting of a unit, in order."""
    found = defaultdict(list)
    for line in (UNITS / unit).read_text().splitlines():
        name, equals, text = line.partition("=")
        if equals and not line.startswith("#"):
            found[name].append(text)
    return dict(found)


def analyze(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run systemd-analyze, which needs no running systemd for this."""
    environ = {**os.environ, "SYSTEMD_LOG_COLOR": "0"}
    return subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, check=False, env=environ)


@needs_systemd
def test_systemd_knows_every_setting(tmp_path: Path) -> None:
    """No unknown name, no value that would be ignored. The programs must exist, so this Python stands for ours."""
    for path in sorted(UNITS.glob(f"{NAME}*")):
        text = path.read_text().replace(PROGRAM, sys.executable).replace("/bin/systemctl", sys.executable)
        (tmp_path / path.name).write_text(text)
    done = analyze("verify", "--man=no", *(tmp_path / unit for unit in (SERVICE, WATCH, RESTART)))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@needs_systemd
def test_service_is_hardened() -> None:
    """systemd rates it below 2.0 of 10, and a unit without hardening far above."""
    rate = ("security", "--offline=true", "--no-pager", "--threshold=20")
    done = analyze(*rate, UNITS / SERVICE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert analyze(*rate, UNITS / RESTART).returncode == 1


def test_credentials_are_those_that_are_watched() -> None:
    """Both are copied from the link to lnd's directory, and a change of either restarts the service."""
    copies = [f"tls.cert:{FROM_LND}/tls.cert", f"payments.macaroon:{FROM_LND}/payments.macaroon"]
    assert settings(SERVICE)["LoadCredential"] == copies
    assert settings(WATCH)["PathChanged"] == [copy.partition(":")[2] for copy in copies]
    assert settings(RESTART)["ExecStart"] == [f"/bin/systemctl --no-block try-restart {SERVICE}"]


def configuration(directory: Path, listen: str = "") -> Config:
    """Return the configuration by the service's own command line, with another directory for the credentials.

    `listen` replaces the line of config.yml that says where to listen.
    """
    program, *arguments = settings(SERVICE)["ExecStart"][0].split()
    assert (program, arguments) == (PROGRAM, [f"--config.file={SETTINGS}"])
    (directory / "payments.macaroon").write_bytes(MACAROON)
    (directory / "tls.cert").write_bytes(certificate().certificate)
    text = (UNITS / "config.yml").read_text().replace(CREDENTIALS, str(directory))
    file = directory / "config.yml"
    file.write_text(re.sub(r"listen_address: .*", lambda match: listen or match[0], text))
    return load([f"--config.file={file}"], {}, "check")


def test_configuration_names_what_the_unit_provides(tmp_path: Path) -> None:
    """It is valid, with the copies of lnd's files, and the state in the directory that systemd makes."""
    found = configuration(tmp_path)
    assert found.nodes == (NodeConfig("lnd", "localhost:10009", tmp_path / "tls.cert", tmp_path / "payments.macaroon"),)
    assert found.web.addresses == (ListenAddress("127.0.0.1", 10019),)
    assert found.storage.path == Path(f"/var/lib/{settings(SERVICE)['StateDirectory'][0]}/state.sqlite")


def test_page_shows_other_ways_to_listen(tmp_path: Path) -> None:
    """Each is a valid line of config.yml."""
    lines = re.findall(r"`((?:listen_address|systemd_socket): [^`]+)`", PAGE)
    web = [configuration(tmp_path, line).web for line in lines]
    assert [(each.addresses, each.systemd_socket) for each in web] == [
        ((ListenAddress("", 10019),), False),
        ((), True),
        ((ListenAddress(path=f"/run/{NAME}/web.sock"),), False),
    ]


def test_exit_code_of_a_wrong_configuration_is_not_tried_again() -> None:
    """All others are, for ever."""
    unit = settings(SERVICE)
    assert unit["RestartPreventExitStatus"] == [str(UNUSABLE)]
    assert (unit["Restart"], unit["StartLimitIntervalSec"], unit["Type"]) == (["on-failure"], ["0"], ["notify"])


def test_page_names_the_paths_of_the_units() -> None:
    """Every path that belongs to the exporter, and every unit; and the macaroon that the program asks for."""
    example = rf"/etc/{NAME}/bob|{CREDENTIALS}/bob\."  # a second node
    found = {path.rstrip("/.") for path in re.findall(rf"/(?:etc|run|var|usr|opt)/[\w./@-]*{NAME}[\w./@-]*", PAGE)}
    assert {path for path in found if not re.match(example, path)} == {
        f"/etc/{NAME}",
        FROM_LND,
        SETTINGS,
        CREDENTIALS,
        f"/etc/systemd/system/{NAME}.socket",
        f"/opt/pipx/venvs/{NAME}/share/{NAME}/systemd",
        f"/run/{settings(SERVICE)['RuntimeDirectory'][0]}/web.sock",
        f"/var/lib/{NAME}/state.sqlite",
    }
    assert PROGRAM.rpartition("/")[0] == re.findall(r"PIPX_BIN_DIR=(\S+)", PAGE)[0]
    assert settings(SERVICE)["User"] == re.findall(r"useradd .* (\S+)\n", PAGE) == [NAME]
    named = set(re.findall(rf"{NAME}[\w-]*\.(?:path|service)\b", PAGE))
    assert named == {SERVICE, WATCH}
    calls = re.findall(r"uri:\S+", BAKE)
    assert re.findall(r"uri:\S+", PAGE) == calls
