"""Several addresses to listen on, Unix sockets, and sockets of systemd, in all three sources."""

import pytest

from exporter.config import ConfigError, ListenAddress, WebConfig, load
from exporter.config.listen import LONGEST_PATH
from exporter.config.problems import Problem
from tests.config.conftest import Home
from tests.config.shortcuts import config_of, problems_of

NODE = "--lnd.dir=.lnd "
FLAG = "--web.listen-address"
SYSTEMD = "--web.systemd-socket"
THREE = (
    ListenAddress("127.0.0.1", 9000),
    ListenAddress("::1", 9000),
    ListenAddress(path="/run/exporter/metrics.sock"),
)


def test_several_addresses(home: Home) -> None:
    """The flag repeated, commas in the environment, a list in the file; each replaces all of those below it."""
    flags = f"{FLAG}=127.0.0.1:9000 {FLAG} [::1]:9000 {FLAG}=unix:/run/exporter/metrics.sock"
    assert config_of(NODE + flags).web == WebConfig(THREE, "/metrics")
    variable = "127.0.0.1:9000, [::1]:9000,unix:/run/exporter/metrics.sock"
    assert config_of(NODE, WEB_LISTEN_ADDRESS=variable).web.addresses == THREE
    assert config_of(f"{NODE} {FLAG}=:1", WEB_LISTEN_ADDRESS=variable).web.addresses == (ListenAddress("", 1),)
    listed = "[127.0.0.1:9000, '[::1]:9000', unix:/run/exporter/metrics.sock]"
    home.write("exporter.yml", f"web:\n  listen_address: {listed}\n")
    assert config_of(f"{NODE} --config.file=exporter.yml").web.addresses == THREE
    home.write("exporter.yml", "web:\n  listen_address: '[::1]:9000'\n")
    assert config_of(f"{NODE} --config.file=exporter.yml").web.addresses == THREE[1:2]
    assert [str(address) for address in THREE] == [
        "127.0.0.1:9000",
        "[::1]:9000",
        "unix:/run/exporter/metrics.sock",
    ]


@pytest.mark.parametrize(
    "path",
    ["unix:///run/exporter/metrics.sock", "unix:/run//exporter/./metrics.sock", "unix://run/exporter/metrics.sock"],
)
def test_forms_of_a_path(home: Home, path: str) -> None:
    """Superfluous slashes and dots don't matter."""
    assert config_of(f"{NODE}{FLAG}={path}").web.addresses == THREE[2:]


@pytest.mark.parametrize(
    ("given", "what", "fix"),
    [
        (f"{FLAG}=:9000 {FLAG}=:9000", ":9000 is given twice.", "Leave one of them out."),
        (f"{FLAG}=[::1]:9000,[0::1]:9000", "[::1]:9000 is given twice.", "Leave one of them out."),
        (f"{FLAG}=localhost:1,LOCALHOST:1", "localhost:1 is given twice.", "Leave one of them out."),
        (f"{FLAG}=unix:/a,unix://a", "unix:/a is given twice.", "Leave one of them out."),
        (
            f"{FLAG}=127.0.0.1:9000 {FLAG}=:9000",
            "127.0.0.1:9000 and :9000 overlap: the same port on every address and on one of them.",
            "Leave one of them out, or choose another port.",
        ),
        (
            f"{FLAG}=[::]:9000,[::1]:9000",
            "[::]:9000 and [::1]:9000 overlap: the same port on every address and on one of them.",
            "Leave one of them out, or choose another port.",
        ),
        (f"{FLAG}=:9000,", "There is an empty address.", "Give HOST:PORT with commas in between, such as :10019"),
        (f"{FLAG}=/run/a.sock", "/run/a.sock is not an address.", "For a Unix socket write unix:/run/a.sock"),
        (
            f"{FLAG}=unix:a.sock",
            "unix:a.sock has no absolute path of a socket.",
            "Give one, such as unix:/run/lnd-payments-exporter/metrics.sock",
        ),
        (
            f"{FLAG}=unix:",
            "unix: has no absolute path of a socket.",
            "Give one, such as unix:/run/lnd-payments-exporter/metrics.sock",
        ),
        (
            f"{FLAG}=unix:/run/",
            "unix:/run/ has no absolute path of a socket.",
            "Give one, such as unix:/run/lnd-payments-exporter/metrics.sock",
        ),
        (
            f"{FLAG}=unix:/run/{'a' * LONGEST_PATH}",
            f"unix:/run/{'a' * LONGEST_PATH} is too long: its path has {LONGEST_PATH + 5} bytes.",
            f"The system allows {LONGEST_PATH}: choose a shorter one.",
        ),
        (
            f"{FLAG}=unix:/run/a\x1b.sock",
            "'/run/a\\x1b.sock' has characters that can't be shown.",
            "Give a path that is UTF-8 text.",
        ),
    ],
)
def test_addresses_that_are_wrong(home: Home, given: str, what: str, fix: str) -> None:
    """Each with what would be right."""
    assert problems_of(NODE + given) == [Problem(FLAG, what, fix)]


