"""Logging: format, order, levels, and that no secret is logged."""

import asyncio
import base64
import io
import json
import logging
import re
from collections.abc import Callable
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from exporter import log
from exporter.redact import REDACTED, redact

pytestmark = pytest.mark.usefixtures("logging_as_before")

MACAROON = bytes.fromhex("0201036c6e64022f030a10")
HEX = MACAROON.hex() + "ff" * 40
BASE64 = "AgEDbG5kAi8DChD/fake+macaroon=="
INVOICE = "lnbc25m1pvjluezpp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqypqdq5vdhkven9v5sxyetpdees"
PREIMAGE = "5e" * 32
HASH = "a1" * 32


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        """Return True."""
        return True


def configured(log_format: str = "json", level: str = "info", stream: io.StringIO | None = None) -> io.StringIO:
    """Configure logging and return the stream that it writes to."""
    stream = stream or io.StringIO()
    log.configure(level, log_format, stream)
    return stream


def event(**values: Any) -> dict[str, Any]:
    """Log an event with these values and return the parsed values, without time, level, name and logger."""
    stream = configured()
    structlog.get_logger("exporter.test").info("something happened", **values)
    read: dict[str, Any] = json.loads(stream.getvalue())
    assert read.pop("timestamp").endswith("Z")
    assert {name: read.pop(name) for name in ("level", "event", "logger")} == {
        "level": "info",
        "event": "something happened",
        "logger": "exporter.test",
    }
    return read


def log_lost_stream() -> None:
    """Log an event as the follower does."""
    log = structlog.get_logger("exporter.follow")
    log.warning("stream lost", advice="is it running?", cause="unreachable", state="away", node="alice")


def test_json_starts_with_the_most_important_keys() -> None:
    """Time, level, event, node, then the rest; advice, which may be long, comes last."""
    stream = configured()
    log_lost_stream()
    assert list(json.loads(stream.getvalue()).items())[1:] == [
        ("level", "warning"),
        ("event", "stream lost"),
        ("node", "alice"),
        ("cause", "unreachable"),
        ("state", "away"),
        ("logger", "exporter.follow"),
        ("advice", "is it running?"),
    ]


def test_console_has_the_same_order() -> None:
    """Not the alphabetical one."""
    stream = configured("console")
    log_lost_stream()
    time, _, rest = stream.getvalue().partition(" ")
    assert time.endswith("Z")
    assert " ".join(rest.split()) == (
        "[warning ] stream lost [exporter.follow] node=alice cause=unreachable state=away advice='is it running?'"
    )


@pytest.mark.parametrize(
    ("log_format", "stream", "is_json"),
    [
        ("auto", io.StringIO(), True),
        ("auto", Terminal(), False),
        ("json", Terminal(), True),
        ("console", io.StringIO(), False),
    ],
)
def test_auto_is_console_on_a_terminal(log_format: str, stream: io.StringIO, *, is_json: bool) -> None:
    """Colours are for terminals only."""
    configured(log_format, stream=stream)
    structlog.get_logger("exporter").info("hello", node="alice")
    line = stream.getvalue()
    assert line.startswith("{") == is_json
    assert ("\x1b[" in line) == (isinstance(stream, Terminal) and not is_json)


def test_level_applies_to_all_loggers() -> None:
    """Our own and those of libraries."""
    stream = configured(level="warning")
    structlog.get_logger("exporter").info("no")
    logging.getLogger("aiohttp.server").info("no")
    logging.getLogger("aiohttp.server").warning("yes, %s", "this")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["yes, this"]


