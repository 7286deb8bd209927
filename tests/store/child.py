"""Run a function in a child process whose permissions or system calls can be restricted."""

import os
import traceback
from collections.abc import Callable


def in_child(work: Callable[[], str]) -> str:
    """Return the result of `work` in a fork of this process, or the traceback of its exception."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, work().encode())
        except BaseException:  # noqa: BLE001 - the parent shows it
            os.write(writer, traceback.format_exc().encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as output:
        result = output.read()
    os.waitpid(child, 0)
    return result
