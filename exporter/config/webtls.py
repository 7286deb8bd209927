"""Reads the section `tls_server_config` of the web file, with the certificates and the key that it names."""

import ssl
import stat
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from exporter.config.files import read
from exporter.config.problems import InvalidValue, Problem
from exporter.config.raw import RawValue
from exporter.config.servercontext import CIPHERS, CIPHERS_OF_TLS_13, CURVES, VERSIONS, server_context
from exporter.config.webmodel import ClientCertificates, TlsConfig
from exporter.config.webtree import Section, WebTree

SECTION = "tls_server_config"
KEYS = (
    "cert",
    "key",
    "client_ca",
    "cert_file",
    "key_file",
    "client_auth_type",
    "client_ca_file",
    "cipher_suites",
    "curve_preferences",
    "min_version",
    "max_version",
    "prefer_server_cipher_suites",
    "client_allowed_sans",
)
UNVERIFIED = ("RequestClientCert", "RequireAnyClientCert", "RequireClientCert")
"""Values of `client_auth_type` with which Go takes certificates without looking who signed them."""
VERIFIED = ("VerifyClientCertIfGiven", "RequireAndVerifyClientCert")
OBSOLETE = ("TLS10", "TLS11")
UNREADABLE = (
    ValueError,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.ExtensionNotFound,
    x509.UnsupportedGeneralNameType,
)
"""What `cryptography` raises for a certificate that it can't read."""


def read_tls(tree: WebTree, node: yaml.Node, where: str, files: list[Path]) -> TlsConfig | None:
    """Return the section; None if there is none, or if something is wrong, which is added to the problems."""
    before = len(tree.problems)
    section = tree.section(node, where, SECTION, KEYS)
    if not section:
        return None
    certificate, key = content_of(tree, section, "cert", files), content_of(tree, section, "key", files)
    _report_missing(tree, section, where)
    if certificate and key:
        tree.attempt(certificate[1], lambda: check_pair(certificate[0], key[0]))
    ciphers, only_13 = _ciphers(tree, section)
    minimum, maximum = _versions(tree, section, only_13=only_13)
    clients = _clients(tree, section, files)
    prefer = tree.switch(section, "prefer_server_cipher_suites", default=True)
    curve = _curve(tree, section)
    if len(tree.problems) > before or not certificate or not key:
        return None
    tls = TlsConfig(certificate[0], key[0], clients, minimum, maximum, ciphers, curve, prefer)
    tree.attempt(where, lambda: server_context(tls))
    return tls


def _report_missing(tree: WebTree, section: Section, where: str) -> None:
    """Report a certificate without a key, a key without a certificate, and settings without both."""
    cert, key = (name in section or f"{name}_file" in section for name in ("cert", "key"))
    if not cert and not key:
        what, name = "has settings, but no certificate: without one there is no TLS.", "cert"
    elif not cert:
        what, name = "has a key, but neither cert_file nor cert.", "cert"
    elif not key:
        what, name = "has a certificate, but neither key_file nor key.", "key"
    else:
        return
    tree.problems.append(Problem(where, what, f"Add {name}_file: FILE"))


def content_of(
    tree: WebTree, section: Section, name: str, files: list[Path], *, reader: Callable[[Path], bytes] | None = None
) -> tuple[bytes, str] | None:
    """Return the content of `name`, or of the file that `name_file` names, and its place; None without either.

    `reader` reads the file, or raises `InvalidValue`; by default it must be one that can be read again and again.
    """
    inline, path = tree.text(section, name), tree.text(section, f"{name}_file")
    if inline and path:
        fix = f"Leave one of them out: which one is meant, this or {name}?"
        tree.problems.append(Problem(path[1], f"is given together with {name}.", fix))
        return None
    if inline:
        return inline[0].encode(errors="surrogatepass"), inline[1]
    if not path:
        return None
    try:
        file = RawValue(path[0], path[1], tree.path.parent).path
        files.append(file)
        return (reader or read_regular)(file), path[1]
    except InvalidValue as error:
        tree.problems.append(error.at(path[1]))
        return None


