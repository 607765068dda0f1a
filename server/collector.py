"""How often a web process looks for objects that only refer to each other."""

import gc

THRESHOLDS = (50_000, 10, 10)
"""New containers before a look at the youngest, and looks before one at the next older generation, twice."""


def settle() -> None:
    """Leave all that is loaded alone for good, and look at what is new less often.

    Call it once, before the first request. Python itself looks after 700 containers, and in every hundredth
    look at all that lives: every other answer of some 40,000 points waited for it, and its 95th percentile
    was twice its median (benchmarks/researcher_pages). What is looked at later waits in memory.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
