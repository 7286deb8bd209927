"""The verdict in one line: a sentence for each verdict."""

from exporter.explain.answers import Answers, NotAnswered
from exporter.explain.verdict import Judgement, Verdict
from exporter.payments.detail import RoutedAttempt
from exporter.payments.findings import Route
from exporter.payments.node import BLOCK_S
from exporter.text import format_duration, format_sat
from exporter.track.table import describe_status, format_duration_ns, format_node

MILLION = 1_000_000


def summary(answers: Answers, judgement: Judgement) -> str:
    """Return the verdict in one line, for example `failed: no route; probably its fee limit was too low: ...`."""
    verdict = judgement.verdict
    status = describe_status(answers.detail, answers.at_ns)
    if verdict in (Verdict.PAID, Verdict.PAID_LATE):
        payment = answers.detail.payment
        fee = format_fee(payment.fee_msat, payment.value_msat)
        return f"{status}; {format_sat(payment.value_msat)} sat for a fee of {fee}"
    because = _BECAUSE[verdict]
    if verdict is Verdict.HELD_NOW:
        because = f"{because} {held(answers)}"
    elif verdict is Verdict.GHOST:
        because = f"{because} {ghosts(answers)}"
    elif isinstance(found := answers.found.whole, Route) and verdict is Verdict.FEE_LIMIT:
        because = f"{because}: lnd finds a route for {format_fee(found.fee_msat, _amount(answers))} now"
    elif verdict is Verdict.TOO_LARGE and (balance := answers.balance) and balance.largest_msat < _amount(answers):
        because = f"{because}: no single channel of this node can send so much"
    elif verdict is Verdict.UNEXPLAINED:
        made_none = answers.counted is not None and answers.counted.attempts == 0
        because = f"{'lnd made no attempt' if made_none else because}{_not_looked_for(answers)}"
    probably = "probably " * judgement.guess
    return f"{status}; {probably}{because}"


def _not_looked_for(answers: Answers) -> str:
    """Return why no route was looked for now."""
    if answers.pays_self:
        return ", and a rebalance may take only some routes, which lnd doesn't name"
    missing = {one.call: one for one in answers.not_answered}
    if not answers.recipient and "DecodePayReq" not in missing:
        return ", and neither an invoice nor an attempt shows its recipient"
    if may_ask_more(answers):
        return "; the reason is not known, because the macaroon doesn't allow to ask lnd for a route now"
    return "; the reason is not known, because lnd could not be asked for a route now"


def may_ask_more(answers: Answers) -> bool:
    """Return True if a macaroon with more permissions would let lnd be asked for a route."""
    return any(one.denied and one.call in ("DecodePayReq", "QueryRoutes") for one in answers.not_answered)


def not_asked(missing: NotAnswered) -> str:
    """Return a question that lnd hasn't answered, lnd's name for it, and why."""
    question = _QUESTIONS.get(missing.call)
    return f"{question} ({missing.call}): {missing.advice}" if question else f"{missing.call}: {missing.advice}"


def held(answers: Answers) -> str:
    """Return through whom its HTLCs went, for how long the oldest has been held, and until when that can last."""
    detail = answers.detail
    waiting = [one for one in detail.attempts if one.in_flight]
    peers = dict.fromkeys(format_node(one.attempt.peer, answers.aliases) for one in waiting)
    since_ns = min(one.attempt.attempt_ns for one in waiting)
    age = format_duration_ns(max(0, answers.at_ns - since_ns))
    return f"through {' and '.join(peers)} for {age}, {until(answers, *waiting)}"


def ghosts(answers: Answers) -> str:
    """Return how many of its HTLCs are on no channel."""
    gone, total = len(answers.ghosts), answers.detail.in_flight
    some = "an HTLC that is" if total == 1 else f"{gone} of its {total} HTLCs, which {'are' if gone > 1 else 'is'}"
    return f"{some} on no channel any more"


def until(answers: Answers, *waiting: RoutedAttempt) -> str:
    """Return the block at which the first of these HTLCs expires, and about when that is."""
    heights = [one.attempt.expiry_height for one in waiting if one.attempt.expiry_height]
    if not heights:
        return "until a block that lnd doesn't name"
    first, now = min(heights), answers.info.block_height if answers.info else 0
    if not now:
        return f"until block {first:,} at the latest"
    if first <= now:
        return f"past its expiry at block {first:,} (the chain is at {now:,})"
    left = first - now
    about = format_duration(left * BLOCK_S)
    return f"until block {first:,} at the latest, which is {left:,} block{'s' * (left != 1)} or about {about} away"


def format_fee(fee_msat: int, amount_msat: int) -> str:
    """Return a fee in sat and parts per million: `3.1 sat (31 ppm)`."""
    ppm = f" ({round(fee_msat * MILLION / amount_msat):,} ppm)" if amount_msat else ""
    return f"{format_sat(fee_msat)} sat{ppm}"


def _amount(answers: Answers) -> int:
    return answers.detail.payment.value_msat


_QUESTIONS: dict[str, str] = {
    "GetInfo": "which node this is, and at which block the chain is",
    "ListChannels": "what the channels of this node can send, and the names of its peers",
    "DecodePayReq": "who is to be paid, so that a route can be asked for, and when the invoice expires",
    "QueryRoutes": "whether there is a route now",
    "GetNodeInfo": "the names of other nodes",
}
_BECAUSE: dict[Verdict, str] = {
    Verdict.ON_ITS_WAY: "its HTLC is on its way",
    Verdict.HELD_NOW: "it is held",
    Verdict.GHOST: "lnd waits for the end of",
    Verdict.BETWEEN_ATTEMPTS: "lnd is looking for a route, no HTLC is outstanding",
    Verdict.STUCK: "lnd has got stuck with it, no HTLC is outstanding",
    Verdict.OWN_LIQUIDITY: "this node's channels could not send so much",
    Verdict.OWN_CHANNEL: "a channel of this node could not be used",
    Verdict.OWN_INACTIVE: "peers of this node are offline, and its balance is with them",
    Verdict.ROUTE_LIQUIDITY: "channels on the way lacked balance",
    Verdict.ROUTE_POLICY: "nodes on the way refused it or were gone",
    Verdict.NO_ROUTE: "no route leads to the recipient",
    Verdict.RECIPIENT: "the recipient refused it",
    Verdict.RECIPIENT_LIQUIDITY: "the channels to the recipient that were tried have no room for so much",
    Verdict.RECIPIENT_UNREACHABLE: "the recipient can't be reached: it is offline, or its channels are closed",
    Verdict.HELD: "an HTLC was held for so long that its time ran out",
    Verdict.CALLER: "whoever made it has cancelled it",
    Verdict.UNREADABLE: "a failure on the way was unreadable",
    Verdict.OTHER: "lnd doesn't say more",
    Verdict.INVOICE_EXPIRED: "the invoice had expired",
    Verdict.FEE_LIMIT: "its fee limit was too low",
    Verdict.TOO_LARGE: "it is too large for one part",
    Verdict.RECIPIENT_AVOIDED: "the recipient is offline or can't receive so much: lnd avoids the last step to it",
    Verdict.ROUTE_AVOIDED: "channels on the way have failed: lnd avoids the route that it knows",
    Verdict.TIMEOUT: "its time ran out; lnd has deleted the attempts that would say why",
    Verdict.UNEXPLAINED: "lnd has no attempt of it",
}
