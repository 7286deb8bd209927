"""Runs `promtool test rules` on rules and on series that are made up."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.network.build import binaries


def says(home: Path, rules: Mapping[str, Any], test: Mapping[str, Any], evaluated_s: int) -> str:
    """What it finds wrong with one test, its files in `home`; nothing if all is right. Rules are evaluated in order."""
    file = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": f"{evaluated_s}s",
        "group_eval_order": [group["name"] for group in rules["groups"]],
        "tests": [test],
    }
    for name, content in (("rules.yml", rules), ("tests.yml", file)):
        (home / name).write_text(json.dumps(content, ensure_ascii=False))  # JSON is YAML
    command = [str(binaries() / "promtool"), "test", "rules", "tests.yml"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=home, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr
