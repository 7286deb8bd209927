"""Invalid values: what is wrong with each, and what would be valid."""

import errno
import os

import pytest

from exporter.config import cannot_listen
from exporter.config.listen import listen_addresses
from exporter.config.problems import Problem
from tests.config.conftest import Home
from tests.config.shortcuts import problems_of

FROM_MACHINE = "Give HOST:PORT, such as node.example:10009"


@pytest.mark.parametrize(
    ("value", "what", "fix"),
    [
        (
            "https://lnd.local:10009/",
            "https://lnd.local:10009/ has https:// in front.",
            "Leave it out: lnd.local:10009; lnd's gRPC port is usually 10009 (8080 is REST: --lnd.transport=rest)",
        ),
        (
            "http://localhost:8080/v1",
            "http://localhost:8080/v1 has http:// in front.",
            "Leave it out: localhost:8080; lnd's gRPC port is usually 10009 (8080 is REST: --lnd.transport=rest)",
        ),
        ("::1:10009", "'::1:10009' is not an address.", "Write IPv6 addresses in brackets: [::1]:10009"),
        ("lnd.local:http", "'http' in lnd.local:http is not a port.", "A port is a number from 1 to 65535."),
        ("lnd.local:0", "'0' in lnd.local:0 is not a port.", "A port is a number from 1 to 65535."),
        ("lnd.local:70000", "'70000' in lnd.local:70000 is not a port.", "A port is a number from 1 to 65535."),
        ("lnd.local:", "'' in lnd.local: is not a port.", "A port is a number from 1 to 65535."),
        (":10009", ":10009 has no host.", "Give HOST:PORT, such as localhost:10009."),
        ("10.0.0.300", "'10.0.0.300' is neither a host name nor an IP address.", f"{FROM_MACHINE}."),
        ("lnd/local", "'lnd/local' is neither a host name nor an IP address.", f"{FROM_MACHINE}."),
        ("[::g]:1", "[::g] is not an IPv6 address.", "One is [::1]:10009"),
        ("[::1", "'[::1' is not an address.", f"{FROM_MACHINE}; IPv6 in brackets: [::1]:10009"),
    ],
)
def test_invalid_addresses(home: Home, value: str, what: str, fix: str) -> None:
    """What people type for an address of gRPC."""
    assert problems_of(f"--lnd.dir=.lnd --lnd.address={value}") == [Problem("--lnd.address", what, fix)]


@pytest.mark.parametrize(
    ("flag", "what", "fix"),
    [
        (
            "--web.listen-address=10019",
            "10019 is not an address.",
            "With a colon in front it is a port on every address: :10019",
        ),
        (
            "--web.listen-address=:::10019",
            "':::10019' is not an address.",
            "Write IPv6 addresses in brackets: [::]:10019",
        ),
        (
            "--web.listen-address=http://localhost:9000",
            "http://localhost:9000 has http:// in front.",
            "Leave it out: localhost:9000",
        ),
        (
            "--web.telemetry-path=metrics",
            "'metrics' is not a path.",
            "Begin it with / and use letters, digits and . _ ~ - only, such as /metrics.",
        ),
        (
            "--web.telemetry-path=/{metrics}?all",
            "'/{metrics}?all' is not a path.",
            "Begin it with / and use letters, digits and . _ ~ - only, such as /metrics.",
        ),
        *(
            (
                f"--web.telemetry-path={path}",
                f"{path} is the path of another page.",
                "Use another one, such as /metrics.",
            )
            for path in ("/", "/-/healthy", "/-/ready", "/-/reload", "/sd")
        ),
        (
            "--log.level=warn",
            "'warn' is not a valid value.",
            "Use one of debug, info, warning, error. Did you mean warning?",
        ),
        ("--log.format=xml", "'xml' is not a valid value.", "Use one of auto, console, json."),
        (
            '--lnd.name="alice"',
            "'\"alice\"' can't be the name of a node.",
            "Use 1 to 64 letters, digits and . _ - : @ / without blanks, such as alice or routing-1.",
        ),
        (
            "--metrics.max-peers=-1",
            "'-1' is not a number of peers.",
            "Use 0 (none) to 10000; each peer adds up to 19 series.",
        ),
        (
            "--log.open-after=10m,1x",
            "'1x' is not a duration.",
            "Write a number and s, m, h, d or w, such as 10m, 1h or 2d.",
        ),
        (
            "--log.open-after=10m,0s",
            "'10m,0s' has a limit of zero.",
            "Give limits above zero, such as 10m,1h,24h, or the word none.",
        ),
        (
            "--log.blocks-left=144;36",
            "'144;36' is not a number of blocks.",
            "Write numbers with commas in between, such as 144,36.",
        ),
        ("--log.ended=some", "'some' is not a valid value.", "Use one of none, failed, all."),
        ("--storage.ended=1e4", "'1e4' is not a number of payments.", "Use 0 to 1000000, such as 10000."),
        ("--storage.ended=1000001", "'1000001' is not a number of payments.", "Use 0 to 1000000, such as 10000."),
        ("--storage.ended-destinations=never", "'never' is not a valid value.", "Use one of true, false."),
        ("--log.payment-hashes=no", "'no' is not a valid value.", "Use one of true, false."),
        (
            "--lnd.network=../x",
            "'../x' is not a network.",
            "Use mainnet, testnet, testnet4, signet, regtest or simnet.",
        ),
    ],
)
def test_invalid_values(home: Home, flag: str, what: str, fix: str) -> None:
    """The other settings."""
    name = flag.partition("=")[0]
    assert problems_of(f"--lnd.dir=.lnd {flag}") == [Problem(name, what, fix)]


