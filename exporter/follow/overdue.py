"""A log line for each open payment that has passed a limit of its age, or of blocks left to its expiry."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

import structlog

from exporter.follow.account import Account
from exporter.payments.description import describe
from exporter.payments.overdue import Limits, Overdue

EVERY_S = 60.0
"""Between two checks, seconds."""
MAX_LINES = 10
"""Log lines per check and node, at most; one more line counts the rest."""


async def log_overdue(
    accounts: Callable[[], Iterable[Account]], limits: Callable[[], Limits], written: Callable[[], Awaitable[object]]
) -> None:
    """Check from time to time until cancelled, and log what has passed a limit.

    `accounts` and `limits` return the present ones. `written` returns when the state is on disk, or can't be written
    now. The state remembers which limits are logged, and is written before they are: an exporter that is killed does
    not log them again.
    """
    while True:
        await asyncio.sleep(EVERY_S)
        passed = {account: overdue for account in accounts() if (overdue := account.mark_overdue(limits()))}
        try:
            if passed:
                await written()
        finally:
            for account, overdue in passed.items():
                _log_node(account, overdue)


def _log_node(account: Account, passed: Sequence[Overdue]) -> None:
    log = structlog.get_logger("exporter.follow").bind(node=account.name)
    for overdue in passed[:MAX_LINES]:
        payment = describe(overdue.run, account.status.aliases, account.now().wall_ns)
        near_expiry = overdue.limit_blocks is not None
        fields = {
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
            "an HTLC of a payment is near its expiry" if near_expiry else "a payment has been in flight for long",
            **{name: value for name, value in fields.items() if value is not None},
        )
    if len(passed) > MAX_LINES:
        log.warning(
            "more payments have been in flight for long",
            payments=len(passed) - MAX_LINES,
            advice="lnd-payments-exporter open lists them all",
        )
