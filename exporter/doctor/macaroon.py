"""What a macaroon allows: too little, too much, for how long."""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from exporter.config import AUTO
from exporter.config.macaroons import BAKE
from exporter.doctor.finding import Area, Finding, Verdict
from exporter.lnd.client import LndError
from exporter.macaroon import Contents
from exporter.payments.labels import Interruption, NodeState

SOON = dt.timedelta(days=21)
"""A macaroon or a certificate that ends within this time is a warning, as for the alert on certificates."""
_SHOWN = 4
"""Permissions that a line lists at most."""


class Call(NamedTuple):
    """A call of the exporter."""

    method: str
    """Its path in lnd."""
    permission: str
    """The one that it needs, unless the macaroon names the call itself."""
    without: str
    """What the exporter doesn't do without it."""
    needed: bool = True
    """Whether the exporter can't follow the node without it."""

    @property
    def name(self) -> str:
        """Its name, as people call it."""
        return self.method.rpartition("/")[2]

    @property
    def uri(self) -> str:
        """The permission for this call alone."""
        return f"uri:{self.method}"

    def allowed_by(self, contents: Contents | None) -> bool:
        """Return whether a macaroon says that it allows this call; False also if it can't be read."""
        return contents is not None and bool({self.permission, self.uri} & contents.permissions)


_OFFCHAIN, _INFO = "offchain:read", "info:read"
_NOTHING = "nothing is counted"
TRACK_PAYMENTS = Call(
    "/routerrpc.Router/TrackPayments",
    _OFFCHAIN,
    "each payment is followed by itself, and some failed HTLC attempts are missed",
    needed=False,
)
LIST_PAYMENTS = Call("/lnrpc.Lightning/ListPayments", _OFFCHAIN, _NOTHING)
TRACK_PAYMENT = Call("/routerrpc.Router/TrackPaymentV2", _OFFCHAIN, "what became of a payment can't be asked")
GET_INFO = Call("/lnrpc.Lightning/GetInfo", _INFO, _NOTHING)
LIST_CHANNELS = Call(
    "/lnrpc.Lightning/ListChannels",
    _OFFCHAIN,
    "no aliases of peers, no balances, no offline peers as the cause of failures, no lost HTLCs",
    needed=False,
)
_NO_CHECKS = "failed payments without a route are not explained (--lnd.explain-no-route)"
DECODE = Call("/lnrpc.Lightning/DecodePayReq", _OFFCHAIN, _NO_CHECKS, needed=False)
QUERY_ROUTES = Call("/lnrpc.Lightning/QueryRoutes", _INFO, _NO_CHECKS, needed=False)
_OF_WHY = "uri:/lnrpc.Lightning/GetNodeInfo"
_OURS = {
    *(call.uri for call in (TRACK_PAYMENTS, LIST_PAYMENTS, TRACK_PAYMENT, GET_INFO, LIST_CHANNELS)),
    *(DECODE.uri, QUERY_ROUTES.uri, _OF_WHY),
}
"""Permissions for calls that the exporter or one of its commands makes."""


def judge_contents(contents: Contents | None, now: dt.datetime) -> Iterator[Finding]:
    """Yield what a macaroon says of itself, whatever lnd says of it."""
    if contents is None:
        yield Finding(Area.MACAROON, Verdict.UNKNOWN, "which permissions it has can't be read from it")
        return
    values = {"permissions": tuple(sorted(contents.permissions))}
    more = sorted(each for each in contents.permissions if each not in _OURS and not each.endswith(":read"))
    kinds = {each.partition(":")[0] for each in more if each.endswith((":write", ":generate"))}
    fix = f"bake one that can only read payments, and give the exporter that:\n{BAKE}"
    if {"onchain", "offchain", "macaroon"} <= kinds:
        what = "it can do everything, also spend all money: it is an admin macaroon"
        yield Finding(Area.MACAROON, Verdict.WARNING, what, fix, values)
    elif more:
        listed = ", ".join(more[:_SHOWN]) + f" and {len(more) - _SHOWN} more" * (len(more) > _SHOWN)
        yield Finding(Area.MACAROON, Verdict.WARNING, f"it allows what the exporter never does: {listed}", fix, values)
    elif contents.permissions <= _OURS:
        yield Finding(Area.MACAROON, Verdict.OK, "it allows only calls that the exporter makes", values=values)
    else:
        yield Finding(Area.MACAROON, Verdict.OK, "it can only read, though more than the exporter needs", values=values)
    for condition in contents.conditions:
        yield _condition(condition, now)


def _condition(condition: str, now: dt.datetime) -> Finding:
    """Return what a condition of the macaroon means."""
    kind, _, value = condition.partition(" ")
    if kind != "time-before":
        return Finding(Area.MACAROON, Verdict.OK, f"it has a condition: {condition}")
    try:
        ends = dt.datetime.fromisoformat(value[:19]).replace(tzinfo=dt.UTC)  # lnd writes UTC
    except ValueError:
        return Finding(Area.MACAROON, Verdict.UNKNOWN, f"it has a condition: {condition}")
    what = f"it is valid until {ends:%Y-%m-%d %H:%M} UTC"
    if ends - now > SOON:
        return Finding(Area.MACAROON, Verdict.OK, what)
    return Finding(Area.MACAROON, Verdict.WARNING, what, "bake a new one before, without --timeout")


def judge_answers(answers: Mapping[Call, LndError | None], mode: str) -> Iterator[Finding]:
    """Yield whether lnd accepts the macaroon, and which calls it denies.

    `answers` has the error of each call that the exporter makes in this mode.
    """
    denied = {call: error for call, error in answers.items() if error and error.state is NodeState.DENIED}
    if not denied:
        yield Finding(Area.MACAROON, Verdict.OK, "lnd accepts it, for all calls of the exporter")
    elif None not in answers.values():
        yield Finding(Area.MACAROON, Verdict.PROBLEM, "lnd refuses it", next(iter(denied.values())).advice)
    else:
        yield Finding(Area.MACAROON, Verdict.OK, "lnd accepts it, but not for all calls")
        for call in denied:
            needed, without = call.needed, call.without
            if call is TRACK_PAYMENTS and mode != AUTO:
                needed, without = True, f"{_NOTHING} (--lnd.mode={mode})"
            what = f"{call.name} is denied: {without}"
            to_do = f"bake a macaroon that has {call.uri}, too"
            verdict = Verdict.PROBLEM if needed else Verdict.WARNING
            yield Finding(Area.PERMISSION, verdict, what, to_do, {"permission": call.uri})


def other_failures(answers: Mapping[Call, LndError | None]) -> Iterator[Finding]:
    """Yield calls that failed, but not because of the macaroon: if all fail for one reason, this one reason."""
    failed = {call: error for call, error in answers.items() if error and error.state is not NodeState.DENIED}
    if failed.keys() == answers.keys() and len({error.advice for error in failed.values()}) == 1:
        yield Finding(Area.LND, Verdict.PROBLEM, "every call fails", next(iter(failed.values())).advice)
        return
    for call, error in failed.items():
        if call is TRACK_PAYMENTS and error.cause is Interruption.UNIMPLEMENTED:
            continue  # the version tells
        harmless = not call.needed or error.cause is Interruption.TIMEOUT  # the exporter waits longer
        verdict = Verdict.WARNING if harmless else Verdict.PROBLEM
        yield Finding(Area.LND, verdict, f"{call.name} fails", error.advice)
