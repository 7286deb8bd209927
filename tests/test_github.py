"""Workflows, issue forms and Dependabot's settings in .github, checked by the schemas and linters made for them."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.network import build
from tests.network.fixtures import built

ROOT = Path(__file__).parents[1]
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").iterdir())
TOOLS = Path(sys.executable).parent
SCHEMAS = {
    "vendor.github-workflows": WORKFLOWS,
    "vendor.github-issue-forms": sorted(
        {*(GITHUB / "ISSUE_TEMPLATE").iterdir()} - {GITHUB / "ISSUE_TEMPLATE" / "config.yml"}
    ),
    "vendor.github-issue-config": [GITHUB / "ISSUE_TEMPLATE" / "config.yml"],
    "vendor.dependabot": [GITHUB / "dependabot.yml"],
}


def run(*command: str | Path) -> tuple[int, str]:
    """Return the exit code of a command and all that it printed."""
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


@pytest.mark.parametrize("schema", SCHEMAS)
def test_files_have_the_form_that_github_publishes(schema: str) -> None:
    """A form that breaks its schema is not offered to users, and GitHub tells nobody."""
    assert run(TOOLS / "check-jsonschema", "--builtin-schema", schema, *SCHEMAS[schema]) == (
        0,
        "ok -- validation done\n",
    )


def test_workflows_are_hard_to_abuse() -> None:
    """Actions are pinned by their commits, jobs have only the rights that they need, no input becomes shell code."""
    code, output = run(TOOLS / "zizmor", "--offline", "--no-progress", "--quiet", GITHUB)
    assert code == 0, output


@pytest.mark.programs
def test_workflows_do_what_they_seem_to() -> None:
    """Expressions name what exists, actions get inputs that they know, and shellcheck accepts each script."""
    actionlint = built(lambda: build.tool("actionlint"), "WORKFLOWS NOT CHECKED")
    assert run(actionlint, f"-shellcheck={TOOLS / 'shellcheck'}", *WORKFLOWS) == (0, "")


def test_shell_scripts_are_sound() -> None:
    """Shellcheck finds nothing in the script that CI runs."""
    assert run(TOOLS / "shellcheck", ".ci/run") == (0, "")
