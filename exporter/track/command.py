"""Follows one payment until it ends, and turns its end into an exit code."""

import sys
from collections.abc import Callable
from contextlib import aclosing

from exporter.config import Config
from exporter.lnd.client import DetailedClient, LndError
from exporter.payments.labels import Status
from exporter.payments.payment import Moment
from exporter.track.display import JsonDisplay, PaymentDisplay, TableDisplay
from exporter.track.watcher import PaymentWatcher

SUCCEEDED, FAILED, NOT_FOLLOWED = 0, 1, 3
"""Exit codes: the end of the payment, or NOT_FOLLOWED if lnd doesn't know it or can't be asked.

2 is a wrong command line.
"""


async def track(config: Config, client: DetailedClient, now: Callable[[], Moment]) -> int:
    """Show the payment until it ends, close the client and return the exit code."""
    options, (node,) = config.track, config.nodes
    secrets = options.secrets
    display: PaymentDisplay
    if options.json:
        display = JsonDisplay(node.name, secrets=secrets)
    else:
        display = TableDisplay(node.preface, now, secrets=secrets)
    watcher = PaymentWatcher(client, options.payment_hash, now, display, inflight=options.inflight, secrets=secrets)
    status = None
    try:
        with display:
            async with aclosing(watcher.updates()) as updates:
                async for update in updates:
                    display.show(update)
                    status = update.detail.payment.status
    except LndError as error:
        print(f"{node.preface}{error.advice}", file=sys.stderr)
        return NOT_FOLLOWED
    finally:
        await client.close()
    return SUCCEEDED if status is Status.SUCCEEDED else FAILED
