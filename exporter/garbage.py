"""Sets Python's garbage collector so that none of its collections holds the event loop up for long."""

import gc
import sys

_THRESHOLDS = (350, 0, 2000)
"""By default 700, 10, 10: with 200 nodes of which all change, the second kind of collection took up to 15 ms, the third
up to 250 ms, ten times in 40 pages. Now the second comes every other time, after 700 new objects, and takes 0.4 ms; in
sum that is less work. The third comes seldom: after a million new objects at most."""


def collect_seldom() -> None:
    """Call it once, when the process has loaded all that it keeps: no collection looks at that again."""
    gc.collect()
    gc.freeze()
    if sys.version_info < (3, 14):  # from then on collections go by small steps
        gc.set_threshold(*_THRESHOLDS)
