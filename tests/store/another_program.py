"""Another program that opens the state file: a separate process with SQLite, like `sqlite3` or a backup tool."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CODE = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
for statement in sys.argv[2:]:
    found = connection.execute(statement).fetchall()
print("done", found, flush=True)
sys.stdin.read()
"""


@contextmanager
def another_program(path: Path, *statements: str) -> Iterator[None]:
    """Start a process that executes the statements, and then keeps the file open until the end of the block."""
    with subprocess.Popen(
        [sys.executable, "-c", CODE, path, *statements],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            assert process.stdout.readline().startswith("done"), process.stderr.read()
            yield
        finally:
            process.kill()
