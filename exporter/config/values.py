"""Parse the text of a setting; raise `InvalidValue` with what is wrong and what would be right."""

import base64
import ipaddress
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from exporter.config.problems import InvalidValue
from exporter.metrics.groups import Group

OUR_PORT = 10019
LISTEN = f":{OUR_PORT}"
LISTEN_DEMO = f"127.0.0.1:{OUR_PORT}"
MAX_PORT = 65535
MAX_PEERS = 10_000
MAX_LENGTH = 1_000_000
MAX_SAT = 2_100_000_000_000_000
"""All bitcoin there will be, in sat."""
NONE = "none"
"""The word for an empty list."""
OWN_PATHS = ("/", "/-/healthy", "/-/ready", "/-/reload", "/sd")
"""Paths of the other pages."""

UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters, and the surrogates that Python puts for bytes of the environment that aren't UTF-8."""

_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252}[A-Za-z0-9_.])?")
_NUMBERS = re.compile(r"[0-9.]+")
_IPV4 = re.compile(r"(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}")
_UNITS_S = {"w": 604_800, "d": 86_400, "h": 3600, "m": 60, "s": 1}
_TIME = re.compile("".join(rf"(?:(?P<{unit}>\d{{1,6}}){unit})?" for unit in _UNITS_S), re.ASCII)
LONGEST_STEP_S = 300
_NODE_NAME = re.compile(r"[\w.:@/-]{1,64}")
PATH = re.compile(r"(/[\w.~-]+)+/?", re.ASCII)
"""The path of a URL."""
HASH_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{43}|[A-Za-z0-9_-]{43})=?", re.ASCII)
"""32 bytes in base64. The URL-safe form may begin with a dash, as flags do."""
HASH_HEX = re.compile("[0-9a-fA-F]{64}")
"""32 bytes as lncli shows them."""
_REQUEST = re.compile(r"(?:lightning:)?ln(?:bcrt|bc|tbs|tb|sb)[0-9]\w*", re.IGNORECASE | re.ASCII)
"""A payment request (BOLT 11), which is a secret."""
_HOST_PORT = re.compile(r"(?:\[(?P<v6>[^\]]*)\]|(?P<host>[^:\[\]]*))(?::(?P<port>.*))?")


def text(given: str) -> str:
    """Return the text as it is: a path, or an address that is parsed later."""
    return given


def server_name(given: str) -> str:
    """Return a name or IP address in the form in which TLS clients compare it; IPv6 without brackets."""
    with suppress(ValueError):
        if "%" not in given:  # a certificate names no interface (fe80::1%eth0)
            return str(ipaddress.ip_address(given.removeprefix("[").removesuffix("]")))
    name = given.lower().rstrip(".")
    if _NUMBERS.fullmatch(name) or not _HOST.fullmatch(name):
        fix = "Give one that the certificate names, without a port: openssl x509 -in tls.cert -noout -text lists them."
        raise InvalidValue(f"{given!r} is neither a host name nor an IP address.", fix)
    return name


def telemetry_path(given: str) -> str:
    """Return the path of the metrics."""
    if given in OWN_PATHS:
        raise InvalidValue(f"{given} is the path of another page.", "Use another one, such as /metrics.")
    if not PATH.fullmatch(given):
        raise InvalidValue(
            f"{given!r} is not a path.", "Begin it with / and use letters, digits and . _ ~ - only, such as /metrics."
        )
    return given


def join(host: str, port: int) -> str:
    """Return `HOST:PORT`, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def node_name(given: str) -> str:
    """Return a name for the label `node`."""
    if UNPRINTABLE.search(given):
        fix = "Use letters and digits, as UTF-8 text, such as alice or routing-1."
        raise InvalidValue(f"{given!a} can't be the name of a node: it has characters that can't be shown.", fix)
    if not _NODE_NAME.fullmatch(given):
        raise InvalidValue(
            f"{given!r} can't be the name of a node.",
            "Use 1 to 64 letters, digits and . _ - : @ / without blanks, such as alice or routing-1.",
        )
    return given


def network(given: str) -> str:
    """Return the name of a network: a directory name in lnd's directory."""
    if not re.fullmatch(r"[\w-]+", given):
        raise InvalidValue(f"{given!r} is not a network.", "Use mainnet, testnet, testnet4, signet, regtest or simnet.")
    return given


