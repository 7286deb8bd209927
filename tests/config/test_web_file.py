"""The web file: right and wrong ones, judged as `promtool check web-config` judges them, a few excepted."""

import base64
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from textwrap import indent

import bcrypt
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.config.servercontext import CIPHERS, CIPHERS_OF_TLS_13, CURVES
from exporter.config.webfile import HEADERS, WebFileError, read_web_file
from exporter.config.webfile import KEYS as WEB_KEYS
from exporter.config.webtls import KEYS as TLS_KEYS
from tests.web import certificates

SECRET = "correct-horse9"
HASH = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
BODY = HASH[7:]
"""Salt and digest, without version and cost."""
PAIR = "cert_file: server.pem, key_file: server.key"
CLIENTS = f"{PAIR}, client_ca_file: ca.pem, client_auth_type"
REQUIRED = f"{CLIENTS}: RequireAndVerifyClientCert"


def _tls(section: str) -> str:
    return f"tls_server_config: {{{section}}}\n"


def _headers(section: str) -> str:
    return f"http_server_config: {{headers: {{{section}}}}}\n"


def _users(section: str) -> str:
    return f"basic_auth_users: {{{section}}}\n"


RIGHT: dict[str, str] = {
    "empty": "",
    "only a comment": "# nothing\n",
    "null": "null\n",
    "an empty document": "---\n",
    "sections without content": "tls_server_config:\nhttp_server_config:\nbasic_auth_users:\n",
    "empty sections": "tls_server_config: {}\nhttp_server_config: {}\nbasic_auth_users: {}\n",
    "empty texts": _tls('cert_file: "", key_file: "", client_ca_file: "", client_auth_type: ""'),
    "certificate and key": _tls(PAIR),
    "an absolute path": "tls_server_config: {cert_file: HERE/server.pem, key_file: server.key}\n",
    "certificate and key in one file": _tls("cert_file: both.pem, key_file: both.pem"),
    "a chain": _tls("cert_file: chain.pem, key_file: server.key"),
    "inline certificate and key": "tls_server_config:\n  cert: |\nCERT  key: |\nKEY",
    "inline authority": "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n"
    "  client_auth_type: RequireAndVerifyClientCert\n  client_ca: |\nCA",
    "anchors": "tls_server_config: {cert_file: &file both.pem, key_file: *file}\n",
    "NoClientCert": _tls(f"{PAIR}, client_auth_type: NoClientCert"),
    "VerifyClientCertIfGiven": _tls(f"{CLIENTS}: VerifyClientCertIfGiven"),
    "RequireAndVerifyClientCert": _tls(REQUIRED),
    "authorities of the system": _tls(f"{PAIR}, client_auth_type: RequireAndVerifyClientCert"),
    "allowed names": _tls(f"{REQUIRED}, client_allowed_sans: [a.example, 10.0.0.1, 'spiffe://a/b', a@b.example, 7]"),
    "no allowed names": _tls(f"{REQUIRED}, client_allowed_sans: "),
    "a null among the allowed names": _tls(f"{REQUIRED}, client_allowed_sans: [a.example, ~]"),
    "TLS 1.3 only": _tls(f"{PAIR}, min_version: TLS13"),
    "TLS 1.2 only": _tls(f"{PAIR}, max_version: TLS12"),
    "no preference": _tls(f"{PAIR}, prefer_server_cipher_suites: false"),
    "preference, y": _tls(f"{PAIR}, prefer_server_cipher_suites: y"),
    "preference, On": _tls(f"{PAIR}, prefer_server_cipher_suites: On"),
    "preference, empty": _tls(f"{PAIR}, prefer_server_cipher_suites: "),
    "suites of TLS 1.3": _tls(f"{PAIR}, cipher_suites: [{', '.join(CIPHERS_OF_TLS_13)}]"),
    "all suites": _tls(f"{PAIR}, cipher_suites: [{', '.join((*CIPHERS_OF_TLS_13, *CIPHERS))}]"),
    "a suite twice": _tls(f"{PAIR}, cipher_suites: [{', '.join([*CIPHERS][:1] * 2)}]"),
    "no suites": _tls(f"{PAIR}, cipher_suites: []"),
    "no curves": _tls(f"{PAIR}, curve_preferences: []"),
    "http2 off": "http_server_config: {http2: false}\n",
    "http2 off, no": "http_server_config: {http2: no}\n",
    "http2 empty": "http_server_config: {http2: }\n",
    "frames denied": _headers("X-Frame-Options: deny"),
    "frames of the same origin": _headers("X-Frame-Options: sameorigin"),
    "nosniff": _headers("X-Content-Type-Options: nosniff"),
    "a number as header": _headers("X-XSS-Protection: 0"),
    "free headers": _headers("Content-Security-Policy: \"default-src 'self'\", Strict-Transport-Security: max-age=1"),
    "a header in two lines": "http_server_config:\n  headers:\n    Content-Security-Policy: |\n      a\n      b\n",
    "an empty header": _headers('Strict-Transport-Security: ""'),
    "headers empty": "http_server_config: {headers: }\n",
    "a user": _users(f"alice: {HASH}"),
    "a user without TLS section, quoted": f'basic_auth_users: {{"alice": "{HASH}"}}\n',
    "a user with a number as name": _users(f"7: {HASH}"),
    "a user without a name": _users(f'"": {HASH}'),
    "a user in another script": _users(f"ålice: {HASH}"),
    "a hash of cost 18": _users(f"alice: $2b$18${BODY}"),
    "a hash with a line end": f"basic_auth_users:\n  alice: |\n    {HASH}\n",
    "everything": _tls(REQUIRED) + _headers("X-Frame-Options: deny") + _users(f"alice: {HASH}, bob: {HASH}"),
    **{f"suite {name}": _tls(f"{PAIR}, cipher_suites: [{name}]") for name in (*CIPHERS, *CIPHERS_OF_TLS_13)},
    **{f"curve {name}": _tls(f"{PAIR}, curve_preferences: [{name}]") for name in CURVES},
    **{f"hash with version {v}": _users(f"alice: ${v}$04${BODY}") for v in ("2a", "2b", "2y", "2x", "2c", "2")},
    **{f"header {name}": _headers(f"{name}: {(*values, 'text')[0]}") for name, values in HEADERS.items()},
}
"""Files that promtool and we accept."""

