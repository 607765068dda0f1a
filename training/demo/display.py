"""What a demo shows while it works: a progress bar for every step where there is a terminal, else lines."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

Tell = Callable[[float, str], None]
"""Hears how much of a step is done, from 0 to 1, and what it is at."""


class Display:
    """Shows the steps of a demo and remembers how long each took."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.seconds: dict[str, float] = {}

    def say(self, text: str) -> None:
        """Print a line of plain text."""
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def step(self, title: str) -> Iterator[Tell]:
        """Show a step while the block runs; the block tells how far it is."""
        began = time.monotonic()
        columns = (
            TextColumn("{task.description:<34}"),
            BarColumn(bar_width=30),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[detail]}", markup=False),
        )
        shows_bar = self.console.is_terminal
        with Progress(*columns, console=self.console, transient=True, disable=not shows_bar) as progress:
            task = progress.add_task(title, total=1.0, detail="")
            yield _teller(progress, task)
        self.seconds[title] = time.monotonic() - began
        self.say(f"  {title:<42}{self.seconds[title]:7.1f} s")


def _teller(progress: Progress, task: TaskID) -> Tell:
    def tell(fraction: float, detail: str = "") -> None:
        progress.update(task, completed=min(1.0, fraction), detail=detail[:40])

    return tell
