"""The settings `--remote-write` and `--http-config`."""

from pathlib import Path

import pytest

from exporter.config.addresses import receiver_url
from exporter.config.httpmodel import ClientTls, HttpConfig, RemoteWriteConfig
from exporter.config.load import load
from exporter.config.problems import ConfigError, InvalidValue, Problem
from exporter.config.receiver import read_remote_write
from exporter.config.sources import from_flags, refuse_flags_of_others
from tests.config.conftest import Home


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("http://prometheus:9090/api/v1/write", None),
        ("https://mimir.example/api/v1/push", None),
        ("https://[2001:db8::1]:8428/api/v1/write", None),
        ("https://[::1]/api/v1/write", None),
        (
            "HTTPS://h/insert/0/prometheus/api/v1/write?extra_label=a%3Db",
            "https://h/insert/0/prometheus/api/v1/write?extra_label=a%3Db",
        ),
        ("http://h//write", None),
        ("http://h/@me/write", None),
    ],
)
def test_right_urls(given: str, url: str | None) -> None:
    """They stay as they are, but for the scheme."""
    assert receiver_url(given) == (url or given)


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ("prometheus:9090", "'prometheus:9090' is not a URL of a receiver."),
        ("ftp://h/api/v1/write", "'ftp://h/api/v1/write' is not a URL of a receiver."),
        ("http://prometheus:9090", "http://prometheus:9090 has no path."),
        ("http://prometheus:9090/", "http://prometheus:9090 has no path."),
        ("http://prometheus:9090?x=y", "http://prometheus:9090 has a path or a query that isn't one."),
        ("http://h/a b", "http://h has a path or a query that isn't one."),
        ("http://h/a#b", "http://h has a path or a query that isn't one."),
        ("http:///api/v1/write", "http:// has no host."),
        ("http://h:70000/api/v1/write", "'70000' in h:70000 is not a port."),
        ("http://h_ /api", "'h_ ' is neither a host name nor an IP address."),
        ("https://me:secret77@h/api/v1/write", "The URL has a user name or a password in it."),
        ("https://me@h/api/v1/write", "The URL has a user name or a password in it."),
        ("me:secret77@h/api/v1/write", "The URL has a user name or a password in it."),
    ],
)
def test_wrong_urls(given: str, what: str) -> None:
    """The message says what is wrong; a password is never quoted."""
    with pytest.raises(InvalidValue) as error:
        receiver_url(given)
    assert error.value.what == what
    assert "secret77" not in str(error.value)


def _read(*argv: str) -> tuple[RemoteWriteConfig | None, list[Problem]]:
    problems: list[Problem] = []
    flags = from_flags(argv, problems)
    refuse_flags_of_others("backfill", flags, problems)
    return read_remote_write(flags, problems), problems


def test_neither() -> None:
    """Then nothing is sent."""
    assert _read() == (None, [])


def test_both(tmp_path: Path) -> None:
    """The file is read; the object shows neither its secrets nor the query."""
    file = tmp_path / "http.yml"
    file.write_text("authorization: {credentials: geheim77}\n")
    config, problems = _read("--remote-write=http://h/api/v1/write?token=geheim88", f"--http-config={file}")
    assert problems == []
    http = HttpConfig((("Authorization", "Bearer geheim77"),), ("geheim77",))
    assert config == RemoteWriteConfig("http://h/api/v1/write?token=geheim88", http)
    assert config.secrets == ("geheim77", "token=geheim88")
    assert config.shown == "http://h/api/v1/write"
    assert "geheim" not in repr(config)
    assert config.warnings == ["without TLS (http://) anybody on the way can read the password"]


@pytest.mark.parametrize(
    ("url", "verify", "warnings"),
    [
        ("http://localhost:9090/w", True, 0),
        ("http://127.0.0.1:9090/w", True, 0),
        ("https://h/w", True, 0),
        ("https://h/w", False, 1),
    ],
)
def test_warnings(url: str, *, verify: bool, warnings: int) -> None:
    """A password may be sent in the clear on this machine, and nowhere else."""
    config = RemoteWriteConfig(url, HttpConfig((), ("pw",), ClientTls(verify=verify)))
    assert len(config.warnings) == warnings


def test_what_does_not_go_together(tmp_path: Path) -> None:
    """A file without a URL, TLS settings for a URL without TLS, problems of the file."""
    file = tmp_path / "http.yml"
    file.write_text("tls_config: {server_name: a.example}\n")
    _, problems = _read(f"--http-config={file}")
    assert [problem.what for problem in problems] == ["has no effect without --remote-write."]
    _, problems = _read(f"--http-config={file}", "--remote-write=http://h/api/v1/write")
    assert problems == [
        Problem(
            "--remote-write",
            "begins with http://, but there is a tls_config.",
            "Begin the URL with https://, or leave tls_config out.",
        )
    ]
    config, problems = _read(f"--http-config={file}.none", "--remote-write=https://h/api/v1/write")
    assert config is None
    assert len(problems) == 1
    config, problems = _read("--remote-write=nonsense")
    assert config is None
    assert len(problems) == 1


@pytest.mark.parametrize("flag", ["--http.config.file", "--remote-write.url", "--remoteWrite.url"])
def test_flags_of_other_programs(flag: str) -> None:
    """promtool's, and vmagent's."""
    problems: list[Problem] = []
    from_flags([f"{flag}=x"], problems)
    right = "--http-config" if "http" in flag else "--remote-write"
    assert [problem.fix for problem in problems] == [f"Did you mean {right}?"]


def test_files_or_a_receiver(home: Home) -> None:
    """One of them, not both, and not neither."""
    here = [f"--lnd.dir={home.lnd}", "--labels=job=lnd,instance=localhost:10019"]
    url = "http://h/api/v1/write"
    config = load([*here, f"--remote-write={url}"], {}, "backfill").backfill
    assert (config.output, config.stdout, config.remote_write) == (None, False, RemoteWriteConfig(url))
    assert load([*here, "--output=-"], {}, "backfill").backfill.remote_write is None
    with pytest.raises(ConfigError) as error:
        load([*here, f"--remote-write={url}", "--output=files"], {}, "backfill")
    assert [problem[:2] for problem in error.value.problems] == [("--remote-write", "excludes --output.")]
    with pytest.raises(ConfigError) as error:
        load(here, {}, "backfill")
    assert [problem[:2] for problem in error.value.problems] == [("--output", "is missing.")]
    assert "--remote-write=URL" in error.value.problems[0].fix


def test_the_settings_are_of_backfill() -> None:
    """The exporter has no use for them."""
    with pytest.raises(ConfigError, match="is for the command backfill") as error:
        load(["--remote-write=http://h/api/v1/write"], {}, "open")
    assert [problem.where for problem in error.value.problems] == ["--remote-write"]
