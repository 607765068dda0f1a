"""What a labeler says about the K responses of a task: checked, and stored as a ranking with places."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from labeling.errors import IncompleteRanking
from labeling.models import LIKERT_MAX, LIKERT_MIN, Labeler, Place, Ranking, Task
from labeling.rules.prompt_judgements import scale_fault
from labeling.rules.slots import response_numbers
from labeling.rules.texts import fault_in
from labeling.statements import insert

MAX_NOTE_CHARACTERS = 10_000


@dataclass(frozen=True)
class Judgement:
    """What a labeler says about one response: rank 1 is best, equal ranks are ties, gaps are allowed.

    A flag that is absent was not answered, which is not the same as no. `scores` answers the form's scales.
    """

    code: UUID
    rank: int
    likert: int | None = None
    flags: Mapping[str, bool] = field(default_factory=dict)
    note: str = ""
    scores: Mapping[str, int] = field(default_factory=dict)

    def as_payload(self) -> dict[str, Any]:
        """Return the judgement as drafts and requests carry it."""
        return {
            "code": str(self.code),
            "rank": self.rank,
            "likert": self.likert,
            "flags": dict(self.flags),
            "note": self.note,
            **({"scores": dict(self.scores)} if self.scores else {}),
        }


def check_judgements(
    task: Task,
    judgements: Sequence[Judgement],
    *,
    needs_likert: bool,
    max_rank: int | None = None,
    scales: Sequence[Mapping[str, Any]] = (),
    numbers: Mapping[UUID, int] | None = None,
) -> Mapping[UUID, int]:
    """Raise IncompleteRanking, naming each response that is missing, doubled, foreign or out of range.

    Ranks go up to the number of responses unless `max_rank` says more. `scales` are those of the form; each
    needs an answer. Returns the responses' row numbers by their codes, for `store_ranking`; `numbers` are
    these where they are known.
    """
    numbers = response_numbers(task) if numbers is None else numbers
    max_rank = len(numbers) if max_rank is None else max_rank
    wanted = numbers.keys()
    given = Counter(judgement.code for judgement in judgements)
    faults: dict[str, str] = {str(code): "is missing" for code in sorted(wanted - given.keys())}
    faults |= {str(code): "is not one of this task's responses" for code in given.keys() - wanted}
    faults |= {str(code): f"stands {n} times" for code, n in given.items() if n > 1 and code in wanted}
    for judgement in judgements:
        fault = _fault_in(judgement, needs_likert, max_rank) or scale_fault(scales, judgement.scores)
        if fault:
            faults.setdefault(str(judgement.code), fault)
    if faults:
        sentence = "; ".join(f"{code} {fault}" for code, fault in faults.items())
        raise IncompleteRanking(
            f"A ranking places each of the {len(wanted)} responses once: {sentence}.",
            fields={"responses": faults},
        )
    return numbers


def _fault_in(judgement: Judgement, needs_likert: bool, max_rank: int) -> str:
    if not _is_whole(judgement.rank) or not 1 <= judgement.rank <= max_rank:
        return f"has rank {judgement.rank}, must be 1 to {max_rank}"
    if judgement.likert is None:
        if needs_likert:
            return f"has no rating, {LIKERT_MIN} to {LIKERT_MAX} is needed"
    elif not _is_whole(judgement.likert) or not LIKERT_MIN <= judgement.likert <= LIKERT_MAX:
        return f"has rating {judgement.likert}, must be {LIKERT_MIN} to {LIKERT_MAX}"
    if any(not isinstance(answer, bool) for answer in judgement.flags.values()):
        return "has a flag that is neither true nor false"
    note_fault = fault_in(judgement.note)
    if note_fault or len(judgement.note) > MAX_NOTE_CHARACTERS:
        return f"has a note that {note_fault or f'is longer than {MAX_NOTE_CHARACTERS} characters'}"
    return ""


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def store_ranking(
    *,
    task: Task,
    labeler: Labeler,
    judgements: Sequence[Judgement],
    numbers: Mapping[UUID, int] | None = None,
    **fields: Any,
) -> Ranking:
    """Store a checked ranking; `numbers` is what checking it returned, `fields` are those of the row."""
    numbers = response_numbers(task) if numbers is None else numbers
    ranking = Ranking(task=task, labeler=labeler, **fields)
    insert(ranking)
    insert(*(Place(ranking=ranking, **place) for place in places_of(judgements, numbers)))
    return ranking


def places_of(judgements: Sequence[Judgement], numbers: Mapping[UUID, int]) -> list[dict[str, Any]]:
    """Return the values of each response's place, all but the ranking it is in."""
    return [
        {
            "response_id": numbers[judgement.code],
            "rank": judgement.rank,
            "likert": judgement.likert,
            "flags": dict(judgement.flags),
            "scores": dict(judgement.scores),
            "note": judgement.note,
        }
        for judgement in judgements
    ]
