"""Settings of the transports: addresses, TLS and proxies."""

import pytest

from exporter.config import NodeConfig
from exporter.config.addresses import TRANSPORTS, USUAL_GRPC, USUAL_REST
from exporter.config.problems import Problem
from tests.config.conftest import Home
from tests.config.shortcuts import config_of, problems_of

REST = "--lnd.dir=.lnd --lnd.transport=rest"
RIGHT = "Give socks5://HOST:PORT, with USER:PASSWORD@ before HOST if it needs them. Tor's is usually socks5://127.0.0.1:9050"
PLAIN = "without TLS (http://) anybody on the way can read the macaroon"


@pytest.mark.parametrize("transport", ["rest", "websocket"])
@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("umbrel.local", "https://umbrel.local:8080"),
        ("umbrel.local:443", "https://umbrel.local:443"),
        ("https://umbrel.local", "https://umbrel.local:8080"),
        ("https://proxy.example:443/lnd/", "https://proxy.example:443/lnd"),
        ("proxy.example:443/lnd/rest", "https://proxy.example:443/lnd/rest"),
        ("HTTP://localhost", "http://localhost:8080"),
        ("http://[::1]:80/", "http://[::1]:80"),
        ("::1", "https://[::1]:8080"),
    ],
)
def test_addresses_for_rest_and_websocket(home: Home, transport: str, text: str, address: str) -> None:
    """TLS unless the address begins with http://; a path if a reverse proxy expects one."""
    node = config_of(f"--lnd.dir=.lnd --lnd.transport={transport} --lnd.address={text}").nodes[0]
    assert (node.address, node.transport) == (address, transport)


def test_default_ports_and_transports_of_each_node(home: Home) -> None:
    """10009 for gRPC, 8080 for REST; each entry of the list has its own transport."""
    assert [node.address for node in config_of("--lnd.dir=.lnd").nodes] == ["localhost:10009"]
    assert [node.address for node in config_of(REST).nodes] == ["https://localhost:8080"]
    home.write(
        "exporter.yml",
        """
        nodes:
          - {name: alice, dir: .lnd}
          - {name: bob, dir: .lnd, transport: WebSocket, proxy: "socks5h://[::1]:9050"}
        """,
    )
    files = home.lnd / "tls.cert", home.macaroon("readonly")
    assert config_of("--config.file=exporter.yml").nodes == (
        NodeConfig("alice", "localhost:10009", *files),
        NodeConfig("bob", "https://localhost:8080", *files, "websocket", "socks5://[::1]:9050"),
    )


def test_no_certificate_without_tls(home: Home) -> None:
    """None is needed, and giving one is a problem."""
    macaroon = home.macaroon("payments")
    plain = f"--lnd.transport=rest --lnd.address=http://localhost --lnd.macaroon={macaroon}"
    (node,) = config_of(plain).nodes
    assert (node.tls_cert, node.trust, node.warnings) == (None, "no TLS", [])
    assert problems_of(f"{plain} --lnd.tls-cert=.lnd/tls.cert") == [
        Problem(
            "--lnd.tls-cert",
            "has no effect without TLS (http:// in the address).",
            "Leave it out, or write https:// in --lnd.address.",
        )
    ]


@pytest.mark.parametrize(
    ("flags", "warnings"),
    [
        ("--lnd.address=localhost:8080", [USUAL_GRPC]),
        ("--lnd.address=localhost:10009", []),
        ("--lnd.transport=rest --lnd.address=localhost:10009", [USUAL_REST]),
        ("--lnd.transport=websocket --lnd.address=https://localhost:10009/y", [USUAL_REST]),
        ("--lnd.transport=rest --lnd.address=localhost:8080", []),
        ("--lnd.transport=rest --lnd.address=http://x", [PLAIN]),
        ("--lnd.transport=rest --lnd.address=http://127.0.0.1", []),
        ("--lnd.transport=rest --lnd.address=http://[::1]", []),
        (
            "--lnd.transport=rest --lnd.address=http://x.onion",
            ["an onion service needs Tor: --lnd.proxy=socks5://127.0.0.1:9050"],
        ),
        ("--lnd.transport=rest --lnd.address=http://x.onion --lnd.proxy=127.0.0.1:9050", []),
    ],
)
def test_warnings_about_the_address(home: Home, flags: str, warnings: list[str]) -> None:
    """The port of another transport, a macaroon sent in plain text, an onion service without Tor."""
    assert [node.warnings for node in config_of(f"--lnd.dir=.lnd {flags}").nodes] == [warnings]