WRONG: dict[str, str] = {
    "no YAML": "tls_server_config: [",
    "a tab": "tls_server_config:\n\tcert_file: server.pem\n",
    "a word": "junk\n",
    "a list": "- a\n",
    "unknown section": "tls_config: {}\n",
    "other case": "TLS_server_config: {}\n",
    "unknown key": _tls(f"{PAIR}, cert_path: x"),
    "unknown key of HTTP": "http_server_config: {http3: true}\n",
    "a section twice": "http_server_config: {}\nhttp_server_config: {}\n",
    "a key twice": _tls(f"{PAIR}, key_file: server.key"),
    "a user twice": _users(f"alice: {HASH}, alice: {HASH}"),
    "a header twice": _headers("X-XSS-Protection: 0, X-XSS-Protection: 1"),
    "a section that is a word": "tls_server_config: server.pem\n",
    "users as a list": f"basic_auth_users: [alice, '{HASH}']\n",
    "headers as a list": "http_server_config: {headers: [X-Frame-Options]}\n",
    "a list as a path": _tls("cert_file: [server.pem], key_file: server.key"),
    "a section as a path": _tls("cert_file: {a: b}, key_file: server.key"),
    "a word as a list": _tls(f"{PAIR}, cipher_suites: TLS_AES_128_GCM_SHA256"),
    "a list in a list": _tls(f"{PAIR}, client_allowed_sans: [[a]]"),
    "a number as a switch": "http_server_config: {http2: 1}\n",
    "a quoted switch": 'http_server_config: {http2: "false"}\n',
    "a word as a switch": _tls(f"{PAIR}, prefer_server_cipher_suites: always"),
    "only a certificate": _tls("cert_file: server.pem"),
    "only a key": _tls("key_file: server.key"),
    "only an authority": _tls("client_ca_file: ca.pem"),
    "only a way to ask": _tls("client_auth_type: NoClientCert"),
    "no such certificate": _tls("cert_file: none.pem, key_file: server.key"),
    "no such key": _tls("cert_file: server.pem, key_file: none.key"),
    "no such authority": _tls(f"{PAIR}, client_ca_file: none.pem, client_auth_type: RequireAndVerifyClientCert"),
    "a directory": _tls("cert_file: ., key_file: server.key"),
    "empty certificate": _tls("cert_file: empty, key_file: server.key"),
    "empty key": _tls("cert_file: server.pem, key_file: empty"),
    "swapped": _tls("cert_file: server.key, key_file: server.pem"),
    "another key": _tls("cert_file: server.pem, key_file: ca.key"),
    "a chain in the wrong order": _tls("cert_file: reversed.pem, key_file: server.key"),
    "an encrypted key": _tls("cert_file: server.pem, key_file: encrypted.key"),
    "a damaged certificate": _tls("cert_file: damaged.pem, key_file: server.key"),
    "a damaged key": _tls("cert_file: server.pem, key_file: damaged.key"),
    "a DER certificate": _tls("cert_file: server.der, key_file: server.key"),
    "inline certificate that is a path": _tls("cert: server.pem, key_file: server.key"),
    "an authority without a way to ask": _tls(f"{PAIR}, client_ca_file: ca.pem"),
    "an authority and NoClientCert": _tls(f"{CLIENTS}: NoClientCert"),
    "unknown way to ask": _tls(f"{CLIENTS}: Please"),
    "way to ask in lower case": _tls(f"{CLIENTS}: requireandverifyclientcert"),
    "unknown version": _tls(f"{PAIR}, min_version: TLS14"),
    "a version as a number": _tls(f"{PAIR}, max_version: 1.3"),
    "SSL": _tls(f"{PAIR}, min_version: SSL30"),
    "unknown suite": _tls(f"{PAIR}, cipher_suites: [TLS_ROT13]"),
    "a suite by OpenSSL's name": _tls(f"{PAIR}, cipher_suites: [ECDHE-RSA-AES128-GCM-SHA256]"),
    "an insecure suite": _tls(f"{PAIR}, cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]"),
    "a null suite": _tls(f"{PAIR}, cipher_suites: ['']"),
    "unknown curve": _tls(f"{PAIR}, curve_preferences: [CurveP666]"),
    "a curve by OpenSSL's name": _tls(f"{PAIR}, curve_preferences: [prime256v1]"),
    "a header that can't be set": _headers("Server: me"),
    "a header in lower case": _headers("x-frame-options: deny"),
    "a wrong value": _headers("X-Content-Type-Options: sniff"),
    "a value in upper case": _headers("X-Frame-Options: DENY"),
    "an empty value": _headers('X-Frame-Options: ""'),
    "a password instead of a hash": _users("alice: secret"),
    "no hash": _users("alice: "),
    "a short hash": _users(f"alice: {HASH[:-2]}"),
    "another hash": _users("alice: $5$rounds=5000$aaaaaaaaaaaaaaaa$bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"),
    "a hash of cost 3": _users(f"alice: $2b$03${BODY}"),
    "a hash of cost 32": _users(f"alice: $2b$32${BODY}"),
    "a hash of cost x": _users(f"alice: $2b$xx${BODY}"),
    "a hash that is a list": _users("alice: [a]"),
    "one wrong user of two": _users(f"alice: {HASH}, bob: no"),
}
"""Files that neither promtool nor we accept."""

