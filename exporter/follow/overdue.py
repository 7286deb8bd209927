"""A line in the log for each open payment that has passed a limit of its age, or of blocks left to its expiry."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from exporter.follow.account import Account
from exporter.payments.description import describe
from exporter.payments.overdue import Limits, Overdue

EVERY_S = 60.0
"""Between two looks."""
LINES = 10
"""At most so many at each look for each node, and one that says how many more there are."""


async def tell_overdue(accounts: Sequence[Account], limits: Limits, written: Callable[[], Awaitable[object]]) -> None:
    """Look from time to time, until cancelled.

    `written` returns when all that is known is on disk, or can't be written now: what has been told is remembered
    before it is told, so that an exporter that is killed does not tell it again.
    """
    while True:
        await asyncio.sleep(EVERY_S)
        passed = {account: overdue for account in accounts if (overdue := account.pass_limits(limits))}
        try:
            if passed:
                await written()
        finally:
            for account, overdue in passed.items():
                _tell(account, overdue)


def _tell(account: Account, passed: Sequence[Overdue]) -> None:
    log = structlog.get_logger("exporter.follow").bind(node=account.name)
    for overdue in passed[:LINES]:
        payment = describe(overdue.run, account.status.aliases, account.now().wall_ns)
        near = overdue.limit_blocks is not None
        told = {
            "payment_hash": payment.payment_hash,
            "age_s": overdue.age_s,
            "limit_s": overdue.limit_s,
            "blocks_left": overdue.blocks_left,
            "limit_blocks": overdue.limit_blocks,
            "amount_msat": payment.amount_msat,
            "given_up": payment.given_up and payment.given_up.value,
            "htlcs": payment.htlcs,
            "first_hops": [hop.alias or hop.pubkey for hop in payment.first_hops],
        }
        log.warning(
            "an HTLC of a payment is near its expiry" if near else "a payment has been in flight for long",
            **{name: value for name, value in told.items() if value is not None},
        )
    if len(passed) > LINES:
        log.warning(
            "more payments have been in flight for long",
            payments=len(passed) - LINES,
            advice="lnd-payments-exporter open lists them all",
        )