@pytest.mark.parametrize("name", ["ali\x07ce", "ali\udcffce", "ali\x9bce"])
def test_unprintable_values(home: Home, name: str) -> None:
    """The environment may hold any bytes, but labels and paths must be printable text."""
    where = "LND_PAYMENTS_EXPORTER_LND_"
    what = "has characters that can't be shown."
    assert problems_of("--lnd.dir=.lnd", LND_NAME=name, LND_MACAROON=name) == [
        Problem(
            f"{where}NAME",
            f"{name!a} can't be the name of a node: it {what}",
            "Use letters and digits, as UTF-8 text, such as alice or routing-1.",
        ),
        Problem(f"{where}MACAROON", f"{name!a} {what}", "Give a path that is UTF-8 text."),
    ]


@pytest.mark.parametrize(
    ("number", "address", "what", "fix"),
    [
        (
            errno.EADDRINUSE,
            "127.0.0.1:10019",
            "is in use by another program (or another exporter).",
            "Stop that one (`ss -ltnp` shows which), or listen elsewhere: {run}--web.listen-address=127.0.0.1:10020",
        ),
        (
            errno.EACCES,
            "[::1]:80",
            "may not be used by this user: ports below 1024 need a privilege.",
            "Choose a port above 1023: {run}--web.listen-address=[::1]:10019",
        ),
        (
            errno.EADDRNOTAVAIL,
            "10.0.0.7:10019",
            "is not an address of this machine.",
            "Give one that is, or none to listen on all of them: {run}--web.listen-address=:10019",
        ),
        (
            errno.EMFILE,
            ":10019",
            "can't be listened on: Too many open files.",
            "Give HOST:PORT or :PORT, such as: {run}--web.listen-address=:10019",
        ),
        (
            errno.EADDRINUSE,
            "unix:/run/exporter/a.sock",
            "is in use by another program (or another exporter).",
            (
                "Stop that one (`ss -lxp` shows which), or listen elsewhere:"
                " {run}--web.listen-address=unix:/run/exporter/other.sock"
            ),
        ),
        (
            errno.EACCES,
            "unix:/run/a.sock",
            "may not be created by this user.",
            (
                "Allow the user to write to its directory, or choose another one:"
                " {run}--web.listen-address=unix:/run/lnd-payments-exporter/metrics.sock"
            ),
        ),
        (
            errno.ENOENT,
            "unix:/run/exporter/a.sock",
            "can't be created: its directory does not exist.",
            (
                "Create /run/exporter, or choose another one:"
                " {run}--web.listen-address=unix:/run/lnd-payments-exporter/metrics.sock"
            ),
        ),
        (
            errno.ENOTSOCK,
            "unix:/a.sock",
            "is there already, and it is not a socket.",
            (
                "It may be of use to somebody, so remove it yourself, or choose another path:"
                " {run}--web.listen-address=unix:/metrics.sock"
            ),
        ),
        (
            errno.EROFS,
            "unix:/srv/a.sock",
            "can't be listened on: Read-only file system.",
            "Choose another path: {run}--web.listen-address=unix:/srv/metrics.sock",
        ),
    ],
)
def test_address_that_cannot_be_listened_on(
    monkeypatch: pytest.MonkeyPatch, number: int, address: str, what: str, fix: str
) -> None:
    """Known only when the exporter starts to listen; after `make run` the fix is a `make` command."""
    error = OSError(number, os.strerror(number))
    for target, run in (("", ""), ("run", "make run ARGS=")):
        monkeypatch.setenv("MAKE_TARGET", target)
        assert cannot_listen(listen_addresses(address)[0], error) == Problem(
            "--web.listen-address", f"{address} {what}", fix.format(run=run)
        )