STRICTER: dict[str, tuple[str, str]] = {
    "RequestClientCert": (_tls(f"{CLIENTS}: RequestClientCert"), "Python verifies each certificate that it asks for"),
    "RequireAnyClientCert": (_tls(f"{CLIENTS}: RequireAnyClientCert"), "the same"),
    "RequireClientCert": (_tls(f"{CLIENTS}: RequireClientCert"), "the same, by its older name"),
    "http2 on": ("http_server_config: {http2: true}\n", "there is no HTTP/2 here"),
    "TLS 1.0": (_tls(f"{PAIR}, min_version: TLS10"), "OpenSSL doesn't allow it any more"),
    "TLS 1.1": (_tls(f"{PAIR}, max_version: TLS11"), "the same"),
    "several curves": (_tls(f"{PAIR}, curve_preferences: [X25519, CurveP256]"), "Python sets one curve only"),
    "no version left": (_tls(f"{PAIR}, min_version: TLS13, max_version: TLS12"), "nobody could connect"),
    "no suite left": (
        _tls(f"{PAIR}, max_version: TLS12, cipher_suites: [TLS_AES_128_GCM_SHA256]"),
        "nobody could connect",
    ),
    "TLS settings without certificate": (_tls("min_version: TLS13"), "there would be no TLS at all"),
    "names without certificate": (_tls("client_allowed_sans: [a]"), "there would be no TLS at all"),
    "no allowed name": (_tls(f"{REQUIRED}, client_allowed_sans: []"), "nobody could connect"),
    "names, but no client certificates": (_tls(f"{PAIR}, client_allowed_sans: [a]"), "everybody could connect"),
    "names, but optional certificates": (
        _tls(f"{CLIENTS}: VerifyClientCertIfGiven, client_allowed_sans: [a]"),
        "who has no certificate could connect",
    ),
    "an authority without certificates": (
        _tls(f"{PAIR}, client_ca_file: server.key, client_auth_type: RequireAndVerifyClientCert"),
        "nobody could connect",
    ),
    "certificate twice": (_tls(f"{PAIR}, cert: x"), "it isn't clear which one is meant"),
    "a control character": (_headers('X-XSS-Protection: "a\\x01b"'), "not allowed in HTTP"),
    "a colon in a name": (_users(f"'a:b': {HASH}"), "nobody could log in"),
    "a hash of cost 19": (_users(f"alice: $2b$19${BODY}"), "the first scrape would take half a minute or more"),
    "a hash with other characters": (_users(f"alice: {HASH[:-1]}!"), "no password has it"),
    "a hash one too short": (_users(f"alice: {HASH[:-1]}"), "no password has it"),
    "a merge key": ("tls_server_config:\n  <<: {cert_file: server.pem, key_file: server.key}\n", "not supported"),
    "a tagged text": (_headers("X-XSS-Protection: !!binary MA=="), "shown as it is written"),
    "two documents": ("---\nhttp_server_config: {}\n---\nnonsense\n", "the second one would be ignored"),
}
"""Files that promtool accepts and we don't, with the reason."""

