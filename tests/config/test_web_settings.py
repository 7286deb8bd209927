"""How the web file is given, and what `check` and `run` say about it."""

import bcrypt
import pytest

from exporter.__main__ import main
from exporter.config import ConfigError, Problem, load
from exporter.config.commands import Command
from tests.config.conftest import CERTIFICATE, Home, without_root
from tests.config.shortcuts import config_of, problems_of

HASH = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
NODE = "--lnd.dir=.lnd"


def test_flag_variable_and_file(home: Home) -> None:
    """A relative path in the exporter's file starts there; one in the web file starts at the web file."""
    web = home.write("etc/web.yml", "tls_server_config: {cert_file: server.pem, key_file: server.key}\n")
    home.write("etc/server.pem", CERTIFICATE.certificate)
    home.write("etc/server.key", CERTIFICATE.key)
    home.write("etc/exporter.yml", "web:\n  config_file: web.yml\n  health_without_password: true\n")
    by_flag = config_of(f"{NODE} --web.config.file=etc/web.yml --web.health-without-password").web
    by_variable = config_of(NODE, WEB_CONFIG_FILE="etc/web.yml", WEB_HEALTH_WITHOUT_PASSWORD="true").web
    by_file = config_of(f"{NODE} --config.file=etc/exporter.yml").web
    assert by_flag == by_variable == by_file
    assert (by_flag.config_file, by_flag.health_without_password) == (web, True)
    none = config_of(NODE).web
    assert (none.config_file, none.health_without_password) == (None, False)


@pytest.mark.parametrize("command", ["run", "check", "demo"])
def test_health_pages_that_need_no_password_anyway(home: Home, command: Command) -> None:
    """Without a web file the setting has no effect; with one whose passwords come later it may be given."""
    where = "LND_PAYMENTS_EXPORTER_WEB_HEALTH_WITHOUT_PASSWORD"
    environ = {where: "true"}
    flags = [] if command == "demo" else [NODE]
    with pytest.raises(ConfigError) as wrong:
        load(flags, environ, command)
    (problem,) = wrong.value.problems
    assert (problem.where, problem.what) == (where, "has no effect without --web.config.file.")
    web = home.write("web.yml", "")
    assert load([*flags, "--web.config.file=web.yml"], environ, command).web.config_file == web
    load(flags, {where: "false"}, command)
    load([], environ, "healthcheck")


def test_its_problems_are_listed_with_all_others(home: Home) -> None:
    """Each has its place in the web file."""
    web = home.write("web.yml", "basic_auth_users:\n  alice: secret\n")
    found = problems_of(f"{NODE} --web.config.file=web.yml --log.level=loud")
    assert [problem.where for problem in found] == [f"{web}:2 basic_auth_users[1]", "--log.level"]


def test_a_file_that_does_not_exist(home: Home) -> None:
    """The problem is one of the flag."""
    (problem,) = problems_of(f"{NODE} --web.config.file=web.yaml")
    assert problem.where == "--web.config.file"
    assert problem.what == f"{home.path}/web.yaml does not exist."


def test_a_key_that_may_not_be_read(home: Home) -> None:
    """The problem names the key, and the user."""
    home.write("server.pem", CERTIFICATE.certificate)
    key = home.write("server.key", CERTIFICATE.key)
    web = home.write("web.yml", "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n")
    for path in (home.path, *home.path.parents):
        if path.name.startswith(("pytest-", "popen-", "test_")):  # pytest's own directories are closed
            path.chmod(0o755)
    key.chmod(0)
    with without_root():
        found = problems_of(f"--lnd.dir=.lnd --web.config.file={web}")
    (problem,) = (problem for problem in found if problem.where.startswith(str(web)))
    assert problem.where == f"{web}:3 tls_server_config.key_file"
    assert problem.what.startswith(f"{key} may not be read by user ")


def test_commands_that_serve_nothing_do_not_read_it(home: Home) -> None:
    """The same environment may be for all commands."""
    home.write("web.yml", "junk\n")
    environ = {"LND_PAYMENTS_EXPORTER_WEB_CONFIG_FILE": "web.yml"}
    assert load([], environ, "open").web.config_file is None
    assert load([], environ, "healthcheck").web.config_file == home.path / "web.yml"


@pytest.mark.parametrize("command", ["run", "check", "demo"])
def test_a_wrong_file_is_exit_code_2(home: Home, capsys: pytest.CaptureFixture[str], command: str) -> None:
    """Nothing is started, and neither password nor hash is printed."""
    web = home.write("web.yml", f"basic_auth_users:\n  alice: hunter2\n  bob: {HASH[:-5]}\n")
    flags = [] if command == "demo" else [NODE, "--storage.memory"]
    assert main([command, *flags, f"--web.config.file={web}"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"""\
lnd-payments-exporter: 2 problems with the configuration

  {web}:2 basic_auth_users[1]
      is not a bcrypt hash.
      Make one: htpasswd -nBC 10 '' | tr -d ':\\n'
""")
    assert "hunter2" not in err
    assert HASH[7:20] not in err


def test_check_says_how_the_pages_are_protected(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    """One line, without a hash."""
    home.write("server.pem", CERTIFICATE.certificate)
    home.write("server.key", CERTIFICATE.key)
    web = home.write(
        "web.yml",
        f"""\
tls_server_config:
  cert_file: server.pem
  key_file: server.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: server.pem
  client_allowed_sans: [prometheus.example]
rate_limit: {{interval: 100ms, burst: 20}}
basic_auth_users: {{alice: {HASH}}}
""",
    )
    flags = [NODE, "--storage.memory", f"--web.config.file={web}", "--web.health-without-password"]
    assert main(["check", *flags]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        "  web: TLS, client certificates required (1 allowed name), 1 user, a request each 0.1 s, 20 at once,"
        f" health pages without password ({web})"
    )


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (f"alice:{HASH}", "has a name before the hash."),
        (HASH[:-1], "is not a bcrypt hash. It has 59 characters, and a hash 60."),
        ("secret", "is not a bcrypt hash."),
    ],
    ids=["name", "cut off", "password"],
)
def test_common_mistakes_with_a_hash(home: Home, value: str, what: str) -> None:
    """The message names the mistake, and nothing of the value."""
    web = home.write("web.yml", f'basic_auth_users:\n  alice: "{value}"\n')
    problems = problems_of(f"--lnd.dir=.lnd --web.config.file={web}")
    assert [problem.what for problem in problems] == [what]


def test_keys_of_other_places(home: Home) -> None:
    """A web file that is given as the configuration file, and the shard, which is no key."""
    path = home.write("exporter.yml", "tls_server_config: {cert_file: a}\nshard: 1/3\nnodes: [{name: a, dir: .lnd}]\n")
    web = "This belongs into the web file: --web.config.file=FILE"
    shard = "It is a flag, because each exporter has another one: --shard=I/N"
    assert problems_of(f"--config.file={path}") == [
        Problem(f"{path}:1 tls_server_config", "Unknown setting.", web),
        Problem(f"{path}:2 shard", "Unknown setting.", shard),
    ]
