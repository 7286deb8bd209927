"""`make rules`: writes the rules of each profile anew."""

import sys
from pathlib import Path

from deploy.prometheus.generate import generated
from deploy.prometheus.values import WrongValues, read

HERE = Path(__file__).parent


def main() -> int:
    """Write them beside this file; 2 if the values are wrong."""
    try:
        profiles = read()
    except WrongValues as error:
        sys.stderr.write(f"{error}\n")
        return 2
    for profile, values in profiles.items():
        path = HERE / f"{profile}.rules.yml"
        path.write_text(generated(profile, values))
        sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
