"""Reads and checks the file of `--http-config`, in the form of `http_config` of Prometheus and promtool."""

import base64
import re
from functools import partial

import yaml

from exporter.config.clientcontext import client_context
from exporter.config.files import read
from exporter.config.httpmodel import ClientTls, HttpConfig
from exporter.config.problems import ConfigError, InvalidValue, Problem
from exporter.config.raw import RawValue
from exporter.config.webtls import check_authorities, check_pair, content_of, read_version
from exporter.config.webtree import Section, WebTree
from exporter.config.yamltree import compose

BASIC, OTHER, TLS, HEADERS = "basic_auth", "authorization", "tls_config", "http_headers"
KEYS = (BASIC, OTHER, TLS, HEADERS)
_PROXY = "Leave it out: connections are direct."
NOT_HERE = {
    "bearer_token": f"Write it as {OTHER}: with credentials.",
    "bearer_token_file": f"Write it as {OTHER}: with credentials_file.",
    "oauth2": f"Get a token by other means, and write its file as {OTHER}: with credentials_file.",
    "follow_redirects": "Leave it out: a redirect is an error, because the password would be sent there.",
    "enable_http2": "Leave it out: it is HTTP/1.1.",
} | dict.fromkeys(("proxy_url", "no_proxy", "proxy_from_environment", "proxy_connect_header"), _PROXY)
"""Keys that Prometheus has and this program hasn't, and what to do."""
TLS_KEYS = (
    *("ca", "cert", "key", "ca_file", "cert_file", "key_file"),
    *("server_name", "insecure_skip_verify", "min_version", "max_version"),
)
RESERVED = re.compile(
    r"(?i)authorization|host|content-.*|user-agent|connection|keep-alive|transfer-encoding|te|trailer|upgrade|expect"
    r"|proxy-auth.*|www-authenticate|accept-encoding|x-prometheus-remote-.*"
)
"""Headers that this program sets itself."""

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
_HEADER_EXAMPLE = "Write `values: [VALUE]` below it, indented; or secrets: or files: instead of values:."


def read_http_file(given: RawValue) -> HttpConfig:
    """Return the content of the file, with the files that it names. Raises `ConfigError` with all problems.

    No message has a value of the file: it may be a secret in the wrong place.
    """
    problems: list[Problem] = []
    http = HttpConfig()
    try:
        root = compose(given.path)
        if root is not None:
            http = _Reader(given.path, problems).file(root)
    except InvalidValue as error:
        problems.append(error.at(given.where))
    if problems:
        raise ConfigError(problems)
    return http


