"""Programs of Debian that single tests need: CI installs them, elsewhere such a test is skipped."""

import os
import shutil
import subprocess

import pytest

APT = ("apt-get", "-q", "-o", "DPkg::Lock::Timeout=300")
"""Other workers may be installing something, too."""


def need(program: str) -> None:
    """Skip the test if a program is missing, whose package has the same name; install it with `CI=true`."""
    if shutil.which(program):
        return
    if os.environ.get("CI") != "true":
        pytest.skip(f"{program} is not installed here: apt-get install {program}")
    sudo = [] if os.geteuid() == 0 else ["sudo", "--non-interactive", "--preserve-env=DEBIAN_FRONTEND"]
    for words in (["update"], ["install", "-y", "--no-install-recommends", program]):
        subprocess.run([*sudo, *APT, *words], check=True, env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"})