def test_values_are_redacted_by_key_and_by_form() -> None:
    """Also nested ones; hashes and file paths stay."""
    assert event(
        macaroon=MACAROON,
        payment_preimage=PREIMAGE,
        headers={"Authorization": "Basic dXNlcjpwYXNzd29yZA==", "accept": "*/*"},
        metadata=(("macaroon", HEX), ("user-agent", "x")),
        raw=MACAROON,
        nested=[{"text": f"pay {INVOICE} now"}],
        error=ValueError(f"bad {BASE64}"),
        macaroon_file="/etc/payments.macaroon",
        payment_hash=HASH,
        attempts=3,
        missing=None,
    ) == {
        "macaroon": REDACTED,
        "payment_preimage": REDACTED,
        "headers": {"Authorization": REDACTED, "accept": "*/*"},
        "metadata": [["macaroon", REDACTED], ["user-agent", "x"]],
        "raw": REDACTED,
        "nested": [{"text": f"pay {REDACTED} now"}],
        "error": f"ValueError('bad {REDACTED}')",
        "macaroon_file": "/etc/payments.macaroon",
        "payment_hash": HASH,
        "attempts": 3,
        "missing": None,
    }


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        (f"paying {INVOICE}", f"paying {REDACTED}"),
        (f"lightning:{INVOICE.upper()}", f"lightning:{REDACTED}"),
        (f"lnbcrt500u1{'q' * 20}.", f"{REDACTED}."),
        (f"macaroon {HEX.upper()}!", f"macaroon {REDACTED}!"),
        (f"lndconnect://host:10009?macaroon={BASE64}", f"lndconnect://host:10009?macaroon={REDACTED}"),
        (f"{MACAROON!r} was sent", f"b'{REDACTED}"),
        (f'payment_preimage: "{PREIMAGE}"', f"payment_preimage: {REDACTED}"),
        (r'payment_preimage: "\013\"\377\'x" fee: 1', f"payment_preimage: {REDACTED} fee: 1"),
        (f'{{"payment_preimage":"{PREIMAGE}","fee":1}}', f'{{"payment_preimage":{REDACTED},"fee":1}}'),
        (f"preimage={PREIMAGE}, hash={HASH}", f"preimage={REDACTED}, hash={HASH}"),
        ("socks5://me:hunter2@127.0.0.1:9050", f"socks5://me:{REDACTED}@127.0.0.1:9050"),
        ("https://me@x:8080 and https://x:8080/a@b", "https://me@x:8080 and https://x:8080/a@b"),
        ("Authorization: Basic dXNlcjpwYXNz", f"Authorization: Basic {REDACTED}"),
        ("password = 'hunter2'", f"password = {REDACTED}"),
        (f"alice: $2y$10${'aB./' * 13}c is wrong", f"alice: {REDACTED} is wrong"),
        (f"-----BEGIN EC PRIVATE KEY-----\n{'aB+/' * 16}\n{'cD' * 9}==\n", f"-----BEGIN EC PRIVATE KEY-----{REDACTED}"),
        ("--web.health-without-password, --web.config.file", "--web.health-without-password, --web.config.file"),
        ("wallet locked, unlock it to enable full RPC access", "wallet locked, unlock it to enable full RPC access"),
        (f"payment {HASH} through {'02' * 33}", f"payment {HASH} through {'02' * 33}"),
        (
            "cannot determine data format of binary-encoded macaroon",
            "cannot determine data format of binary-encoded macaroon",
        ),
    ],
)
def test_secrets_are_redacted_from_text(text: str, redacted: str) -> None:
    """Text that only resembles a secret stays."""
    assert redact(text) == redacted


def test_tracebacks_are_redacted() -> None:
    """With the cause of the exception, in both formats."""
    for log_format in ("json", "console"):
        stream = configured(log_format)
        try:
            try:
                raise KeyError(INVOICE)
            except KeyError as error:
                raise ValueError(f"preimage={PREIMAGE} {HEX}") from error
        except ValueError:
            structlog.get_logger("exporter").exception("failed")
            logging.getLogger("asyncio").exception("failed with %s", INVOICE)
        text = stream.getvalue()
        assert text.count("Traceback") == 4
        assert [secret for secret in (INVOICE, PREIMAGE, HEX) if secret in text] == []


async def test_messages_of_asyncio_are_redacted() -> None:
    """As the event loop logs an exception that was never retrieved."""
    stream = configured()
    asyncio.get_running_loop().call_exception_handler(
        {"message": "Task exception was never retrieved", "exception": ValueError(INVOICE)}
    )
    read = json.loads(stream.getvalue())
    assert (read["logger"], read["level"]) == ("asyncio", "error")
    assert INVOICE not in stream.getvalue()