def max_peers(given: str) -> int:
    """Return a number of peers."""
    if not re.fullmatch(r"\d{1,6}", given, re.ASCII) or int(given) > MAX_PEERS:
        raise InvalidValue(
            f"{given!r} is not a number of peers.", f"Use 0 (none) to {MAX_PEERS}; each peer adds up to 19 series."
        )
    return int(given)


def list_length(given: str) -> int:
    """Return the length of a list of payments."""
    if not re.fullmatch(r"\d{1,7}", given, re.ASCII) or int(given) > MAX_LENGTH:
        raise InvalidValue(f"{given!r} is not a number of payments.", f"Use 0 to {MAX_LENGTH}, such as 10000.")
    return int(given)


def sat(given: str) -> int:
    """Return an amount in sat."""
    if not re.fullmatch(r"\d{1,16}", given, re.ASCII) or int(given) > MAX_SAT:
        raise InvalidValue(f"{given!r} is not an amount in sat.", "Write a whole number, such as 100000.")
    return int(given)


def peer(given: str) -> str:
    """Return the key of a peer, the beginning of one, or an alias, in lower case."""
    return given.strip().lower()


def groups(given: str) -> tuple[Group, ...]:
    """Return groups of series, separated by commas, in the order of `Group`; none for the word `none`."""
    if given.lower() == NONE:
        return ()
    named = {one_of(*Group)(part.strip()) for part in given.split(",")}
    return tuple(group for group in Group if group in named)


def duration(given: str) -> int:
    """Return a duration in seconds: `90s`, `10m`, `1h30m`, `2d`, `1w`."""
    match = _TIME.fullmatch(given.lower())
    if not given or not match:
        raise InvalidValue(
            f"{given!r} is not a duration.", "Write a number and s, m, h, d or w, such as 10m, 1h or 2d."
        )
    return sum(int(number or 0) * _UNITS_S[unit] for unit, number in match.groupdict().items())


def step(given: str) -> int:
    """Return the time between two samples in seconds: above 5 minutes graphs have holes (Prometheus' lookback)."""
    seconds = duration(given)
    if not 1 <= seconds <= LONGEST_STEP_S:
        raise InvalidValue(f"{given} is not between 1s and 5m.", "With more than 5m between samples graphs have holes.")
    return seconds


def durations(given: str) -> tuple[int, ...]:
    """Return durations above zero in seconds, separated by commas; none for the word `none`."""
    return _several(given, duration, "10m,1h,24h")


def block_counts(given: str) -> tuple[int, ...]:
    """Return numbers of blocks above zero, separated by commas; none for the word `none`."""

    def count(part: str) -> int:
        if not re.fullmatch(r"\d{1,6}", part, re.ASCII):
            raise InvalidValue(
                f"{part!r} is not a number of blocks.", "Write numbers with commas in between, such as 144,36."
            )
        return int(part)

    return _several(given, count, "144,36")


def _several(given: str, parse: Callable[[str], int], example: str) -> tuple[int, ...]:
    if given.lower() == NONE:
        return ()
    numbers = tuple(parse(part.strip()) for part in given.split(","))
    if 0 in numbers:
        raise InvalidValue(
            f"{given!r} has a limit of zero.", f"Give limits above zero, such as {example}, or the word none."
        )
    return numbers