@pytest.mark.parametrize(
    ("value", "what", "fix"),
    [
        ("ws://x", "ws://x has ws:// in front.", "Write https:// or nothing, or http:// for no TLS."),
        (
            "https://x/a?b",
            "/a?b in https://x/a?b is not a path.",
            "Give the one that a reverse proxy expects, such as /lnd, or none.",
        ),
        ("https://", " has no host.", "Give HOST:PORT, such as localhost:8080."),
        ("https://x:0", "'0' in x:0 is not a port.", "A port is a number from 1 to 65535."),
        (
            "https://me:secret@x",
            "The address has a user name in it.",
            "lnd has no users: leave out everything up to the @.",
        ),
    ],
)
def test_invalid_addresses_for_rest(home: Home, value: str, what: str, fix: str) -> None:
    """What people type for a URL."""
    assert problems_of(f"{REST} --lnd.address={value}") == [Problem("--lnd.address", what, fix)]


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("http://127.0.0.1:3128", "This is not a SOCKS5 proxy."),
        ("socks4://127.0.0.1:9050", "This is not a SOCKS5 proxy."),
        ("socks5://me@127.0.0.1:9050", "The proxy has a user without a password, or a password without a user."),
        ("socks5://:secret@127.0.0.1:9050", "The proxy has a user without a password, or a password without a user."),
        ("127.0.0.1", "127.0.0.1 has no port."),
        (":9050", ":9050 has no host."),
    ],
)
def test_invalid_proxies(home: Home, value: str, what: str) -> None:
    """The message never repeats a password."""
    assert problems_of(f"{REST} --lnd.proxy={value}") == [Problem("--lnd.proxy", what, RIGHT)]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_proxy_for_every_transport(home: Home, transport: str) -> None:
    """Without a scheme, and as socks5h://."""
    for text in ("127.0.0.1:9050", "socks5h://127.0.0.1:9050"):
        (node,) = config_of(f"--lnd.dir=.lnd --lnd.transport={transport} --lnd.proxy={text}").nodes
        assert node.proxy == "socks5://127.0.0.1:9050"


def test_password_of_the_proxy_is_never_shown(home: Home) -> None:
    """Not in the representation of the node, and not in problems that quote a value."""
    line = f"{REST} --lnd.proxy=socks5://me:hunter2@127.0.0.1:9050"
    (node,) = config_of(line).nodes
    assert node.proxy == "socks5://me:hunter2@127.0.0.1:9050"
    assert "hunter2" not in repr(node)
    problems = problems_of(f"{line} socks5://me:hunter2@127.0.0.1:9050 --lnd.address=socks5://me:hunter2@x")
    assert problems
    assert "hunter2" not in "".join(map(str, problems))


def test_server_name_from_every_source(home: Home) -> None:
    """It is normalised, and part of `trust`, which `check` prints."""
    for name, kept in (("LND.example.", "lnd.example"), ("10.0.0.7", "10.0.0.7"), ("[FD00:0::7]", "fd00::7")):
        (node,) = config_of(f"--lnd.dir=.lnd --lnd.tls-server-name={name}").nodes
        assert (node.tls_server_name, node.trust) == (kept, f"certificate {home.lnd / 'tls.cert'} for {kept}")
    assert config_of("--lnd.dir=.lnd", LND_TLS_SERVER_NAME="lnd.example").nodes[0].tls_server_name == "lnd.example"
    home.write(
        "exporter.yml",
        """
        nodes:
          - {name: alice, dir: .lnd}
          - {name: bob, dir: .lnd, transport: rest, tls_server_name: bob.example}
        """,
    )
    assert [node.tls_server_name for node in config_of("--config.file=exporter.yml").nodes] == [None, "bob.example"]


@pytest.mark.parametrize(
    "name", ["lnd.example:10009", "https://lnd.example", "*.example", "1.2.3", "fe80::1%eth0", "é"]
)
def test_invalid_server_names(home: Home, name: str) -> None:
    """The fix is a command that lists the names of the certificate."""
    (problem,) = problems_of(f"--lnd.dir=.lnd --lnd.tls-server-name={name}")
    assert problem.where == "--lnd.tls-server-name"
    assert problem.what == f"{name!r} is neither a host name nor an IP address."
    assert "openssl x509" in problem.fix


def test_no_server_name_without_tls(home: Home) -> None:
    """It would be ignored, so it is a problem."""
    plain = f"--lnd.transport=rest --lnd.address=http://localhost --lnd.macaroon={home.macaroon('payments')}"
    assert problems_of(f"{plain} --lnd.tls-server-name=lnd.example") == [
        Problem(
            "--lnd.tls-server-name",
            "has no effect without TLS (http:// in the address).",
            "Leave it out, or write https:// in --lnd.address.",
        )
    ]
