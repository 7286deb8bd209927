"""Reads and checks the web file (`--web.config.file`), in the format of all Prometheus exporters (exporter-toolkit)."""

import re
from collections.abc import Iterable
from pathlib import Path

import yaml

from exporter.config.bcrypthash import BcryptHash, parse_hash
from exporter.config.problems import ConfigError, InvalidValue, Problem
from exporter.config.raw import RawValue
from exporter.config.webmodel import RateLimit, WebFile
from exporter.config.webtls import SECTION, read_regular, read_tls
from exporter.config.webtree import WebTree
from exporter.config.yamltree import compose

KEYS = (SECTION, "http_server_config", "rate_limit", "basic_auth_users")
HEADERS: dict[str, tuple[str, ...]] = {
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
    "Content-Security-Policy": (),
}
"""The headers that may be set, with their only values, if they are few."""

LARGEST = 64 << 10
"""Bytes of the file: some 800 users. It is read between two requests, which a megabyte would delay for ten seconds."""

_LINE_END = re.compile(r"[\r\n]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_UNITS_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h)"
_DURATION = re.compile(rf"[+]?(?:{_PART})+")
_PARTS = re.compile(r"([0-9.]+)([a-zµμ]+)")
_LONGEST_S = 86_400.0
_MOST = 1_000_000


class WebFileError(ConfigError):
    """The web file can't be used. Its text names every problem, and never contains a value of the file."""

    def __init__(self, problems: Iterable[Problem], files: tuple[Path, ...]) -> None:
        """Take the problems, and the files that were looked at: when one of them changes, it is worth another try."""
        super().__init__(problems)
        self.files = files


def check_web_file(given: RawValue | None, problems: list[Problem]) -> Path | None:
    """Return the path of the file, and add what is wrong in it to the problems; None if none is given."""
    if given is None or not given.text:
        return None
    try:
        path = given.path
        read_web_file(path, given.where)
    except InvalidValue as error:
        problems.append(error.at(given.where))
        return None
    except WebFileError as error:
        problems += error.problems
        return None
    return path


def read_web_file(path: Path, where: str = "--web.config.file") -> WebFile:
    """Return the content of the file, with the certificates and the key that it names. Raises `WebFileError`."""
    problems: list[Problem] = []
    files = [path]
    file = WebFile(files=(path,))
    try:
        read_regular(path)
        root = compose(path, LARGEST)
        if root is not None:
            file = _read(WebTree(path, problems), root, files)
    except InvalidValue as error:
        problems.append(error.at(where))
    if problems:
        raise WebFileError(problems, tuple(files))
    return file


def _read(tree: WebTree, root: yaml.Node, files: list[Path]) -> WebFile:
    top = tree.section(root, str(tree.path), "", KEYS)
    tls = None
    if SECTION in top:
        tls = read_tls(tree, top[SECTION][1], top[SECTION][0], files)
    headers: list[tuple[str, str]] = []
    if "http_server_config" in top:
        where, node = top["http_server_config"]
        http = tree.section(node, where, "http_server_config", ("http2", "headers"))
        if tree.switch(http, "http2", default=False):
            fix = "Write false, or leave it out: Prometheus uses HTTP/1.1 then."
            tree.problem(http["http2"], "is on, but this exporter has no HTTP/2.", fix)
        if "headers" in http:
            headers = _headers(tree, *http["headers"])
    limit = _rate_limit(tree, *top["rate_limit"]) if "rate_limit" in top else None
    users = _users(tree, *top["basic_auth_users"]) if "basic_auth_users" in top else {}
    return WebFile(tls, tuple(headers), users, limit, tuple(files))


def _headers(tree: WebTree, where: str, node: yaml.Node) -> list[tuple[str, str]]:
    headers = []
    section = tree.section(node, where, where.partition(" ")[2], tuple(HEADERS), with_empty=True)
    for name, (place, _) in section.items():
        given = tree.text(section, name)
        if given is None:
            continue
        value = _LINE_END.sub(" ", given[0]).strip()  # as Go sends it
        if HEADERS[name] and given[0] not in HEADERS[name]:
            fix = f"Use {' or '.join(HEADERS[name])}."
            tree.problems.append(Problem(place, "is not a value of this header.", fix))
        elif _CONTROL.search(value):
            tree.problems.append(Problem(place, "has characters that no header may have.", "Use letters, digits, ..."))
        elif value:
            headers.append((name, value))
    return headers


def _users(tree: WebTree, where: str, node: yaml.Node) -> dict[bytes, BcryptHash]:
    """Return the users. A place has the number of a user instead of the name: the two may have been swapped."""
    users: dict[bytes, BcryptHash] = {}
    for name, place, value in tree.entries(node, "basic_auth_users", where, numbered=True):
        given = tree.scalar(place, value)
        if given is None:
            continue
        if ":" in name:
            tree.problems.append(
                Problem(place, "has a colon in the name: nobody could log in.", "Choose another name.")
            )
            continue
        try:
            users[name.encode("utf-8", "surrogatepass")] = parse_hash(given[0])
        except InvalidValue as error:
            tree.problems.append(error.at(place))
    return users


def _rate_limit(tree: WebTree, where: str, node: yaml.Node) -> RateLimit | None:
    section = tree.section(node, where, "rate_limit", ("interval", "burst"))
    interval, burst = tree.text(section, "interval"), tree.text(section, "burst")
    interval_s, count = 0.0, 0
    if interval:
        try:
            interval_s = _duration_s(interval[0])
        except InvalidValue as error:
            tree.problems.append(error.at(interval[1]))
            return None
    if burst:
        if not re.fullmatch(r"[0-9]{1,7}", burst[0]) or int(burst[0]) > _MOST:
            tree.problems.append(Problem(burst[1], "is not a number of requests.", f"Use 1 to {_MOST}."))
            return None
        count = int(burst[0])
    if interval_s and not count:
        what = "lets no request through: burst is missing, or zero."
        tree.problems.append(
            Problem(burst[1] if burst else where, what, "Add how many requests may come at once: burst: 10")
        )
    return RateLimit(interval_s, count) if interval_s and count else None


def _duration_s(text: str) -> float:
    """Return a duration in seconds, as Go writes it: `1s`, `1m30s`, `1.5h`, `250ms`; `0` needs no unit."""
    if text == "0":
        return 0.0
    if not _DURATION.fullmatch(text):
        raise InvalidValue("is not a duration with a unit.", "Write a number and ms, s, m or h, such as 1s or 250ms.")
    seconds = sum(float(number) * _UNITS_S[unit] for number, unit in _PARTS.findall(text))
    if seconds > _LONGEST_S:
        raise InvalidValue("is longer than a day.", "It is the time between two requests: try 1s.")
    return seconds
