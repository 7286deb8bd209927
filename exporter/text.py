"""Short texts for people: durations, amounts, states, and names that other people chose."""

import re
from enum import StrEnum
from itertools import pairwise

from exporter.payments.labels import MSAT_PER_SAT, NodeState

_UNITS = (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1))
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

STATE_TEXT: dict[NodeState, str] = {
    NodeState.UNREACHABLE: "lnd doesn't answer",
    NodeState.NO_WALLET: "lnd has no wallet",
    NodeState.LOCKED: "the wallet is locked",
    NodeState.STARTING: "lnd is starting",
    NodeState.READY: "its updates aren't flowing yet",
    NodeState.DENIED: "lnd refuses the macaroon",
    NodeState.WRONG_NODE: "another node answers",
}
"""Why no updates arrive from a node in this state."""


def sanitize(text: str) -> str:
    """Return the text with unprintable characters replaced, so that it can be encoded and shown.

    A lone surrogate (JSON can carry one) can't be encoded and would turn the whole page into an error. Control
    characters, line ends and characters that change the writing direction disturb terminals and browsers.
    """
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def format_duration(seconds: int) -> str:
    """Return a duration in its largest unit and the next smaller one: `2d 3h`, `10m`, never `1d 8m`."""
    for (unit, size_s), (smaller, smaller_s) in pairwise(_UNITS):
        if seconds >= size_s:
            rest = seconds % size_s // smaller_s
            return f"{seconds // size_s}{unit}" + (f" {rest}{smaller}" if rest else "")
    return f"{seconds}s"


def format_sat(msat: int) -> str:
    """Return an amount in sat, with three decimals if it isn't a whole number of sat."""
    sat, rest = divmod(msat, MSAT_PER_SAT)
    return f"{sat:,}" + (f".{rest:03}" if rest else "")


def with_spaces(value: StrEnum) -> str:
    """Return a label value as people write it: `in flight` for `in_flight`."""
    return value.replace("_", " ")
