"""Explains one payment, and turns its state into an exit code."""

import sys
from collections.abc import Callable
from functools import partial

from exporter.config import Config
from exporter.explain.asker import Asker
from exporter.listing.lines import print_text
from exporter.lnd.client import ExplainingClient, LndError
from exporter.payments.labels import Status
from exporter.track import FAILED, NOT_FOLLOWED, SUCCEEDED
from exporter.why.counted import look_up
from exporter.why.document import to_json, to_text

IN_FLIGHT = 4
"""Exit code of a payment that hasn't ended; the others are those of `track`."""


async def why(config: Config, client: ExplainingClient, now_ns: Callable[[], int]) -> int:
    """Explain the payment, close the client and return the exit code."""
    (node,) = config.nodes
    try:
        await client.connect()
        asker = Asker(client, now_ns)
        if path := config.storage.path:
            asker.find_counted = partial(look_up, path, node.name)
        answers = await asker.ask(config.track.payment_hash)
    except LndError as error:
        print(f"{node.preface}{error.advice}", file=sys.stderr)
        return NOT_FOLLOWED
    finally:
        await client.close()
    if config.track.json:
        print(to_json(answers, node.name))
    else:
        print_text(to_text(answers, node.preface))
    return {Status.SUCCEEDED: SUCCEEDED, Status.FAILED: FAILED}.get(answers.detail.payment.status, IN_FLIGHT)
