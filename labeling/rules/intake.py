"""How rows come in: numbered lines, each taken or refused with a reason, and every one counted."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from labeling.errors import StrictImport
from labeling.models import Intake, PromptSource, Refusal

LINES_AT_ONCE = 1000
ACCEPTED, WITHHELD, MALFORMED, DUPLICATE = "accepted", "withheld", "malformed", "duplicate"
IMPORT_LOCK = 0x494C_0001


@dataclass(frozen=True)
class Line:
    """A row as it stands in a file: its number, and its values or what keeps it from being read."""

    number: int
    values: Mapping[str, Any] | None = None
    fault: str = ""


class RowFault(Exception):
    """This row is refused; `reason` is counted, `detail` tells a person what to mend."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(detail or reason)
        self.reason = reason
        self.detail = detail


@dataclass
class Tally:
    """What became of the lines of one chunk."""

    outcomes: Counter[str] = field(default_factory=Counter)
    refusals: list[tuple[int, str, str]] = field(default_factory=list)

    def take(self, outcome: str = ACCEPTED) -> None:
        self.outcomes[outcome] += 1

    def refuse(self, line: Line, fault: RowFault) -> None:
        self.outcomes[fault.reason] += 1
        self.refusals.append((line.number, fault.reason, fault.detail))


Rows = Iterable[Mapping[str, Any] | Line]
TakeChunk = Callable[[list[Line], Tally], None]


def run_intake(
    *,
    rows: Rows,
    take: Callable[[Intake], TakeChunk],
    source: str,
    what: str,
    file_name: str = "",
    strict: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Intake:
    """Take rows in chunks, each in one transaction with the record of what became of its lines.

    `take` is called once with the intake and returns what takes a chunk. Read lines equal the sum of
    counts. Strict: one transaction, and if any line is refused nothing goes in (those that would have are
    counted as `withheld`), the record stays, and StrictImport is raised.
    """
    if source not in PromptSource.values:
        raise ValueError(f'source "{source}" is not one of {", ".join(PromptSource.values)}')
    intake = Intake.objects.create(source=source, what=what, file_name=file_name[:255])
    total = Tally()
    read = 0
    whole: AbstractContextManager[Any] = transaction.atomic() if strict else nullcontext()
    try:
        with whole:
            take_chunk = take(intake)
            for chunk in _chunks(numbered(rows)):
                tally = Tally()
                with transaction.atomic():
                    let_one_import_write()
                    take_chunk(chunk, tally)
                    read += len(chunk)
                    total.outcomes += tally.outcomes
                    if strict:
                        total.refusals += tally.refusals
                    else:
                        _store_refusals(intake, tally)
                        _store_counts(intake, total, read)
                if progress is not None:
                    progress(read)
            if strict and total.refusals:
                raise _NothingGoesIn
    except _NothingGoesIn:
        refused = Counter(reason for _, reason, _ in total.refusals)
        total.outcomes = refused + Counter({WITHHELD: read - refused.total()})
    if strict:
        _store_refusals(intake, total)
    intake.finished_at = timezone.now()
    _store_counts(intake, total, read)
    if strict and total.refusals:
        number, reason, detail = min(total.refusals)
        raise StrictImport(
            f"Nothing went in: {len(total.refusals)} of {read} lines would have been refused, "
            f"first line {number}: {reason}{f' ({detail})' if detail else ''}.",
            intake=intake,
        )
    return intake


def numbered(rows: Rows) -> Iterator[Line]:
    """Yield lines; plain mappings are numbered from 1."""
    for number, row in enumerate(rows, start=1):
        yield row if isinstance(row, Line) else Line(number, row)


def values_of(line: Line) -> Mapping[str, Any]:
    """Return a line's values; raise RowFault if it could not be read."""
    if line.values is None:
        raise RowFault(MALFORMED, line.fault)
    if not isinstance(line.values, Mapping):
        raise RowFault(MALFORMED, f"a row is an object of named values, this is {type(line.values).__name__}")
    return line.values


class _NothingGoesIn(Exception):
    """Roll a strict import back."""


def _chunks(lines: Iterator[Line]) -> Iterator[list[Line]]:
    while chunk := list(islice(lines, LINES_AT_ONCE)):
        yield chunk


def note_lines(intake: Intake, tally: Tally, *, read: int) -> None:
    """Add lines of a live source to an intake that stays open; needs it locked."""
    _store_refusals(intake, tally)
    _store_counts(intake, Tally(Counter(intake.counts) + tally.outcomes), intake.read + read)


def let_one_import_write() -> None:
    """Keep a second import waiting until this chunk is in, so that both see each other's duplicates.

    SQLite has one writer at a time anyway.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [IMPORT_LOCK])


def _store_refusals(intake: Intake, tally: Tally) -> None:
    Refusal.objects.bulk_create(
        (
            Refusal(intake=intake, line=number, reason=reason, detail=detail[:300])
            for number, reason, detail in tally.refusals
        ),
        batch_size=LINES_AT_ONCE,
    )


def _store_counts(intake: Intake, total: Tally, read: int) -> None:
    intake.read = read
    intake.counts = {outcome: number for outcome, number in total.outcomes.most_common() if number}
    intake.save(update_fields=["read", "counts", "finished_at"])