class _Reader(WebTree):
    """Reads the sections of one file."""

    def file(self, root: yaml.Node) -> HttpConfig:
        """Read the whole file."""
        self._secrets: list[str] = []
        top = self.section(root, str(self.path), "", (*KEYS, *NOT_HERE))
        for key, fix in NOT_HERE.items():
            if key in top:
                self.problem(top[key], "is not among what this program has of Prometheus' settings.", fix)
        headers: list[tuple[str, str]] = []
        if BASIC in top:
            headers += self._basic(*top[BASIC])
        if OTHER in top:
            headers += self._authorization(*top[OTHER])
            if BASIC in top:
                self.problem(top[OTHER], f"is given together with {BASIC}.", "Leave one of them out.")
        if HEADERS in top:
            headers += self._headers(*top[HEADERS])
        tls = self._tls(*top[TLS]) if TLS in top else ClientTls()
        return HttpConfig(tuple(headers), tuple(filter(None, self._secrets)), tls)

    def _basic(self, where: str, node: yaml.Node) -> list[tuple[str, str]]:
        section = self.section(node, where, BASIC, ("username", "username_file", "password", "password_file"))
        user, password = self._line(section, "username"), self._line(section, "password")
        if not user and not {"username", "username_file"} & section.keys():
            self.problems.append(Problem(where, "has no user.", "Add username: NAME"))
        elif user and ":" in user[0]:
            self.problems.append(Problem(user[1], "has a colon: it would begin the password.", "Write the name alone."))
        pair = f"{user[0] if user else ''}:{password[0] if password else ''}".encode(errors="surrogatepass")
        return [("Authorization", f"Basic {self._secret(base64.b64encode(pair).decode())}")]

    def _authorization(self, where: str, node: yaml.Node) -> list[tuple[str, str]]:
        section = self.section(node, where, OTHER, ("type", "credentials", "credentials_file"))
        kind, kind_at = self.text(section, "type") or ("Bearer", where)
        kind = kind.strip()
        credentials = self._line(section, "credentials")
        if kind.lower() == "basic":
            self.problems.append(Problem(kind_at, "is Basic.", f"Use the section {BASIC} instead."))
        elif not _NAME.fullmatch(kind):
            self.problems.append(Problem(kind_at, "is not the name of a scheme.", "Leave it out: then it is Bearer."))
        if not credentials and not {"credentials", "credentials_file"} & section.keys():
            self.problems.append(Problem(where, "has no credentials.", "Add credentials_file: FILE"))
        return [("Authorization", f"{kind} {credentials[0]}")] if credentials else []

    def _headers(self, where: str, node: yaml.Node) -> list[tuple[str, str]]:
        """Return the headers. A place has the number of one instead of its name, which may be secret by mistake."""
        headers: list[tuple[str, str]] = []
        for name, place, value in self.entries(node, HEADERS, where, numbered=True):
            if not _NAME.fullmatch(name):
                self.problems.append(Problem(place, "is not the name of a header.", "Use letters, digits and dashes."))
            elif RESERVED.fullmatch(name):
                fix = f"Leave it out; for a password use {BASIC} or {OTHER}."
                self.problems.append(Problem(place, "is a header that this program sets itself.", fix))
            elif not isinstance(value, yaml.MappingNode):
                self.problems.append(Problem(place, "has no section with its values.", _HEADER_EXAMPLE))
            else:
                headers += [(name, text) for text in self._values(place, value)]
        return headers

    def _values(self, where: str, node: yaml.Node) -> list[str]:
        """Return the values of one header."""
        section = self.section(node, where, where.partition(" ")[2], ("values", "secrets", "files"))
        values = [self._checked(text, place) for text, place in self.texts(section, "values") or []]
        secrets = [self._checked(text, place) for text, place in self.texts(section, "secrets") or []]
        for text, place in self.texts(section, "files") or []:
            try:
                secrets.append(self._decoded(read(RawValue(text, place, self.path.parent).path), place))
            except InvalidValue as error:
                self.problems.append(error.at(place))
        if not section:
            self.problems.append(Problem(where, "has no values.", _HEADER_EXAMPLE))
        return [*values, *map(self._secret, secrets)]

    def _line(self, section: Section, name: str) -> tuple[str, str] | None:
        """Return a secret text, or that of the file which `name_file` names, and its place."""
        given = content_of(self, section, name, [], reader=read)
        if not given:
            return None
        content, where = given
        line = self._decoded(content, where)
        return line if name == "username" else self._secret(line), where

    def _decoded(self, content: bytes, where: str) -> str:
        """Return the text of a file without blanks around it, as Prometheus sends it."""
        try:
            text = content.decode().strip()
        except UnicodeDecodeError:
            self.problems.append(Problem(where, "is not UTF-8 text.", "Give the path of the right file."))
            return ""
        return self._checked(text, where)

    def _checked(self, text: str, where: str) -> str:
        if _CONTROL.search(text):
            self.problems.append(Problem(where, "has characters that no header may have.", "Use a single line."))
            return ""
        return text

    def _secret(self, text: str) -> str:
        self._secrets.append(text)
        return text

    def _tls(self, where: str, node: yaml.Node) -> ClientTls:
        before = len(self.problems)
        section = self.section(node, where, TLS, TLS_KEYS)
        content = partial(content_of, self, section, files=[], reader=read)
        authorities, certificate, key = content("ca"), content("cert"), content("key")
        if authorities:
            self.attempt(authorities[1], lambda: check_authorities(authorities[0], "no server would be trusted"))
        have = {name: name in section or f"{name}_file" in section for name in ("cert", "key")}
        for name, other in (("cert", "key"), ("key", "cert")):
            if have[name] and not have[other]:
                self.problems.append(Problem(where, f"has a {name} without a {other}.", f"Add {other}_file: FILE"))
        if certificate and key:
            self.attempt(certificate[1], lambda: check_pair(certificate[0], key[0]))
        verify = not self.switch(section, "insecure_skip_verify", default=False)
        if authorities and not verify:
            self.problem(section["insecure_skip_verify"], "is on: ca has no effect.", "Leave one of them out.")
        minimum, maximum = (
            read_version(self, section, f"{bound}_version", default) for bound, default in _VERSIONS.items()
        )
        if minimum > maximum:
            self.problem(section["min_version"], "is above max_version: no version is left.", "Leave one of them out.")
        server_name = self.text(section, "server_name")
        tls = ClientTls(
            authorities=authorities[0] if authorities else None,
            certificate=certificate[0] if certificate else None,
            key=key[0] if key else None,
            server_name=server_name[0] if server_name else None,
            verify=verify,
            minimum=minimum,
            maximum=maximum,
        )
        if len(self.problems) == before:
            self.attempt(where, lambda: client_context(tls))
        return tls


_VERSIONS = {"min": "TLS12", "max": "TLS13"}
"""The bounds of the version of TLS if they aren't given."""
