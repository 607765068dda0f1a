"""What the screening foretold, and what came: its scores beside the later agreement of the same people."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import overload

from labeling.models import Labeler, ScreeningAttempt
from labeling.rules.agreement import Agreement, agreement_of
from labeling.rules.meetings import meetings_of
from labeling.rules.ranking_columns import Columns
from labeling.rules.screening_scores import Scores, scores_by_attempt
from labeling.rules.stored_rankings import load_rankings, newest_rankings


@dataclass(frozen=True)
class ScreeningOutcome:
    """One labeler's screening (None for the unscreened) beside their agreement with others since."""

    labeler: Labeler
    scores: Scores | None
    agreement: Agreement | None


class ScreeningOutcomes(Sequence[ScreeningOutcome]):
    """Accepted labelers, and unscreened ones who have ranked what others ranked, by pseudonym.

    Only the outcomes that are asked for are computed. `agreement` is strict pairwise agreement between the
    labeler and each other labeler on the tasks that both ranked, never among the others.
    """

    def __init__(self) -> None:
        self.columns = load_rankings(newest_rankings(), shared_only=True).columns
        accepted = ScreeningAttempt.objects.filter(state=ScreeningAttempt.State.ACCEPTED)
        found = Labeler.objects.exclude(is_external=True).order_by("pseudonym").values_list("pk", flat=True)
        known = {*accepted.values_list("labeler_id", flat=True), *self._numbers()}
        self.keys = [pk for pk in found if pk in known]

    def __len__(self) -> int:
        return len(self.keys)

    @overload
    def __getitem__(self, at: int) -> ScreeningOutcome: ...
    @overload
    def __getitem__(self, at: slice) -> list[ScreeningOutcome]: ...
    def __getitem__(self, at: int | slice) -> ScreeningOutcome | list[ScreeningOutcome]:
        if isinstance(at, slice):
            return self._of(self.keys[at])
        return self._of([self.keys[at]])[0]

    def _of(self, keys: list[int]) -> list[ScreeningOutcome]:
        accepted = ScreeningAttempt.objects.filter(
            state=ScreeningAttempt.State.ACCEPTED, labeler__in=keys
        ).select_related("test")
        attempts = {attempt.labeler_id: attempt for attempt in accepted.order_by("pk")}
        scores = scores_by_attempt(attempts.values())
        numbers = self._numbers()
        agreements = agreement_with_others(self.columns, [numbers[pk] for pk in keys if pk in numbers])
        return [
            ScreeningOutcome(
                labeler=labeler,
                scores=scores[attempts[labeler.pk].pk] if labeler.pk in attempts else None,
                agreement=agreements.get(labeler.pk),
            )
            for labeler in Labeler.objects.filter(pk__in=keys).order_by("pseudonym")
        ]

    def _numbers(self) -> dict[int, int]:
        return {int(str(pk)): number for number, pk in enumerate(self.columns.labelers)}


def agreement_with_others(columns: Columns, numbers: Iterable[int]) -> dict[int, Agreement]:
    """Return these labelers' strict agreement with the others on the tasks they share, by primary key.

    numbers   of the labelers in the columns
    """
    meetings = meetings_of(columns)
    first, second = columns.labeler[meetings.first], columns.labeler[meetings.second]
    return {
        int(str(columns.labelers[n])): agreement_of(meetings.where((first == n) | (second == n)), columns)
        for n in numbers
    }
