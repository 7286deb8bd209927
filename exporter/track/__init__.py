"""The command `track`: one payment, followed in lnd until it ends."""

import sys
from collections.abc import Callable
from contextlib import aclosing

from exporter.config import Config
from exporter.lnd.client import DetailedClient, LndError
from exporter.payments.labels import Status
from exporter.payments.payment import Moment
from exporter.track.course import Course
from exporter.track.display import Display, Lines, Table

SUCCEEDED, FAILED, NOT_FOLLOWED = 0, 1, 3
"""Exit codes: how the payment ended, or that lnd doesn't know it or can't be asked (2 is a wrong command line)."""


async def track(config: Config, client: DetailedClient, now: Callable[[], Moment]) -> int:
    """Show the payment until it has ended; the exit code. It closes the client."""
    wanted, (node,) = config.track, config.nodes
    secrets = wanted.secrets
    display: Display = Lines(node.name, secrets=secrets) if wanted.json else Table(node.preface, now, secrets=secrets)
    course = Course(client, wanted.payment_hash, now, display, inflight=wanted.inflight, secrets=secrets)
    status = None
    try:
        with display:
            async with aclosing(course.updates()) as updates:
                async for update in updates:
                    display.show(update)
                    status = update.detail.payment.status
    except LndError as trouble:
        print(f"{node.preface}{trouble.advice}", file=sys.stderr)
        return NOT_FOLLOWED
    finally:
        await client.close()
    return SUCCEEDED if status is Status.SUCCEEDED else FAILED