def test_addresses_that_only_look_alike(home: Home) -> None:
    """IPv4 and IPv6 have ports of their own, and port 0 is another one each time."""
    addresses = "0.0.0.0:9000,[::]:9000,127.0.0.1:0,[::1]:0"
    assert [str(address) for address in config_of(f"{NODE}{FLAG}={addresses}").web.addresses] == addresses.split(",")


def test_longest_path(home: Home) -> None:
    """The limit is that of the system."""
    path = "/" + "a" * (LONGEST_PATH - 1)
    assert config_of(f"{NODE}{FLAG}=unix:{path}").web.addresses == (ListenAddress(path=path),)


@pytest.mark.parametrize("value", ["[]", "[a:1, [2]]", "[a:1, '']", "{a: 1}"])
def test_lists_that_are_wrong(home: Home, value: str) -> None:
    """Empty, nested, with an empty element; a section is none."""
    path = home.write("exporter.yml", f"web:\n  listen_address: {value}\n")
    (problem,) = problems_of(f"{NODE}--config.file=exporter.yml")
    assert problem.where == f"{path}:2 web.listen_address"
    if value.startswith("["):
        assert problem[1:] == ("is not a list of values.", "Give one value or a list of them: ADDRESS")


def test_other_settings_are_given_once(home: Home) -> None:
    """Only this one is a list."""
    (problem,) = problems_of(f"{NODE}--web.telemetry-path=/a --web.telemetry-path=/b")
    assert problem.what == "is given twice."
    path = home.write("exporter.yml", "web:\n  telemetry_path: [/a, /b]\n")
    (problem,) = problems_of(f"{NODE}--config.file=exporter.yml")
    assert problem == Problem(f"{path}:2 web.telemetry_path", "is a list or a section.", "Give one value: PATH")


def test_sockets_of_systemd(home: Home) -> None:
    """Instead of addresses; `healthcheck` needs one nevertheless."""
    assert config_of(NODE + SYSTEMD).web == WebConfig((), "/metrics", systemd_socket=True)
    assert config_of(f"{NODE}{SYSTEMD}=false {FLAG}=:1").web == WebConfig((ListenAddress("", 1),), "/metrics")
    assert problems_of(f"{NODE}{SYSTEMD} {FLAG}=:1") == [
        Problem(
            SYSTEMD,
            f"excludes {FLAG}.",
            f"Leave one of them out; the addresses of {SYSTEMD} are those of the .socket unit (ListenStream=).",
        )
    ]
    path = home.write("exporter.yml", "web:\n  systemd_socket: true\n")
    health = load(["--config.file=exporter.yml", f"{FLAG}=unix:/run/a.sock"], {}, "healthcheck")
    assert health.web.addresses == (ListenAddress(path="/run/a.sock"),)
    with pytest.raises(ConfigError) as caught:
        load(["--config.file=exporter.yml"], {}, "healthcheck")
    assert [*caught.value.problems] == [
        Problem(
            f"{path}:2 web.systemd_socket",
            "systemd chooses the addresses, so the one to ask is not known.",
            f"Give one of them: {FLAG}=HOST:PORT or unix:/PATH, as the .socket unit has it.",
        )
    ]
    assert load(["--config.file=exporter.yml"], {}, "demo").web.addresses == (ListenAddress("127.0.0.1", 10019),)