bech32 = st.text("qpzry9x8gf2tvdw0s3jn54khce6mua7l", min_size=20, max_size=400)
invoices = st.builds(
    "ln{}{}1{}".format,
    st.sampled_from(["bc", "tb", "tbs", "bcrt", "sb"]),
    st.one_of(st.just(""), st.builds("{}{}".format, st.integers(1, 10**9), st.sampled_from(["", *"munp"]))),
    bech32,
)
macaroons = st.binary(max_size=300).map(lambda rest: b"\x02\x01\x03lnd" + rest)
words = st.text("abc xyz: ,", max_size=20)
secrets = st.one_of(
    invoices,
    invoices.map(str.upper),
    macaroons.map(bytes.hex),
    macaroons.map(lambda macaroon: macaroon.hex().upper()),
    macaroons.map(lambda macaroon: base64.b64encode(macaroon).decode()),
    macaroons.map(lambda macaroon: base64.urlsafe_b64encode(macaroon).decode().rstrip("=")),
)
surroundings = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(secret=secrets, before=surroundings, after=surroundings, key=surroundings)
def test_secrets_are_redacted_everywhere_in_an_event(secret: str, before: str, after: str, key: str) -> None:
    """Payment requests and macaroons in the text, values, keys, nested values and exceptions."""
    stream = configured()
    text = f"{before}{secret}{after}"
    logger = structlog.get_logger("exporter")
    logger.info(text, **{f"key {key}": text, "deep": {text: [{"a": (text, {text})}]}, "error": ValueError(text)})
    logging.getLogger("grpc").warning("%s", text)
    try:
        raise RuntimeError(text)
    except RuntimeError:
        logger.exception("failed")
    assert secret not in stream.getvalue()


@pytest.mark.parametrize("escape", [str, repr, json.dumps, lambda text: json.dumps(repr(text))])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "  \n\t"])
@pytest.mark.parametrize("width", [5, 60, 76])
@pytest.mark.parametrize("form", [bytes.hex, lambda raw: base64.b64encode(raw).decode()])
def test_macaroon_over_several_lines_is_redacted(
    form: Callable[[bytes], str], width: int, end: str, encoding: str, escape: Callable[[str], str]
) -> None:
    """As a file may hold it, decoded in any way: one `[redacted]` replaces all lines, and the text after it stays."""
    whole = form(MACAROON + bytes(range(7, 250)))
    lines = [whole[at : at + width] for at in range(0, len(whole), width)]
    text = escape(end.join(lines).encode(encoding).decode("latin-1"))
    found = redact(f"macaroon {text}\nfound bad\n")
    around = re.fullmatch(r"macaroon \W*\[redacted\](.*)\nfound bad\n", found)
    assert around is not None, found
    assert re.fullmatch(r"(\0|\\+x00|\\+u0000|\\*['\"])*", around[1]), (
        "only a quotation mark, or half of a UTF-16 character, may be left"
    )


@given(rest=st.text("0123456789abcdef", min_size=16, max_size=64), before=words)
def test_repr_of_macaroon_bytes_is_redacted(rest: str, before: str) -> None:
    """Also inside the `repr` of another object."""
    stream = configured()
    macaroon = b"\x02\x01\x03lnd\x02" + rest.encode()
    structlog.get_logger("exporter").info(f"{before} {macaroon!r}", call=[{"metadata": WithRepr(macaroon)}])
    read = json.loads(stream.getvalue())
    assert (read["event"], read["call"]) == (f"{before} b'{REDACTED}", [{"metadata": f"<WithRepr b'{REDACTED}"}])


class WithRepr:
    """An object whose `repr` contains a macaroon."""

    def __init__(self, macaroon: bytes) -> None:
        self.macaroon = macaroon

    def __repr__(self) -> str:
        """Return the bytes in it, too."""
        return f"<WithRepr {self.macaroon!r}>"


@given(
    preimage=st.binary(min_size=32, max_size=32).map(bytes.hex),
    name=st.sampled_from(["preimage", "payment_preimage", "Preimage"]),
)
def test_preimages_are_redacted_by_their_name(preimage: str, name: str) -> None:
    """In values, in JSON, and in the text forms of protobuf and Python."""
    stream = configured()
    structlog.get_logger("exporter").info(
        f'{name}: "{preimage}"',
        **{name: preimage},
        body=json.dumps({name: preimage}),
        inner=[{name: preimage}],
        text=repr({name: preimage}),
    )
    assert preimage not in stream.getvalue()
