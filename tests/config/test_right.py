"""Valid configurations: defaults, precedence of the sources, and forms of values."""

import base64
from pathlib import Path

import pytest

from exporter.config import Config, ListenAddress, LogConfig, NodeConfig, StorageConfig, WebConfig, load
from exporter.config.setting import ENVIRONMENT
from exporter.config.settings import SETTINGS
from exporter.config.sources import KUBERNETES
from tests.config.conftest import MACAROON, Home
from tests.config.shortcuts import config_of

SYSTEM = "--lnd.tls-cert=system"
LIMITS = (600, 3600, 86_400), (144, 36)
"""Default limits of warnings: age in seconds, and blocks left."""


def test_directory_of_lnd_is_enough(home: Home) -> None:
    """lnd on the same machine: all else has a default."""
    assert config_of("--lnd.dir .lnd") == Config(
        nodes=(
            NodeConfig(
                name="lnd",
                address="localhost:10009",
                tls_cert=home.lnd / "tls.cert",
                macaroon=home.lnd / "data/chain/bitcoin/mainnet/readonly.macaroon",
            ),
        ),
        web=WebConfig((ListenAddress("", 10019),), telemetry_path="/metrics"),
        log=LogConfig("info", "auto", *LIMITS),
        storage=StorageConfig(home.path / ".local/state/lnd-payments-exporter/state.sqlite"),
        max_peers=50,
    )


def test_every_flag_overrides_its_default(home: Home) -> None:
    """lnd on another machine; flags as `--name=value` and as `--name value`."""
    home.write("copies/tls.cert", (home.lnd / "tls.cert").read_bytes())
    macaroon = home.macaroon("admin")
    line = (
        f"--lnd.name=alice --lnd.address 10.0.0.7:20009 --lnd.tls-cert=copies/tls.cert --lnd.macaroon {macaroon}"
        " --web.listen-address=127.0.0.1:0 --web.telemetry-path=/lnd/metrics"
        " --log.level=DEBUG --log.format json --log.open-after=1h30m --log.blocks-left 72"
        " --log.payment-hashes=true --log.ended=All --storage.ended=0 --storage.ended-destinations=false"
        " --metrics.max-peers=0"
        " --storage.path=kept/state.sqlite --storage.reset alice"
    )
    assert config_of(line) == Config(
        nodes=(NodeConfig("alice", "10.0.0.7:20009", home.path / "copies/tls.cert", macaroon),),
        web=WebConfig((ListenAddress("127.0.0.1", 0),), "/lnd/metrics"),
        log=LogConfig("debug", "json", (5400,), (72,), ended="all"),
        storage=StorageConfig(home.path / "kept/state.sqlite", "alice", ended=0, ended_destinations=False),
        max_peers=0,
    )


def test_macaroon_with_the_fewest_permissions_is_preferred(home: Home) -> None:
    """payments.macaroon before readonly.macaroon; admin.macaroon only if it is named."""
    payments, admin = home.macaroon("payments"), home.lnd / "data/chain/bitcoin/mainnet/admin.macaroon"
    assert [node.macaroon for node in config_of("--lnd.dir=~/.lnd").nodes] == [payments]
    assert [node.macaroon for node in config_of(f"--lnd.dir=~/.lnd --lnd.macaroon={admin}").nodes] == [admin]


@pytest.mark.parametrize(
    "content", [MACAROON.hex() + "\n", base64.urlsafe_b64encode(MACAROON).decode().rstrip("=")], ids=["hex", "base64"]
)
def test_macaroon_as_text(home: Home, content: str) -> None:
    """As hosting services hand it out; `tests/test_macaroon.py` has all forms."""
    path = home.write(".lnd/data/chain/bitcoin/mainnet/payments.macaroon", content)
    assert config_of("--lnd.dir=.lnd").nodes[0].macaroon == path


def test_warnings_about_a_valid_configuration(home: Home) -> None:
    """A macaroon whose name says that it can spend, and the usual port of REST with gRPC."""
    admin = home.macaroon("admin")
    assert [node.warnings for node in config_of("--lnd.dir=.lnd").nodes] == [[]]
    assert [
        node.warnings for node in config_of(f"--lnd.dir=.lnd --lnd.macaroon={admin} --lnd.address=localhost:8080").nodes
    ] == [
        [
            "this macaroon can spend: a smaller one is enough (see --help)",
            "lnd's gRPC port is usually 10009 (8080 is REST: --lnd.transport=rest)",
        ]
    ]


