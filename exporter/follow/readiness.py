"""Wait until lnd accepts calls."""

import asyncio
from collections.abc import Callable

from exporter.follow.calls import Calls
from exporter.lnd.client import LndError
from exporter.payments.labels import CallOutcome, Interruption, Method, NodeState


async def wait_until_ready(calls: Calls, timeout_s: float, waiting: Callable[[NodeState], None]) -> None:
    """Wait, for days if necessary, until lnd accepts calls; a locked wallet is noticed the moment it is unlocked.

    `timeout_s` limits the wait for the first message; `waiting` is called with each state that is not ready. Raises
    `LndError`.
    """
    states = calls.client.states()
    outcome = CallOutcome.ERROR
    try:
        async with asyncio.timeout(timeout_s) as first_message:
            async for state in states:
                first_message.reschedule(None)
                if state is NodeState.READY:
                    outcome = CallOutcome.OK
                    return
                waiting(state)
    except TimeoutError:
        raise LndError(
            Interruption.TIMEOUT, NodeState.UNREACHABLE, "lnd accepts connections but doesn't answer: restart it?"
        ) from None
    finally:
        calls.count(Method.SUBSCRIBE_STATE, outcome)
        await states.aclose()  # now, not when it is collected: that cancels its call
    raise LndError(Interruption.ENDED, NodeState.UNREACHABLE, "lnd ended the stream SubscribeState: is it stopping?")
