"""`make torture`: an hour of it, or as much as ARGS say: payments, faults, seed; and transports, by default all."""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from exporter.config.addresses import TRANSPORTS
from tests.torture.torture import Torture

PAYMENTS, FAULTS = 100_000, 1000


def main() -> int:
    """Run it, and print the parameters and a summary."""
    transports = [word for word in sys.argv[1:] if word in TRANSPORTS] or TRANSPORTS
    numbers = [int(word) for word in sys.argv[1:] if word not in TRANSPORTS]
    payments, faults, seed = [*numbers, *(PAYMENTS, FAULTS, int(time.time()))[len(numbers) :]]
    print(f"{payments} payments, {faults} faults, seed {seed}, over {', '.join(transports)}")
    with tempfile.TemporaryDirectory(prefix="torture-") as home:
        torture = Torture(Path(home), seed, transports=transports, progress=True)
        try:
            summary = asyncio.run(torture.run(payments, faults))
        finally:
            print(f"\n{torture.summary}")
    print(f"Every payment counted once: {summary.payments} payments, {summary.scrapes} scrapes.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
