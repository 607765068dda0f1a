"""CPU time of whole families of processes, as Linux counts it."""

import os
from collections.abc import Iterable
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(roots: Iterable[int]) -> float:
    """Return the CPU seconds of these processes and all their descendants, ended ones included."""
    stats = _stats()
    children: dict[int, list[int]] = {}
    for pid, (parent, _) in stats.items():
        children.setdefault(parent, []).append(pid)
    total, waiting = 0, list(roots)
    while waiting:
        pid = waiting.pop()
        if pid in stats:
            total += stats[pid][1]
            waiting.extend(children.get(pid, ()))
    return total / TICKS


def _stats() -> dict[int, tuple[int, int]]:
    """Read the parent and the ticks of each process: its own, and those of children that have ended."""
    found: dict[int, tuple[int, int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        found[int(path.parent.name)] = (int(fields[1]), sum(int(ticks) for ticks in fields[11:15]))
    return found
