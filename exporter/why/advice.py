"""What to do about each verdict."""

from exporter.explain.answers import Answers
from exporter.explain.verdict import Judgement, Verdict
from exporter.payments.labels import Reason
from exporter.payments.payment import NS_PER_S
from exporter.text import with_spaces
from exporter.why.texts import may_ask_more

_ADVICE: dict[Verdict, tuple[str, ...]] = {
    Verdict.PAID: (),
    Verdict.PAID_LATE: (
        "Whoever made it may have been told that it failed: tell them that it is paid, before they pay again.",
    ),
    Verdict.ON_ITS_WAY: ("Wait: most HTLCs are resolved within seconds. `track` with this hash follows it.",),
    Verdict.HELD_NOW: (
        "Don't pay the recipient by another invoice: this one may still succeed. Otherwise the amount comes back.",
        "Ask the recipient: hold invoices (swaps, shops that confirm by hand) are held on purpose.",
        "Any other node of the route may hold it as well: lnd doesn't say which one does.",
        "Keep lnd running: at that block it closes the channel to get the amount back on chain.",
        "If the direct peer is offline, reconnect it before: lncli connect KEY@HOST:PORT",
    ),
    Verdict.GHOST: (
        "Ask again in a minute: lnd may just be removing the HTLC from the channel.",
        "Before you pay by another invoice, ask the recipient whether this one was paid.",
        "Reconnect the peer, in case it has never acknowledged the HTLC: lncli disconnect KEY, then lncli connect.",
        "If that doesn't help, restart lnd at a quiet moment: it asks again for the result of each HTLC in flight.",
        "If it is in flight even then, report it to lnd with its log.",
    ),
    Verdict.BETWEEN_ATTEMPTS: ("Wait: lnd makes another attempt, or gives it up.",),
    Verdict.STUCK: (
        "Restart lnd: it takes up again what is in flight, and ends it.",
        "Until lnd reports its end, don't pay the recipient by another invoice.",
    ),
    Verdict.OWN_LIQUIDITY: ("Pay less, or get balance to this side: receive, rebalance, swap in, or open a channel.",),
    Verdict.OWN_CHANNEL: ("Is the peer online, and the channel active? lncli listchannels --peer KEY",),
    Verdict.OWN_INACTIVE: (
        "Bring the peers back that are offline: lncli connect KEY@HOST:PORT (lncli getnodeinfo KEY has the address).",
        "If all of them are offline, it is rather this node: its network, firewall, Tor.",
    ),
    Verdict.ROUTE_LIQUIDITY: (
        "Try again later, with a smaller amount, or in more parts (`max_parts`).",
        "If it happens often: a channel with a better connected peer, or with the recipient.",
    ),
    Verdict.ROUTE_POLICY: ("Try again: lnd learns new fees and time locks from the refusals.",),
    Verdict.NO_ROUTE: (
        "Has the recipient been offline for long? Then other nodes have disabled its channels.",
        "Has it only private channels? Then its invoice needs route hints.",
        "Does this lnd know the network? lncli getinfo shows `synced_to_graph`.",
    ),
    Verdict.RECIPIENT: (
        "Ask the recipient for a new invoice: it doesn't know this one, has cancelled it, or it is paid already.",
    ),
    Verdict.RECIPIENT_LIQUIDITY: (
        "Pay less, or in more parts (`max_parts`).",
        "Tell the recipient that it needs inbound balance: no setting here helps.",
    ),
    Verdict.RECIPIENT_UNREACHABLE: ("Tell the recipient, and try again when it is online: nothing here helps.",),
    Verdict.HELD: (
        "Ask the recipient whether it holds its invoices on purpose.",
        "A longer timeout of the payment (`timeout_seconds`) gives lnd time for more attempts.",
    ),
    Verdict.CALLER: ("Nothing: it was meant.",),
    Verdict.UNREADABLE: ("Try again. If it is always the same direct peer, prefer others.",),
    Verdict.OTHER: ("Look for this hash in lnd's log.",),
    Verdict.INVOICE_EXPIRED: ("Ask the recipient for a new invoice.",),
    Verdict.FEE_LIMIT: (
        "Pay again with a limit above the fee that lnd finds now: `fee_limit_sat`, or `lncli payinvoice --fee_limit`.",
        "SendPaymentV2 takes an unset limit for 0: then only routes without any fee are allowed.",
        "If the limit was higher, the caller may have prescribed a first channel or a last peer.",
        "Or what stopped it then has passed.",
    ),
    Verdict.TOO_LARGE: (
        "Pay again in several parts: `max_parts` is 16 in lncli, and 1 where the caller doesn't set it.",
        "The recipient must accept parts, and each part must find a route.",
        "Or pay less, or open a larger channel.",
    ),
    Verdict.RECIPIENT_AVOIDED: (
        "Tell the recipient: is its node online, has it inbound balance for this amount? No setting here helps.",
        "lnd tries that step again after some minutes.",
    ),
    Verdict.ROUTE_AVOIDED: (
        "Try again after some minutes: lnd then tries again what has failed.",
        "Or with a smaller amount, or in more parts (`max_parts`).",
    ),
    Verdict.TIMEOUT: (
        "Try again, with more time (`timeout_seconds`).",
        "`track` with the hash shows each attempt while it is made.",
    ),
    Verdict.UNEXPLAINED: ("Try again, while `track` with the hash shows each attempt.",),
}
_ASK_MORE = "Ask again with the macaroon below: then lnd is asked for a route, which tells why in most cases."
_PROBE = "It has no invoice: if it was a probe, by which somebody looked for a route, it was meant to be refused."


def advice(answers: Answers, judgement: Judgement) -> tuple[str, ...]:
    """Return what to do, the most useful first."""
    sentences = _ADVICE[judgement.verdict]
    payment, invoice = answers.detail.payment, answers.invoice
    if not payment.status.ended and payment.reason is not Reason.NONE:
        given_up = f"lnd has given it up ({with_spaces(payment.reason)}) and makes no more attempts."
        return (given_up, *sentences)
    if judgement.verdict is Verdict.UNEXPLAINED and may_ask_more(answers):
        return (_ASK_MORE, *sentences)
    if judgement.verdict is Verdict.RECIPIENT and not payment.invoice:
        return (_PROBE, *sentences)
    expired = invoice is not None and invoice.expires_s * NS_PER_S <= answers.at_ns
    if expired and payment.status.ended and judgement.verdict is not Verdict.INVOICE_EXPIRED:
        return ("The invoice has expired meanwhile: ask for a new one.", *sentences)
    if answers.found.likely and judgement.verdict is not Verdict.FEE_LIMIT:
        return ("Pay again: lnd finds a route now, see above.", *sentences)
    return sentences