NEWER: dict[str, str] = {
    "a rate limit": "rate_limit: {interval: 1s, burst: 5}\n",
    "a rate limit with a fraction": "rate_limit: {interval: 1m1.5s, burst: 5}\n",
    "a rate limit that is off": "rate_limit: {interval: 0, burst: 5}\n",
}
"""Files that we accept, and that only a newer promtool does: it has no rate limit yet."""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with certificates and keys."""
    home = tmp_path_factory.mktemp("web")
    ca = certificates.make("authority")
    server = certificates.server(ca)
    damaged = b"\n".join([*server.pem.splitlines()[:3], server.pem.splitlines()[-1], b""])
    contents: Mapping[str, bytes] = {
        "ca.pem": ca.pem,
        "ca.key": ca.key,
        "server.pem": server.pem,
        "server.key": server.key,
        "encrypted.key": server.encrypted_key,
        "both.pem": server.pem + server.key,
        "chain.pem": server.pem + ca.pem,
        "reversed.pem": ca.pem + server.pem,
        "damaged.pem": damaged,
        "damaged.key": server.key.replace(b"\nM", b"\nA", 1),
        "server.der": base64.b64decode(b"".join(server.pem.splitlines()[1:-1])),
        "empty": b"",
    }
    for name, content in contents.items():
        (home / name).write_bytes(content)
    return home


def _write(here: Path, text: str, name: str = "web.yml") -> Path:
    for word, file in (("CERT", "server.pem"), ("KEY", "server.key"), ("CA", "ca.pem")):
        text = text.replace(f"|\n{word}", f"|\n{indent((here / file).read_text(), '    ')}")
    path = here / name
    path.write_text(text.replace("HERE", str(here)))
    return path


def _accepted(path: Path) -> bool:
    with suppress(WebFileError):
        read_web_file(path)
        return True
    return False


def _every_file() -> dict[str, str]:
    return {**RIGHT, **WRONG, **{name: text for name, (text, _) in STRICTER.items()}, **NEWER}


def test_every_file_is_judged(here: Path) -> None:
    """As the tables say."""
    names = _every_file()
    assert len(names) == len(RIGHT) + len(WRONG) + len(STRICTER) + len(NEWER)
    accepted = {name for name, text in names.items() if _accepted(_write(here, text))}
    assert accepted == RIGHT.keys() | NEWER.keys()


def test_promtool_agrees(here: Path, programs: Path) -> None:
    """But for the files that need more than promtool asks for, and for what it doesn't know yet."""
    texts = _every_file()
    files = {str(_write(here, text, f"{number}.yml")): name for number, (name, text) in enumerate(texts.items())}
    command = [str(programs / "promtool"), "check", "web-config", *files]
    output = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = (output.stdout + output.stderr).splitlines()
    accepted = {files[line.removesuffix(" SUCCESS")] for line in lines if line.endswith(" SUCCESS")}
    refused = {files[line.partition(" FAILED")[0]] for line in lines if " FAILED: " in line}
    assert accepted | refused == texts.keys()
    assert accepted == RIGHT.keys() | STRICTER.keys()