def test_network_selects_one_of_several(home: Home) -> None:
    """A network without a usable macaroon doesn't count as one."""
    home.macaroon("admin", network="regtest")
    assert config_of("--lnd.dir=.lnd").nodes[0].macaroon.parent.name == "mainnet"
    signet = home.macaroon("readonly", network="signet")
    assert config_of("--lnd.dir=.lnd --lnd.network=signet").nodes[0].macaroon == signet


def test_certificate_that_the_system_trusts_needs_no_file(home: Home) -> None:
    """The word `system` in place of a path."""
    assert config_of(f"--lnd.dir=.lnd {SYSTEM}").nodes[0].tls_cert is None


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("umbrel.local", "umbrel.local:10009"),
        ("lnd_1:443", "lnd_1:443"),
        ("10.0.0.7", "10.0.0.7:10009"),
        ("[2001:db8::7]:20009", "[2001:db8::7]:20009"),
        ("[::1]", "[::1]:10009"),
        ("::1", "[::1]:10009"),
    ],
)
def test_addresses_of_lnd(home: Home, text: str, address: str) -> None:
    """With and without port: name, IPv4, IPv6."""
    assert config_of(f"--lnd.dir=.lnd --lnd.address={text}").nodes[0].address == address


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        (":8000", "", 8000),
        ("0.0.0.0:8000", "0.0.0.0", 8000),
        ("[::]:8000", "::", 8000),
        ("localhost:0", "localhost", 0),
    ],
)
def test_addresses_to_listen_on(home: Home, text: str, host: str, port: int) -> None:
    """Without a host it is every address. As text the address is what was given."""
    web = config_of(f"--lnd.dir=.lnd --web.listen-address={text}").web
    assert (web, str(web.addresses[0])) == (WebConfig((ListenAddress(host, port),), "/metrics"), text)


def test_flag_overrides_environment_overrides_file(home: Home) -> None:
    """Each setting by itself: here a level from the flag, a format from the environment, the rest from the file."""
    home.write(
        "etc/exporter.yml",
        "lnd: {dir: ../.lnd, name: from-file}\nlog: {level: error, format: console}\nmetrics: {max_peers: 7}\n",
    )
    config = config_of("--log.level=warning", CONFIG_FILE="etc/exporter.yml", LOG_LEVEL="debug", LOG_FORMAT="json")
    assert (config.log, config.max_peers) == (LogConfig("warning", "json", *LIMITS), 7)
    assert [(node.name, node.tls_cert and node.tls_cert.resolve()) for node in config.nodes] == [
        ("from-file", home.lnd / "tls.cert")
    ]


def test_several_nodes(home: Home) -> None:
    """Paths in the file start at its directory; a number such as 007 stays text."""
    bob = home.write("etc/bob.macaroon", home.macaroon("readonly").read_bytes())
    home.write(
        "etc/exporter.yml",
        """
        nodes:
          - name: alice
            dir: ~/.lnd
          - name: 007
            address: bob.example
            tls_cert: system
            macaroon: bob.macaroon
        web:
          listen_address: :9000
          telemetry_path: /payments
        log:  # nothing yet
        """,
    )
    config = config_of("--config.file=etc/exporter.yml")
    assert config.nodes == (
        NodeConfig("alice", "localhost:10009", home.lnd / "tls.cert", home.macaroon("readonly")),
        NodeConfig("007", "bob.example:10009", None, bob),
    )
    assert config.web == WebConfig((ListenAddress("", 9000),), "/payments")


def test_empty_variables_count_as_not_set(home: Home) -> None:
    """Compose leaves variables empty, or with blanks around the value."""
    assert config_of(LOG_LEVEL="", LND_DIR=" .lnd\n") == config_of("--lnd.dir=.lnd")


def service(name: str, port_name: str = "web", number: int = 10019, protocol: str = "tcp") -> dict[str, str]:
    """Return the variables that Kubernetes sets for a Service (`envvars.FromServices`); names without our prefix."""
    prefix = f"{name}_" if name else ""
    url, one = f"{protocol}://10.96.0.17:{number}", f"{prefix}PORT_{number}_{protocol.upper()}"
    return {
        f"{prefix}SERVICE_HOST": "10.96.0.17",
        f"{prefix}SERVICE_PORT": str(number),
        f"{prefix}SERVICE_PORT_{port_name.upper().replace('-', '_')}": str(number),
        f"{prefix}PORT": url,
        one: url,
        f"{one}_PROTO": protocol,
        f"{one}_PORT": str(number),
        f"{one}_ADDR": "10.96.0.17",
    }


