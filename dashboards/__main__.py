"""`make dashboards`: generates the JSON file of every dashboard."""

import sys
from pathlib import Path

from exporter.rules.values import WrongValues

try:
    from dashboards.board import TAG, written
    from dashboards.boards import BOARDS
except WrongValues as error:  # the dashboards show thresholds of values.yml
    sys.exit(str(error))

HERE = Path(__file__).parent


def main() -> None:
    """Write the JSON files beside this file."""
    for make in BOARDS:
        board = make()
        path = HERE / f"{TAG}-{board.uid}.json"
        path.write_text(written(board))
        sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