def test_every_difference_has_a_reason() -> None:
    """For those who wonder why a file that promtool accepts is refused."""
    assert all(reason for _, reason in STRICTER.values())


def test_problems_name_line_and_key_and_no_value(here: Path) -> None:
    """All of them at once, in the order of the file's sections."""
    path = _write(
        here,
        f"""\
tls_server_config:
  cert_file: none.pem
  key_file: ca.key
  min_version: hunter2
  client_auth_type: hunter3
  cipher_suites: [hunter4]
  {HASH}: x
http_server_config:
  http2: true
  headers:
    X-Frame-Options: hunter5
    Sever: x
rate_limit:
  interval: 5
  burst: -1
basic_auth_users:
  {HASH}: alice
  bob: hunter6
  bob: {HASH}
hunter 7: x
""",
    )
    with pytest.raises(WebFileError) as caught:
        read_web_file(path)
    shown = [(problem.where.removeprefix(f"{path}:"), problem.what) for problem in caught.value.problems]
    assert shown == [
        ("20 ?", "Unknown setting."),
        ("7 tls_server_config.?", "Unknown setting."),
        ("2 tls_server_config.cert_file", f"{here}/none.pem does not exist."),
        ("6 tls_server_config.cipher_suites[0]", "is not a cipher suite that is offered."),
        ("4 tls_server_config.min_version", "is not a version of TLS."),
        ("5 tls_server_config.client_auth_type", "is not a way to ask for client certificates."),
        ("9 http_server_config.http2", "is on, but this exporter has no HTTP/2."),
        ("12 http_server_config.headers.?", "Unknown setting."),
        ("11 http_server_config.headers.X-Frame-Options", "is not a value of this header."),
        ("14 rate_limit.interval", "is not a duration with a unit."),
        ("17 basic_auth_users[1]", "is not a bcrypt hash."),
        ("18 basic_auth_users[2]", "is not a bcrypt hash."),
        ("19 basic_auth_users[3]", "is given twice."),
    ]
    text = str(caught.value)
    assert "hunter" not in text
    assert BODY not in text