def payment_hash(given: str) -> str:
    """Return a payment hash, given in hex or in either base64 alphabet, padded or not, as 64 lower-case hex digits."""
    if HASH_HEX.fullmatch(given):
        return given.lower()
    if re.fullmatch("[0-9a-fA-F]+", given):  # 43 of them could be base64, but a hash that is cut off is likelier
        digits = f"{len(given)} hex digit{'s' * (len(given) != 1)}"
        raise InvalidValue(f"{given!r} has {digits}; a hash has 64.", "Copy it whole, as lncli and `open` show it.")
    if not HASH_BASE64.fullmatch(given):
        if _REQUEST.fullmatch(given):
            raise InvalidValue("This is a payment request, not a payment hash.", "`lncli decodepayreq` shows its hash.")
        fix = "Give 64 hex digits, as lncli shows them (`lncli decodepayreq` for a payment request), or base64."
        raise InvalidValue(f"{given!r} is not a payment hash.", fix)
    return base64.b64decode(given.rstrip("=") + "=", altchars=b"-_" if {*given} & {*"-_"} else None).hex()


def switch(given: str) -> bool:
    """Return whether the text is `true`, in any case; `false` is the only other choice."""
    return one_of("true", "false")(given) == "true"


@dataclass(frozen=True, slots=True)
class OneOf:
    """A parser that accepts one of these words, in upper or lower case."""

    words: tuple[str, ...]

    def __call__(self, given: str) -> str:
        """Return the word in lower case."""
        if given.lower() in self.words:
            return given.lower()
        import difflib

        close = difflib.get_close_matches(given.lower(), self.words, n=1, cutoff=0.6)
        hint = f" Did you mean {close[0]}?" if close else ""
        raise InvalidValue(f"{given!r} is not a valid value.", f"Use one of {', '.join(self.words)}.{hint}")


@dataclass(frozen=True, slots=True)
class SeveralOf:
    """A parser of some of these words, separated by commas."""

    words: tuple[str, ...]

    def __call__(self, given: str) -> tuple[str, ...]:
        """Return the words in lower case."""
        parse = OneOf(self.words)
        return tuple(parse(part.strip()) for part in given.split(","))


def one_of(*words: str) -> OneOf:
    """Return a parser that accepts one of these words."""
    return OneOf(words)


def several_of(*words: str) -> SeveralOf:
    """Return a parser of some of these words."""
    return SeveralOf(words)


def split(given: str, usual: int, *, example: str, note: str = "") -> tuple[str, str | None]:
    """Return host and port as text; None if there is no port. `note` is added to the fix if a URL is given."""
    if "://" in given:
        scheme, _, rest = given.partition("://")
        raise InvalidValue(f"{given} has {scheme}:// in front.", f"Leave it out: {rest.partition('/')[0]}{note}")
    if _is_ipv6(given):
        return str(ipaddress.IPv6Address(given)), None
    host, _, port = given.rpartition(":")
    if _is_ipv6(host):
        raise InvalidValue(f"{given!r} is not an address.", f"Write IPv6 addresses in brackets: [{host}]:{port}")
    match = _HOST_PORT.fullmatch(given)
    if not match:
        raise InvalidValue(
            f"{given!r} is not an address.", f"Give HOST:PORT, such as {example}; IPv6 in brackets: [::1]:{usual}"
        )
    if match["v6"] is not None:
        if not _is_ipv6(match["v6"]):
            raise InvalidValue(f"[{match['v6']}] is not an IPv6 address.", f"One is [::1]:{usual}")
        return str(ipaddress.IPv6Address(match["v6"])), match["port"]
    if match["host"] and not (_IPV4 if _NUMBERS.fullmatch(match["host"]) else _HOST).fullmatch(match["host"]):
        raise InvalidValue(
            f"{match['host']!r} is neither a host name nor an IP address.", f"Give HOST:PORT, such as {example}."
        )
    return match["host"], match["port"]


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def port_of(given: str, port: str, least: int) -> int:
    """Return the number of a port."""
    if not re.fullmatch(r"\d{1,6}", port, re.ASCII) or not least <= int(port) <= MAX_PORT:
        raise InvalidValue(f"{port!r} in {given} is not a port.", f"A port is a number from {least} to {MAX_PORT}.")
    return int(port)
