"""Renders an explanation as text or as one line of JSON; docs/why.md describes the fields."""

import json
from typing import Any

from exporter.config.macaroons import BAKE_FOR_WHY
from exporter.explain.answers import Answers
from exporter.explain.verdict import judge
from exporter.payments.ended import EndedPayment
from exporter.payments.findings import NoRoute, Route
from exporter.payments.labels import Reason
from exporter.payments.payment import NS_PER_S
from exporter.text import sanitize
from exporter.track.document import attempt_fields
from exporter.why.advice import advice
from exporter.why.evidence import evidence
from exporter.why.texts import not_asked, summary

_OPTIONAL = "For all of this bake another macaroon and give it with --lnd.macaroon=why.macaroon:"


def to_text(answers: Answers, preface: str) -> str:
    """Return the verdict, the evidence and the advice; `preface` names the node, if it has a name."""
    judgement = judge(answers)
    lines = [f"{preface}{summary(answers, judgement)}", answers.detail.payment.payment_hash]
    lines += [f"  {line}" for line in evidence(answers)]
    if sentences := advice(answers, judgement):
        lines += ["What to do", *(f"  {sentence}" for sentence in sentences)]
    if missing := answers.not_answered:
        lines += ["Not asked", *(f"  {not_asked(one)}" for one in missing)]
        if any(one.denied for one in missing):
            lines += [f"  {_OPTIONAL}", *(f"  {line}" for line in BAKE_FOR_WHY.splitlines())]
    return "\n".join(sanitize(line) for line in lines)


def to_json(answers: Answers, node: str) -> str:
    """Return one JSON object without a line end, always ASCII."""
    judgement, detail, balance = judge(answers), answers.detail, answers.balance
    payment, invoice, found, info = detail.payment, answers.invoice, answers.found, answers.info
    elapsed_ns = detail.elapsed_ns(answers.at_ns)
    heights = [one.attempt.expiry_height for one in detail.attempts if one.in_flight and one.attempt.expiry_height]
    fields: dict[str, Any] = {
        "node": node,
        "payment_hash": payment.payment_hash,
        "asked_timestamp_seconds": answers.at_ns / NS_PER_S,
        "verdict": judgement.verdict,
        "guess": judgement.guess,
        "summary": summary(answers, judgement),
        "evidence": list(evidence(answers)),
        "advice": list(advice(answers, judgement)),
        "status": payment.status,
        "reason": None if payment.reason is Reason.NONE else payment.reason,
        "created_timestamp_seconds": payment.created_ns / NS_PER_S,
        "elapsed_seconds": None if elapsed_ns is None else elapsed_ns / NS_PER_S,
        "amount_msat": payment.value_msat,
        "fee_msat": payment.fee_msat,
        "recipient_pubkey": answers.recipient or None,
        "recipient_alias": answers.aliases.get(answers.recipient),
        "invoice_expiry_timestamp_seconds": invoice.expires_s if invoice else None,
        "htlcs": detail.in_flight,
        "ghost_htlcs": None if answers.channels is None else len(answers.ghosts),
        "first_expiry_height": min(heights, default=None),
        "block_height": info.block_height if info and info.block_height else None,
        "counted": _counted(answers.counted),
        "attempts": [attempt_fields(one, answers.aliases, secrets=False) for one in detail.attempts],
        "now": {
            "route": _route(found.whole),
            "route_regardless_of_failures": _route(found.regardless),
            "route_to_last_hop": _route(found.before_recipient),
            "route_of_part": _route(found.part),
            "parts": found.parts if found.part else None,
            "spendable_msat": balance.active_msat if balance else None,
            "spendable_largest_channel_msat": balance.largest_msat if balance else None,
            "inactive_msat": balance.inactive_msat if balance else None,
        },
        "not_asked": [{"call": one.call, "denied": one.denied, "why": one.advice} for one in answers.not_answered],
    }
    return json.dumps(fields)


def _counted(counted: EndedPayment | None) -> dict[str, Any] | None:
    """Return what the exporter has seen of a payment whose attempts lnd has deleted."""
    if counted is None:
        return None
    return {
        "cause": counted.cause,
        "attempts": counted.attempts,
        "first_hops": list(counted.first_hops),
        "failure_code": counted.failure_code or None,
        "failure_source": counted.failure_source or None,
        "failed_by_pubkey": counted.failed_by or None,
    }


def _route(found: Route | NoRoute | None) -> dict[str, Any] | str | None:
    """Return a route, the word for none, or null if it wasn't asked for."""
    if not isinstance(found, Route):
        return found
    return {"fee_msat": found.fee_msat, "probability": found.probability, "hops": list(found.hops)}