@pytest.mark.parametrize(
    ("section", "where", "what"),
    [
        ("cert_file: server.pem, key_file: ca.key", "cert_file", "The certificate is not made for this key."),
        ("cert_file: server.pem, key_file: encrypted.key", "cert_file", "The key is encrypted with a password."),
        (
            "cert_file: server.key, key_file: server.pem",
            "cert_file",
            "The certificate is not in PEM. It is a private key: are the two swapped?",
        ),
        ("cert_file: damaged.pem, key_file: server.key", "cert_file", "The certificate is damaged."),
        ("cert_file: server.pem, key_file: damaged.key", "cert_file", "The key is damaged, or of an unknown kind."),
        (
            f"{CLIENTS}: RequireAnyClientCert",
            "client_auth_type",
            "is RequireAnyClientCert: Python can't take a certificate without verifying it.",
        ),
        (
            f"{PAIR}, curve_preferences: [X25519, CurveP256]",
            "curve_preferences",
            "has several curves: Python can only set a single one.",
        ),
        ("cert_file: /dev/zero, key_file: server.key", "cert_file", "/dev/zero is not an ordinary file."),
    ],
)
def test_what_is_wrong_with_tls(here: Path, section: str, where: str, what: str) -> None:
    """One problem for each mistake."""
    path = _write(here, _tls(section))
    with pytest.raises(WebFileError) as caught:
        read_web_file(path)
    assert [(p.where, p.what) for p in caught.value.problems] == [(f"{path}:1 tls_server_config.{where}", what)]


def test_no_secret_is_shown_by_the_object(here: Path) -> None:
    """Neither the whole of it nor its parts show a hash or a key."""
    file = read_web_file(_write(here, RIGHT["everything"]))
    assert file.tls is not None
    for shown in (repr(file), repr(file.tls), repr([*file.users.values()]), file.summary):
        assert BODY not in shown
        assert "BEGIN" not in shown.replace("BEGIN CERTIFICATE", "")
    assert file.summary == "TLS, client certificates required, 2 users, headers X-Frame-Options"


_words = st.sampled_from(
    [*HEADERS, *CURVES, *CIPHERS, "true", "1s", "server.pem", "server.key", "ca.pem", HASH, SECRET]
)
_keys = st.sampled_from([*WEB_KEYS, *TLS_KEYS, *HEADERS, "http2", "headers", "interval", "burst", "alice", SECRET])
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _words | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys | st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=100)
@given(st.dictionaries(_keys, _values, max_size=4) | _values)
def test_no_tree_is_a_bug_and_none_shows_a_secret(here: Path, tree: object) -> None:
    """Whatever stands where: the file is accepted, or refused with problems that show no value."""
    _judge(here, yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", "surrogatepass"))


@settings(max_examples=300)
@given(st.binary(max_size=200) | st.text(alphabet="a:-[]{}&*!|>'\"%@`,?#\n \t\\x0", max_size=60).map(str.encode))
def test_no_text_is_a_bug(here: Path, content: bytes) -> None:
    """Nor anything that isn't YAML."""
    _judge(here, content)


HOSTILE = {
    "brackets": b"[" * 100_000,
    "character": b'"\\UFFFFFFFF"',
    "endless": b"a: &x [*x]\n",
    "encoding": b"\xff\xfe",
    "reference": b"x: *" + SECRET.encode(),
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_files(here: Path, content: bytes) -> None:
    """Thousands of brackets, impossible characters, an endless list, another encoding, a secret as a reference."""
    assert not _judge(here, content)


def _judge(here: Path, content: bytes) -> bool:
    path = here / "fuzz.yml"
    path.write_bytes(content)
    accepted = True
    try:
        shown = repr(read_web_file(path))
    except WebFileError as error:
        accepted, shown = False, str(error)
    assert SECRET not in shown
    assert BODY not in shown
    return accepted