def read_regular(path: Path) -> bytes:
    """Return the content of a file; raises `InvalidValue`, also for one that would have to be waited for."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return read(path)  # explains it
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise InvalidValue(f"{path} is not an ordinary file.", "It is read again and again: give one that stays.")
    return read(path)


@lru_cache(1)  # the same pair is read several times, and to check a large RSA key takes 0.2 s
def check_pair(certificate: bytes, key: bytes) -> None:
    """Raise `InvalidValue` unless these are a certificate and its key. Nothing of the key is in the message."""
    right = "It begins with -----BEGIN CERTIFICATE-----."
    if not certificate.strip():
        raise InvalidValue("The certificate is empty.", right)
    if b"-----BEGIN CERTIFICATE-----" not in certificate:
        swapped = " It is a private key: are the two swapped?" if b"PRIVATE KEY-----" in certificate else ""
        raise InvalidValue(f"The certificate is not in PEM.{swapped}", right)
    try:
        public = x509.load_pem_x509_certificates(certificate)[0].public_key()
        ours = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (*UNREADABLE, UnsupportedAlgorithm):
        raise InvalidValue("The certificate is damaged.", "Copy it again, as a whole file.") from None
    if b"PRIVATE KEY-----" not in key:
        raise InvalidValue("The key is not in PEM.", "It begins with -----BEGIN PRIVATE KEY-----, or EC or RSA in it.")
    try:
        private = load_pem_private_key(key, None)
        theirs = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except TypeError:
        fix = "Write it without: openssl pkey -in KEY -out PLAINKEY, readable only by the exporter's user."
        raise InvalidValue("The key is encrypted with a password.", fix) from None
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidValue("The key is damaged, or of an unknown kind.", "Copy it again, as a whole file.") from None
    if ours != theirs:
        fix = "Give the key with which it was requested; in a chain the server's own certificate is the first."
        raise InvalidValue("The certificate is not made for this key.", fix)


def _versions(tree: WebTree, section: Section, *, only_13: bool) -> tuple[ssl.TLSVersion, ssl.TLSVersion]:
    """Return the lowest and the highest version. `only_13`: there are no cipher suites for lower ones."""
    minimum = read_version(tree, section, "min_version", "TLS12")
    maximum = read_version(tree, section, "max_version", "TLS13")
    if minimum > maximum:
        tree.problem(section["min_version"], "is above max_version: no version is left.", "Leave one of them out.")
    elif only_13 and maximum < ssl.TLSVersion.TLSv1_3:
        fix = "Add others, or leave max_version out."
        tree.problem(section["cipher_suites"], "has suites of TLS 1.3 only, but max_version is lower.", fix)
    return ssl.TLSVersion.TLSv1_3 if only_13 else minimum, maximum


def read_version(tree: WebTree, section: Section, name: str, default: str) -> ssl.TLSVersion:
    """Return a version of TLS; for a wrong one add a problem and return the default."""
    given = tree.text(section, name)
    word, where = given or (default, "")
    if word in OBSOLETE:
        fix = "Use TLS12 or TLS13; Prometheus uses these."
        tree.problems.append(Problem(where, "is a version that OpenSSL doesn't allow any more.", fix))
    elif word not in VERSIONS:
        tree.problems.append(Problem(where, "is not a version of TLS.", "Use TLS12 or TLS13."))
    return VERSIONS.get(word, VERSIONS[default])


def _ciphers(tree: WebTree, section: Section) -> tuple[tuple[str, ...], bool]:
    """Return OpenSSL's names of the suites of TLS 1.2, and whether there are only suites of TLS 1.3."""
    given = tree.texts(section, "cipher_suites") or []
    for name, where in given:
        if name not in CIPHERS and name not in CIPHERS_OF_TLS_13:
            fix = f"There are {', '.join((*CIPHERS_OF_TLS_13, *CIPHERS))}."
            tree.problems.append(Problem(where, "is not a cipher suite that is offered.", fix))
    ciphers = tuple(dict.fromkeys(CIPHERS[name] for name, _ in given if name in CIPHERS))
    return ciphers, bool(given) and all(name in CIPHERS_OF_TLS_13 for name, _ in given)


def _curve(tree: WebTree, section: Section) -> str | None:
    given = tree.texts(section, "curve_preferences") or []
    for name, where in given:
        if name not in CURVES:
            tree.problems.append(Problem(where, "is not a curve that is offered.", f"There are {', '.join(CURVES)}."))
    curves = {name for name, _ in given}
    if len(curves) > 1 and curves <= CURVES.keys():
        fix = "Leave it out, then all of these curves are offered, or name one."
        tree.problem(section["curve_preferences"], "has several curves: Python can only set a single one.", fix)
    return CURVES.get(given[0][0]) if given else None


def _clients(tree: WebTree, section: Section, files: list[Path]) -> ClientCertificates | None:
    kind, where = tree.text(section, "client_auth_type") or ("NoClientCert", "")
    authorities = content_of(tree, section, "client_ca", files)
    names = tree.texts(section, "client_allowed_sans")
    if kind in UNVERIFIED:
        fix = f"Use {VERIFIED[1]} with client_ca_file, or leave it out."
        tree.problems.append(Problem(where, f"is {kind}: Python can't take a certificate without verifying it.", fix))
    elif kind not in ("NoClientCert", *VERIFIED):
        fix = f"Use NoClientCert, {' or '.join(VERIFIED)}."
        tree.problems.append(Problem(where, "is not a way to ask for client certificates.", fix))
    elif authorities and kind == "NoClientCert":
        what = "has no effect: clients aren't asked for a certificate."
        tree.problems.append(Problem(authorities[1], what, f"Add client_auth_type: {VERIFIED[1]}"))
    if authorities:
        tree.attempt(authorities[1], lambda: check_authorities(authorities[0]))
    if names is not None and kind != VERIFIED[1]:
        what = "has no effect on clients without a certificate."
        tree.problem(section["client_allowed_sans"], what, f"Add client_auth_type: {VERIFIED[1]}")
    elif names == []:
        tree.problem(
            section["client_allowed_sans"], "is empty: no client could connect.", "Name some, or leave it out."
        )
    if kind not in VERIFIED:
        return None
    allowed = None if names is None else frozenset(name for name, _ in names)
    return ClientCertificates(kind == VERIFIED[1], authorities[0] if authorities else None, allowed)


def check_authorities(content: bytes, effect: str = "no client could connect") -> None:
    """Raise `InvalidValue` unless these are certificates; `effect` says what would come of it."""
    try:
        if x509.load_pem_x509_certificates(content):
            return
    except UNREADABLE:
        pass
    fix = "It begins with -----BEGIN CERTIFICATE-----."
    raise InvalidValue(f"has no certificate in PEM, or a damaged one: {effect}.", fix)
