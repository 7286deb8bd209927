"""What a sampled payment without a route is counted as. Pure: answers in, one value of a closed set out."""

from exporter.explain.answers import Answers
from exporter.explain.verdict import Verdict, judge_without_attempts
from exporter.payments.labels import Reason, RouteCheck, Status
from exporter.payments.payment import Run

NEEDED = ("DecodePayReq", "QueryRoutes")
"""The calls without which nothing can be said, by lnd's names."""

_CHECKS: dict[Verdict, RouteCheck] = {
    Verdict.FEE_LIMIT: RouteCheck.FEE_LIMIT,
    Verdict.TOO_LARGE: RouteCheck.TOO_LARGE,
    Verdict.OWN_LIQUIDITY: RouteCheck.OWN_LIQUIDITY,
    Verdict.OWN_INACTIVE: RouteCheck.OWN_INACTIVE,
    Verdict.RECIPIENT_AVOIDED: RouteCheck.RECIPIENT_AVOIDED,
    Verdict.ROUTE_AVOIDED: RouteCheck.ROUTE_AVOIDED,
    Verdict.NO_ROUTE: RouteCheck.NO_ROUTE,
}
"""All others are `unknown`."""


def check(answers: Answers, run: Run) -> RouteCheck:
    """Return what lnd's answers say about a run that has failed without any attempt."""
    missing = [one for one in answers.not_answered if one.call in NEEDED]
    if missing:
        return RouteCheck.DENIED if any(one.denied for one in missing) else RouteCheck.FAILED
    payment = answers.detail.payment
    if payment.run != run or payment.status is not Status.FAILED or payment.attempts:
        return RouteCheck.UNKNOWN  # it has been paid again since, and the answers are about that
    verdict = judge_without_attempts(answers).verdict
    if verdict is Verdict.FEE_LIMIT and payment.reason is Reason.TIMEOUT:
        return RouteCheck.TIMEOUT  # a limit that is too low ends a payment at once, as `no_route`
    return _CHECKS.get(verdict, RouteCheck.UNKNOWN)
