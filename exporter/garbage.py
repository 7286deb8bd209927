"""Sets Python's garbage collector so that none of its collections holds the event loop up for long."""

import gc
import sys

_THRESHOLDS = (700, 0, 1000)
"""By default 700, 10, 10: with 200 nodes of which all change, the second kind of collection took up to 15 ms, the third
up to 250 ms, ten times in 40 pages. Now every other one is of the second kind and takes 1.3 ms, which in sum is less
work. The third comes seldom: after a million new objects at most."""


def collect_seldom() -> None:
    """Call it at the start: to look again and again at 50,000 open payments while they are read takes a second."""
    if sys.version_info < (3, 14):  # from then on collections go by small steps
        gc.set_threshold(*_THRESHOLDS)


def leave_out_what_is_there() -> None:
    """Call it once, when the process has loaded all that it keeps: no collection looks at that again."""
    gc.collect()
    gc.freeze()
