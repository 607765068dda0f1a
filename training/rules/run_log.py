"""The log of a run: copied piece by piece while its process writes, read from a cursor on, made fit to show.

A log may hold anything: progress bars that overwrite their line, colors for terminals, lines without end,
bytes that are no text, and markup that somebody hopes will run.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from training.models import LogPiece, Run

PIECE_BYTES = 64 * 1024
PIECES_AT_ONCE = 16
KEPT_BYTES = 8 * 1024 * 1024
"""A log that grows beyond this loses its oldest pieces here; the file in the run's folder stays whole."""
SHOWN_PIECES = 4
LINE_CHARACTERS = 2000
ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x80-\x9f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True)
class LogPart:
    """Lines fit to be shown, the cursor to go on from, and whether more stands there already."""

    lines: list[str]
    cursor: int
    has_more: bool
    is_cut: bool = False


class LogTail:
    """Copies what a process prints into the database; begin anew at any time, in the folder it was in."""

    def __init__(self, run: Run, folder: Path) -> None:
        self.run, self.path = run, folder / "log.txt"
        last = LogPiece.objects.filter(run=run).order_by("-pk").values_list("end", flat=True).first()
        size = self.path.stat().st_size if self.path.exists() else 0
        self.offset = last if last is not None and last <= size else 0

    def copy(self, *, is_last: bool = False) -> int:
        """Store the lines that are whole by now, at the end the rest too. Returns the number of pieces."""
        if not self.path.exists():
            return 0
        made = 0
        with self.path.open("rb") as file:
            while made < PIECES_AT_ONCE or is_last:
                file.seek(self.offset)
                data = file.read(PIECE_BYTES)
                whole = data if is_last or len(data) == PIECE_BYTES else data[: data.rfind(b"\n") + 1]
                if len(data) == PIECE_BYTES and (end := data.rfind(b"\n")) >= 0:
                    whole = data[: end + 1]
                if not whole:
                    break
                text = whole.decode("utf-8", "replace").replace("\x00", "\ufffd")
                LogPiece.objects.create(run=self.run, end=self.offset + len(whole), text=text)
                self.offset += len(whole)  # only now: what the database refused is copied again
                made += 1
        if made:  # from the newest back, so many bytes stay
            LogPiece.objects.filter(run=self.run, end__lt=self.offset - KEPT_BYTES).delete()
        return made


def newest_part(run: Run) -> LogPart:
    """Return the end of a log, as a page begins with it."""
    rows = list(LogPiece.objects.filter(run=run).order_by("-pk")[: SHOWN_PIECES + 1])
    shown = list(reversed(rows[:SHOWN_PIECES]))
    if not shown:
        return LogPart([], 0, has_more=False)
    lines = clean_lines("".join(piece.text for piece in shown))
    return LogPart(lines, shown[-1].pk, has_more=False, is_cut=len(rows) > SHOWN_PIECES)


def part_after(run: Run, cursor: int) -> LogPart:
    """Return what came after a cursor, at most some pieces."""
    rows = list(LogPiece.objects.filter(run=run, pk__gt=cursor).order_by("pk")[: SHOWN_PIECES + 1])
    shown = rows[:SHOWN_PIECES]
    lines = clean_lines("".join(piece.text for piece in shown))
    return LogPart(lines, shown[-1].pk if shown else cursor, has_more=len(rows) > SHOWN_PIECES)


def whole_log(run: Run) -> Iterator[str]:
    """Give a log piece by piece, as it was printed."""
    yield from LogPiece.objects.filter(run=run).values_list("text", flat=True).iterator(chunk_size=8)


def clean_lines(text: str) -> list[str]:
    """Return the lines as a terminal would leave them: without colors, bars only in their last state."""
    lines = [_clean(line) for line in text.replace("\r\n", "\n").split("\n")]
    return lines[:-1] if lines and not lines[-1] else lines


def _clean(line: str) -> str:
    left = next((part for part in reversed(line.split("\r")) if part.strip()), "")
    plain = CONTROLS.sub("", ESCAPES.sub("", left))
    more = len(plain) - LINE_CHARACTERS
    return f"{plain[:LINE_CHARACTERS]} … {more:,} more characters" if more > 0 else plain
