"""Removes secrets from text: the last defence before it reaches a log, a terminal or a page.

It should never find any, because secrets are dropped as soon as lnd has sent them. It protects against a message that
is logged unchanged, and against a macaroon pasted in place of its file name. Payment hashes are not secret but look
exactly like preimages, so preimages are recognised only by the name in front of them.
"""

import re

REDACTED = "[redacted]"

SECRET_KEY = re.compile(
    r"(?i)(?:macaroon|preimage|payment_?request|pay_?req|bolt_?11|password|passphrase|authorization)(?!\w*_(?:file|path)$)"
)
"""Matches a key whose value is secret; `macaroon_file` and `macaroon_path` hold a path, not a secret."""

_NAMED = r"(?i)(?P<name>(?:preimage|(?<!without[-_])password|passphrase|authorization)(?:\\*['\"])?\s*[:=,]\s*)"

# A line end, raw or as Python and JSON escape it, or a zero byte of UTF-16. Together with blanks it may separate the
# lines of a macaroon that is stored as text.
_LINE_END = r"(?:[\r\n\0]|\\+(?:[rnt]|x00|u0000))"
_GAP = rf"(?:[ \t]|{_LINE_END})*"


def _in_lines(begin: str, letter: str) -> str:
    """Return a pattern for `begin` and the letters after it, with the next lines that are long or hold only letters."""
    line = rf"(?:{letter}{{16,}}+|{letter}++(?=[ \t]*(?:{_LINE_END}|['\"]|$)))"
    return rf"{_GAP.join(begin)}{letter}*+(?:[ \t]*{_LINE_END}{_GAP}{line})*"


SECRETS: tuple[tuple[re.Pattern[str], str], ...] = (
    # BOLT 11 payment requests of every network, complete or truncated; in upper case as in QR codes, too.
    (re.compile(r"(?i)ln(?:bcrt|bc|tbs|tb|sb)\d*[munp]?1[0-9a-z]{6,}"), REDACTED),
    # Macaroons of lnd begin with 02 01 03 "lnd": in hex, in base64, as bytes printed by Python and protobuf, and raw.
    (re.compile(rf"(?i){_in_lines('0201036c6e64', '[0-9a-f]')}"), REDACTED),
    (re.compile(_in_lines("AgEDbG5k", "[A-Za-z0-9+/_=-]")), REDACTED),
    (re.compile(r"(?:\\x02\\x01\\x03|\\002\\001\\003|\x02\x01\x03)lnd[^\n]*"), REDACTED),
    # Hashes of passwords (bcrypt), and private keys in PEM.
    (re.compile(r"\$2[a-z]?\$\d\d\$[A-Za-z0-9./]{20,}"), REDACTED),
    (re.compile(r"(?<=PRIVATE KEY-----)(?:\s|\\+[rn])+[A-Za-z0-9+/=:,\s\\-]{16,}"), REDACTED),
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
    """Return the text without anything that looks like a macaroon, a preimage, a password or a payment request."""
    for pattern, replacement in SECRETS:
        text = pattern.sub(replacement, text)
    return text
