"""A process that counts payments without lnd, and tells its memory after each number of them."""

import asyncio
import json
import sys
from pathlib import Path

from exporter.follow import Account
from exporter.payments.labels import AttemptStatus, Source, Status
from exporter.payments.payment import NS_PER_MS, Moment
from tests.metrics import scene

_STEP_NS = 10 * NS_PER_MS
"""Between two updates: a hundred payments are on hold at a time."""


async def main(numbers: list[int]) -> None:
    """Count payments that succeed with one attempt; write a JSON line for each of `numbers`, which rise."""
    clock = [scene.at(0)]
    account = Account("lnd", lambda: clock[0], 50)
    account.tracker.begin([], 0, clock[0])
    account.tracker.stream_started()
    wanted = iter(numbers)
    following = next(wanted)
    for number in range(1, numbers[-1] + 1):
        for status in (Status.IN_FLIGHT, Status.SUCCEEDED):
            clock[0] = Moment(clock[0].wall_ns + _STEP_NS, clock[0].mono_ns + _STEP_NS)
            ended = status is Status.SUCCEEDED
            begin_s = number * 2 * _STEP_NS / 1e9
            sent = scene.attempt(
                number,
                begin_s,
                begin_s + 0.005 if ended else 0,
                AttemptStatus.SETTLED if ended else AttemptStatus.IN_FLIGHT,
            )
            account.record(scene.payment(number, begin_s, status, sent), Source.STREAM)
        if number == following:
            resident = int(Path("/proc/self/statm").read_text().split()[1])
            sys.stdout.write(json.dumps({"payments": number, "pages": resident}) + "\n")
            sys.stdout.flush()
            following = next(wanted, 0)


if __name__ == "__main__":
    asyncio.run(main([int(number) for number in sys.argv[1:]]))
