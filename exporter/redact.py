"""Takes secrets out of text: the last defence before anything reaches a log, a terminal or a page.

Nothing here is meant to happen: what is secret is dropped as soon as lnd has sent it. This is for the day when
somebody logs a message as it came, or pastes a macaroon where its file should be named. Payment hashes are no secret
and look exactly like preimages, so preimages are known only by the name in front of them.
"""

import re

REDACTED = "[redacted]"

SECRET_KEY = re.compile(
    r"(?i)(?:macaroon|preimage|payment_?request|pay_?req|bolt_?11|password|passphrase|authorization)(?!\w*_(?:file|path)$)"
)
"""A key whose value is secret; `macaroon_file` and `macaroon_path` name a place, not a secret."""

_NAMED = r"(?i)(?P<name>(?:preimage|password|passphrase|authorization)(?:\\*['\"])?\s*[:=,]\s*)"

# An end of a line, as it is or as Python and JSON show it, or a zero byte of UTF-16: together with blanks it may stand
# between two pieces of a macaroon that is kept as text.
_END = r"(?:[\r\n\0]|\\+(?:[rnt]|x00|u0000))"
_GAP = rf"(?:[ \t]|{_END})*"


def _in_lines(begin: str, letter: str) -> str:
    """A pattern for `begin` and all letters after it, also in the next lines: those that are long, or nothing else."""
    line = rf"(?:{letter}{{16,}}+|{letter}++(?=[ \t]*(?:{_END}|['\"]|$)))"
    return rf"{_GAP.join(begin)}{letter}*+(?:[ \t]*{_END}{_GAP}{line})*"


SECRETS: tuple[tuple[re.Pattern[str], str], ...] = (
    # BOLT 11 payment requests of every network, whole or cut off, in capitals as in QR codes too.
    (re.compile(r"(?i)ln(?:bcrt|bc|tbs|tb|sb)\d*[munp]?1[0-9a-z]{6,}"), REDACTED),
    # Macaroons of lnd begin with 02 01 03 "lnd": in hex, in base64, as Python and protobuf print bytes, and raw.
    (re.compile(rf"(?i){_in_lines('0201036c6e64', '[0-9a-f]')}"), REDACTED),
    (re.compile(_in_lines("AgEDbG5k", "[A-Za-z0-9+/_=-]")), REDACTED),
    (re.compile(r"(?:\\x02\\x01\\x03|\\002\\001\\003|\x02\x01\x03)lnd[^\n]*"), REDACTED),
    # `socks5://user:password@host`
    (re.compile(r"(?P<name>://[^\s/:@]*:)[^\s/@]+(?=@)"), rf"\g<name>{REDACTED}"),
    # `authorization: Basic dXNlcjpw...`
    (re.compile(r"(?i)\b(?P<name>(?:basic|bearer) )[A-Za-z0-9+/_.~=-]{8,}"), rf"\g<name>{REDACTED}"),
    # `payment_preimage: "..."`, `'preimage': b'...'`, `("password", "...")`: to the closing quote or end of line
    (re.compile(_NAMED + r"b?\\*(?P<quote>['\"])(?:\\.|(?!(?P=quote))[^\\\n])*(?P=quote)?"), rf"\g<name>{REDACTED}"),
    # `preimage=...`
    (re.compile(_NAMED + r"[A-Za-z0-9+/_=-]{6,}"), rf"\g<name>{REDACTED}"),
)


def redact(text: str) -> str:
    """The text without anything that looks like a macaroon, a preimage, a password or a payment request."""
    for pattern, replacement in SECRETS:
        text = pattern.sub(replacement, text)
    return text