SERVICES = [
    service(""),
    service("METRICS"),
    service("WEB", "http-metrics"),
    service("LND", "grpc", 10009),  # `lnd.port` is a habit: it would be taken for lnd's address
    service("STORAGE", protocol="udp"),
    service("LOG_LEVEL", protocol="sctp"),
    service("CONFIG_FILE", "port-1-tcp"),
]
"""Variables of Services called lnd-payments-exporter, lnd-payments-exporter-metrics and so on."""


@pytest.mark.parametrize("variables", SERVICES, ids=lambda variables: next(iter(variables)))
def test_variables_of_kubernetes_are_ignored(home: Home, variables: dict[str, str]) -> None:
    """Those of a Service whose name begins like the exporter's."""
    assert config_of("--lnd.dir=.lnd", **variables) == config_of("--lnd.dir=.lnd")


def test_no_setting_has_the_name_of_a_variable_of_kubernetes() -> None:
    """Whatever the Service is called."""
    ours = [setting.variable.removeprefix(ENVIRONMENT) for setting in SETTINGS.values()]
    values = {value for variables in SERVICES for value in variables.values()}
    texts = [text for name in ours for text in (name, *(f"{name}={value}" for value in values))]
    assert [text for text in texts if KUBERNETES.fullmatch(text)] == []
    assert [name for name in ours if name == "PORT" or name.endswith("_PORT")] == [], "a Service would set it"


def test_demo_and_healthcheck_need_no_node(home: Home) -> None:
    """Even where the environment has one. The demo listens on the loopback address only."""
    demo = load([], {"LND_PAYMENTS_EXPORTER_LND_DIR": "/nowhere"}, "demo")
    assert (demo.nodes, demo.web) == ((), WebConfig((ListenAddress("127.0.0.1", 10019),), "/metrics"))
    health = load([], {"LND_PAYMENTS_EXPORTER_LND_DIR": "/nowhere"}, "healthcheck")
    assert (health.nodes, health.web) == ((), WebConfig((ListenAddress("", 10019),), "/metrics"))


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"STATE_DIRECTORY": "/var/lib/lnd-payments-exporter"}, "/var/lib/lnd-payments-exporter/state.sqlite"),
        ({"STATE_DIRECTORY": "/var/lib/a:/var/lib/b"}, "/var/lib/a/state.sqlite"),
        ({"XDG_STATE_HOME": "/state"}, "/state/lnd-payments-exporter/state.sqlite"),
        ({"XDG_STATE_HOME": "/state", "STATE_DIRECTORY": "/var/lib/a"}, "/var/lib/a/state.sqlite"),
    ],
)
def test_default_state_directory(home: Home, environ: dict[str, str], expected: str) -> None:
    """systemd's for the service, else the user's."""
    assert load(["--lnd.dir=.lnd"], environ).storage == StorageConfig(Path(expected))


def test_storage_memory(home: Home) -> None:
    """As a flag without a value, in the environment, overridden; the demo never keeps anything."""
    assert config_of("--storage.memory --lnd.dir=.lnd").storage == StorageConfig(None)
    assert config_of("--lnd.dir=.lnd --storage.memory").storage == StorageConfig(None)
    assert config_of("--lnd.dir=.lnd", STORAGE_MEMORY="true").storage == StorageConfig(None)
    assert config_of("--lnd.dir=.lnd --storage.memory=false", STORAGE_MEMORY="true").storage.path is not None
    assert config_of("--lnd.dir=.lnd --storage.memory", STORAGE_PATH="/kept").storage == StorageConfig(None)
    assert config_of("--lnd.dir=.lnd --storage.path=/kept", STORAGE_MEMORY="true").storage == StorageConfig(
        Path("/kept")
    )
    assert load([], {}, "demo").storage == StorageConfig(None)


def test_file_without_settings_is_valid(home: Home) -> None:
    """It has only comments."""
    home.write("empty.yml", "# nothing yet\n")
    assert config_of("--lnd.dir=.lnd --config.file=empty.yml") == config_of("--lnd.dir=.lnd")
