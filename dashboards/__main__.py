"""`make dashboards`: writes the JSON of every dashboard anew."""

import sys
from pathlib import Path

from deploy.prometheus.values import WrongValues

try:
    from dashboards.board import TAG, written
    from dashboards.boards import BOARDS
except WrongValues as error:  # they show thresholds
    sys.exit(str(error))

HERE = Path(__file__).parent


def main() -> None:
    """Write them beside this file."""
    for make in BOARDS:
        board = make()
        path = HERE / f"{TAG}-{board.uid}.json"
        path.write_text(written(board))
        sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
