"""`make rules`: generates the rules of each profile."""

import sys
from pathlib import Path

from exporter.rules.generate import generated
from exporter.rules.values import WrongValues, read

HERE = Path(__file__).parents[2] / "deploy" / "prometheus"


def main() -> int:
    """Write the rule files to deploy/prometheus; return 2 if the values are wrong."""
    try:
        profiles = read()
    except WrongValues as error:
        sys.stderr.write(f"{error}\n")
        return 2
    files = {HERE / f"{profile}.rules.yml": generated(profile, values) for profile, values in profiles.items()}
    for path, text in files.items():
        path.write_text(text)
        sys.stdout.write(f"{path}\n")
    for path in set(HERE.glob("*.rules.yml")) - files.keys():
        path.unlink()
        sys.stdout.write(f"{path} is gone: there is no such profile any more\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
