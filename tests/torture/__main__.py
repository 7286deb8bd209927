"""`make torture`: an hour of it, or as much as ARGS say: payments, faults, seed."""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from tests.torture.torture import Torture

PAYMENTS, FAULTS = 100_000, 1000


def main() -> int:
    """Say what was done and what came of it."""
    payments, faults, seed = [*map(int, sys.argv[1:]), *(PAYMENTS, FAULTS, int(time.time()))[len(sys.argv) - 1 :]]
    print(f"{payments} payments, {faults} faults, seed {seed}")
    with tempfile.TemporaryDirectory(prefix="torture-") as home:
        torture = Torture(Path(home), seed, progress=True)
        try:
            told = asyncio.run(torture.run(payments, faults))
        finally:
            print(f"\n{torture.told}")
    print(f"Every payment counted once: {told.payments} payments, {told.scrapes} scrapes.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
