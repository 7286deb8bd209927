"""Completion: bash and fish are asked what follows; the scripts of all shells have all commands and flags."""

import re
import subprocess
from pathlib import Path

import pytest

from exporter.__main__ import main
from exporter.config import values
from exporter.config.commands import COMMANDS
from exporter.config.setting import Setting
from exporter.config.settings import SETTINGS
from exporter.payments.labels import Cause, Lost
from tests.debian import need

ASK = """
source {script}
compopt() {{ echo "compopt $*"; }}
COMP_WORDS=(lnd-payments-exporter "$@")
COMP_CWORD=$#
_lnd_payments_exporter
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
"""What bash does when Tab is pressed behind these words. It takes `--flag=value` for three of them."""

FIRST = [str(name) for name in COMMANDS if not name.startswith("state ")]
FIRST.insert(FIRST.index("rules"), "state")
RULES = ["--profile=", "--values=", "--show-values", "--recordings", "--grafana=", "--runbooks=", "--job="]
RULES += ["--output=", "--format="]
FILES = ["compopt -o default", ""]
"""The names of files follow, as bash completes them by itself."""
NOTHING = [""]


def script(capsys: pytest.CaptureFixture[str], shell: str) -> str:
    """Return the script for a shell."""
    assert main(["completion", shell]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ([""], FIRST),
        (["ru"], ["run", "rules"]),
        (["state", ""], ["export", "import"]),
        (["state", "export", ""], FILES),
        (["state", "import", "--st"], ["compopt -o nospace", "--storage.path="]),
        (["completion", ""], ["bash", "zsh", "fish"]),
        (["rules", ""], NOTHING),
        (["rules", "-"], ["compopt -o nospace", *RULES, "--help", "--version"]),
        (["rules", "--sh"], ["--show-values"]),
        (["man", "--"], ["--help", "--version"]),
        (["--lnd.t"], ["compopt -o nospace", "--lnd.transport=", "--lnd.tls-cert=", "--lnd.tls-server-name="]),
        (["run", "--lnd.mo"], ["compopt -o nospace", "--lnd.mode="]),
        (["rules", "--profile", "="], ["home", "service", "routing"]),
        (["rules", "--profile", "=", "h"], ["home"]),
        (["rules", "--profile", "s"], ["service"]),
        (["rules", "--values", "=", "my"], FILES),
        (["dashboards", "--output", "d"], FILES),
        (["--web.telemetry-path", "=", "/m"], NOTHING),
        (["rules", "--job", ""], NOTHING),
        (["ended", "--cause", "="], [*Cause, *Lost]),
        (["report", "--by", "=", "d"], ["day", "destination"]),
        (["ended", "--cause", "=", "held,own_li"], ["held,own_liquidity"]),
        (["--log.payment-hashes", "=", "f"], ["false"]),
        (["--metrics.without", "=", "peers,d"], ["peers,destinations"]),
    ],
    ids=" ".join,
)
def test_bash(words: list[str], found: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """What follows is found."""
    path = tmp_path / "completion.bash"
    path.write_text(script(capsys, "bash"))
    done = subprocess.run(
        ["bash", "--norc", "-c", ASK.format(script=path), "bash", *words], capture_output=True, text=True, check=False
    )
    assert (done.stdout.split("\n")[:-1], done.stderr) == (found, "")


@pytest.mark.parametrize(
    ("shell", "flag"), [("bash", r"--([\w.-]+)"), ("zsh", r"--([\w.-]+)"), ("fish", r" -l ([\w.-]+)")]
)
def test_all_is_in_the_scripts(shell: str, flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command, every flag and the words of closed sets; the shell finds no error."""
    text = script(capsys, shell)
    assert {*re.findall(flag, text)} >= {*SETTINGS, "help", "version"}
    for setting in SETTINGS.values():
        assert " ".join(setting.words) in text
    for command in COMMANDS:
        assert set(re.findall(r"[\w-]+", command)) <= set(re.findall(r"[\w-]+", text))
    need(shell)
    done = subprocess.run([shell, "-n"], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


FISH = """
source {script}
complete -C {line} | string split -f 1 \\t
"""


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("ru", ["rules", "run"]),
        ("state ", ["export", "import"]),
        ("rules --profile=s", ["--profile=service"]),
        ("rules --show", ["--show-values"]),
        ("--lnd.mo", ["--lnd.mode"]),
        ("ended --cause=held,own_li", ["--cause=held,own_liquidity"]),
        ("state export --st", ["--storage.path"]),
    ],
)
def test_fish(line: str, found: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """What follows is found."""
    need("fish")
    path = tmp_path / "completion.fish"
    path.write_text(script(capsys, "fish"))
    code = FISH.format(script=path, line=f"'lnd-payments-exporter {line}'")
    done = subprocess.run(["fish", "--no-config", "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.split(), done.stderr) == (found, "")


TEXT = "it's `touch a` $(touch b) \"c\" \\' [d]: $HOME %s; \\"
DESCRIBE = {
    "fish": "source SCRIPT; complete -C 'lnd-payments-exporter man --o'",
    "zsh": '_arguments() { print -rl -- "$@" }; words=(lnd-payments-exporter man "") CURRENT=3; source SCRIPT',
}
"""What a shell is told of a flag by its help text."""


def test_help_texts_are_only_text(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whatever is in them, no shell takes a part of it for code."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(SETTINGS, "odd", Setting("odd", "", values.switch, "false", ("man",), TEXT))
    found = {}
    for shell, code in DESCRIBE.items():
        need(shell)
        path = tmp_path / shell
        path.write_text(script(capsys, shell))
        no_settings = "--no-config" if shell == "fish" else "-f"
        command = [shell, no_settings, "-c", code.replace("SCRIPT", str(path))]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.stderr == ""
        found[shell] = done.stdout.splitlines()[0]
    in_brackets = TEXT.replace("\\", "\\\\").replace("[", r"\[").replace("]", r"\]").replace(":", r"\:")
    assert found == {"fish": f"--odd\t{TEXT}", "zsh": f"--odd[{in_brackets}]"}
    assert sorted(each.name for each in tmp_path.iterdir()) == ["fish", "zsh"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "The name of a shell is missing. Write: lnd-payments-exporter completion bash|zsh|fish"),
        (["tcsh"], "'tcsh' is not a valid value. Use one of bash, zsh, fish."),
        (["bash", "zsh"], "'zsh' is one argument too many. Write: lnd-payments-exporter completion bash|zsh|fish"),
    ],
)
def test_mistakes(arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One line."""
    assert main(["completion", *arguments]) == 2
    assert capsys.readouterr() == ("", f"lnd-payments-exporter: {line}\n")
