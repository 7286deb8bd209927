"""The file of `--http-config`: right ones, which promtool takes as well, and wrong ones."""

import base64
import subprocess
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.config.clientcontext import client_context
from exporter.config.httpfile import KEYS, NOT_HERE, TLS_KEYS, read_http_file
from exporter.config.httpmodel import ClientTls, HttpConfig
from exporter.config.problems import ConfigError
from exporter.config.raw import RawValue
from tests.web import certificates

SECRET = "correct-horse9"
PASSWORD = f"password: {SECRET}"
AUTHORITY = certificates.make("authority")
CLIENT = certificates.make("client", by=AUTHORITY)
PAIR = "cert_file: HERE/client.pem, key_file: HERE/client.key"


def _basic(user: str, password: str) -> tuple[tuple[str, str], ...]:
    return (("Authorization", f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"),)


def _tls(section: str) -> str:
    return f"tls_config: {{{section}}}\n"


RIGHT: dict[str, tuple[str, tuple[tuple[str, str], ...]]] = {
    "empty": ("", ()),
    "only a comment": ("# nothing\n", ()),
    "empty sections": ("tls_config:\nhttp_headers:\n", ()),
    "a password": (f"basic_auth: {{username: alice, {PASSWORD}}}\n", _basic("alice", SECRET)),
    "a password in another script": ("basic_auth: {username: ål, password: 'p:ä ß'}\n", _basic("ål", "p:ä ß")),
    "a number as a password": ("basic_auth: {username: 1, password: 2}\n", _basic("1", "2")),
    "no password": ("basic_auth: {username: alice}\n", _basic("alice", "")),
    "a file with a password": (
        "basic_auth: {username: alice, password_file: HERE/password}\n",
        _basic("alice", SECRET),
    ),
    "a file with a user": (
        f"basic_auth: {{username_file: HERE/user, {PASSWORD}}}\n",
        _basic("alice", SECRET),
    ),
    "credentials": (f"authorization: {{credentials: {SECRET}}}\n", (("Authorization", f"Bearer {SECRET}"),)),
    "another type": (
        f"authorization: {{type: Token, credentials: {SECRET}}}\n",
        (("Authorization", f"Token {SECRET}"),),
    ),
    "a file with credentials": (
        "authorization: {credentials_file: HERE/password}\n",
        (("Authorization", f"Bearer {SECRET}"),),
    ),
    "headers": (
        f"http_headers: {{X-Scope-OrgID: {{values: [me, 7]}}, X-B: {{secrets: [{SECRET}], files: [HERE/password]}}}}\n",
        (("X-Scope-OrgID", "me"), ("X-Scope-OrgID", "7"), ("X-B", SECRET), ("X-B", SECRET)),
    ),
    "a client certificate": (_tls(f"ca_file: HERE/ca.pem, {PAIR}, server_name: a.example"), ()),
    "versions": (_tls("min_version: TLS13, max_version: TLS13"), ()),
    "no verification": (_tls("insecure_skip_verify: true"), ()),
}
"""Files that promtool takes as well, and the headers that they make."""

WRONG: dict[str, tuple[str, str]] = {
    "no YAML": ("basic_auth: [", "is not valid YAML"),
    "a list": ("- a\n", "is not a section."),
    "an unknown section": ("basic_aut: {}\n", "basic_aut Unknown setting. Did you mean basic_auth?"),
    "the web file": ("basic_auth_users: {}\n", "Unknown setting. Did you mean basic_auth?"),
    "an unknown key": (f"basic_auth: {{username: a, pasword: {SECRET}}}\n", "Did you mean password?"),
    "twice": ("basic_auth: {username: a}\nbasic_auth: {username: a}\n", "is given twice."),
    "a section that is a word": (f"basic_auth: {SECRET}\n", "is not a section."),
    "a list as a password": (f"basic_auth: {{username: a, password: [{SECRET}]}}\n", "is a list or a section."),
    "no user": (f"basic_auth: {{{PASSWORD}}}\n", "has no user. Add username: NAME"),
    "a user with a colon": (f"basic_auth: {{username: 'a:{SECRET}', {PASSWORD}}}\n", "has a colon"),
    "a password twice": (
        f"basic_auth: {{username: a, {PASSWORD}, password_file: HERE/password}}\n",
        "is given together with password.",
    ),
    "no such file": ("basic_auth: {username: a, password_file: HERE/none}\n", "does not exist."),
    "a file that is no text": ("basic_auth: {username: a, password_file: HERE/binary}\n", "is not UTF-8 text."),
    "a password of two lines": (f'basic_auth: {{username: a, password: "{SECRET}\\nb"}}\n', "no header may have."),
    "no credentials": ("authorization: {type: Bearer}\n", "has no credentials. Add credentials_file: FILE"),
    "basic as a type": (f"authorization: {{type: BASIC, credentials: {SECRET}}}\n", "Use the section basic_auth"),
    "a type that is none": (f"authorization: {{type: 'a b', credentials: {SECRET}}}\n", "is not the name of a scheme."),
    "both": (
        f"basic_auth: {{username: a}}\nauthorization: {{credentials: {SECRET}}}\n",
        "authorization is given together with basic_auth.",
    ),
    "a header with a value": (f"http_headers: {{X-A: {SECRET}}}\n", "http_headers[1] has no section with its values."),
    "a header without values": ("http_headers: {X-A: {}}\n", "has no values."),
    "a header of ours": (f"http_headers: {{authorization: {{values: [{SECRET}]}}}}\n", "this program sets itself."),
    "a header that is none": (f"http_headers: {{'a {SECRET}': {{values: [b]}}}}\n", "is not the name of a header."),
    "a value that is no list": (f"http_headers: {{X-A: {{values: {SECRET}}}}}\n", "is not a list."),
    "a value of two lines": (f'http_headers: {{X-A: {{values: ["a\\r\\n{SECRET}"]}}}}\n', "no header may have."),
    "a value in no script": ('http_headers: {X-A: {values: ["\\ud800"]}}\n', "no header may have."),
    "a header's file": ("http_headers: {X-A: {files: [HERE/none]}}\n", "does not exist."),
    "no authority": (_tls("ca_file: HERE/password"), "no server would be trusted"),
    "a certificate alone": (_tls("cert_file: HERE/client.pem"), "has a cert without a key. Add key_file: FILE"),
    "a key alone": (_tls("key_file: HERE/client.key"), "has a key without a cert. Add cert_file: FILE"),
    "another key": (_tls("cert_file: HERE/ca.pem, key_file: HERE/client.key"), "is not made for this key."),
    "old TLS": (_tls("min_version: TLS10"), "OpenSSL doesn't allow any more."),
    "no version": (_tls("min_version: TLS12, max_version: 7"), "is not a version of TLS."),
    "no version left": (_tls("min_version: TLS13, max_version: TLS12"), "no version is left."),
    "an authority for nothing": (_tls("ca_file: HERE/ca.pem, insecure_skip_verify: true"), "ca has no effect."),
    "a word as a switch": (_tls("insecure_skip_verify: always"), "is neither true nor false."),
    **{key: (f"{key}: {SECRET}\n", f"{key} is not among") for key in NOT_HERE},
}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with the files that are named."""
    here = tmp_path_factory.mktemp("http")
    files = {
        "password": f"{SECRET}\n".encode(),
        "user": b" alice\n",
        "binary": b"\xff\xfe\x00",
        "ca.pem": AUTHORITY.pem,
        "client.pem": CLIENT.pem,
        "client.key": CLIENT.key,
    }
    for name, content in files.items():
        (here / name).write_bytes(content)
    return here


def _read(here: Path, text: str) -> HttpConfig:
    (here / "http.yml").write_text(text.replace("HERE", str(here)))
    return read_http_file(RawValue(str(here / "http.yml"), "--http-config"))


@pytest.mark.parametrize(("text", "headers"), RIGHT.values(), ids=RIGHT.keys())
def test_right_files(here: Path, text: str, headers: tuple[tuple[str, str], ...]) -> None:
    """They make these headers, and what is secret in them isn't shown."""
    http = _read(here, text)
    assert http.headers == headers
    assert SECRET not in repr(http)
    assert (SECRET in text or "password_file" in text or "credentials_file" in text) == (SECRET in http.secrets)
    client_context(http.tls)


@pytest.mark.parametrize(("text", "_headers"), RIGHT.values(), ids=RIGHT.keys())
def test_promtool_takes_the_right_files(here: Path, programs: Path, text: str, _headers: object) -> None:
    """It gets as far as a request, to which nobody answers."""
    _read(here, text)
    command = [str(programs / "promtool"), "query", "instant", f"--http.config.file={here / 'http.yml'}"]
    done = subprocess.run([*command, "http://127.0.0.1:1", "up"], capture_output=True, text=True, check=False)
    assert "connection refused" in done.stderr


@pytest.mark.parametrize(("text", "said"), WRONG.values(), ids=WRONG.keys())
def test_wrong_files(here: Path, text: str, said: str) -> None:
    """The message says what is wrong, and has no value of the file."""
    with pytest.raises(ConfigError) as error:
        _read(here, text)
    assert said in " ".join(str(error.value).split())
    assert SECRET not in str(error.value)


def test_all_problems_at_once(here: Path) -> None:
    """Each with its line, its key, and a fix."""
    text = f"basic_auth:\n  usernam: {SECRET}\n  {PASSWORD}\ntls_config:\n  cert_file: HERE/client.pem\nproxy_url: x\n"
    with pytest.raises(ConfigError) as error:
        _read(here, text)
    file = here / "http.yml"
    assert [problem.where for problem in error.value.problems] == [
        f"{file}:6 proxy_url",
        f"{file}:2 basic_auth.usernam",
        f"{file}:1 basic_auth",
        f"{file}:4 tls_config",
    ]


def test_relative_paths_start_at_the_file(here: Path) -> None:
    """As in the other files of this program."""
    assert _read(here, "basic_auth: {username: a, password_file: password}\n").headers == _basic("a", SECRET)


def test_tls(here: Path) -> None:
    """Each key has its effect."""
    text = f"ca_file: ca.pem, {PAIR}, server_name: a.example, min_version: TLS13".replace("HERE/", "")
    tls = _read(here, _tls(text)).tls
    assert tls == ClientTls(
        AUTHORITY.pem, CLIENT.pem, CLIENT.key, "a.example", minimum=ClientTls().maximum, maximum=ClientTls().maximum
    )
    assert "BEGIN" not in repr(tls).replace(repr(AUTHORITY.pem), "")


_NAMES = [key for key in (*KEYS, *TLS_KEYS, "username", "password", "values", "X-A", "q") if "file" not in key]
"""Keys, without those of files, whose names are shown."""


@given(
    tree=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just(SECRET),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_NAMES), inner),
        max_leaves=8,
    )
)
@settings(max_examples=200)
def test_no_tree_is_a_bug(here: Path, tree: object) -> None:
    """It is read, or it is refused without its secret."""
    said = ""
    try:
        _read(here, yaml.safe_dump(tree))
    except ConfigError as error:
        said = str(error)
    assert SECRET not in said
