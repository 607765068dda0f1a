"""What the screening foretold, and what came: its scores beside the later agreement of the same people."""

from dataclasses import dataclass

from labeling.models import Labeler, ScreeningAttempt
from labeling.rules.agreement import Agreement, agreement_of
from labeling.rules.meetings import meetings_of
from labeling.rules.ranking_columns import Columns
from labeling.rules.screening_scores import Scores, scores_of
from labeling.rules.stored_rankings import load_rankings, newest_rankings


@dataclass(frozen=True)
class ScreeningOutcome:
    """One labeler's screening (None for the unscreened) beside their agreement with others since."""

    labeler: Labeler
    scores: Scores | None
    agreement: Agreement | None


def screening_outcomes() -> list[ScreeningOutcome]:
    """Return accepted labelers, and unscreened ones who have ranked what others ranked, by pseudonym.

    `agreement` is strict pairwise agreement between the labeler and each other labeler on the tasks that both
    ranked, never among the others.
    """
    agreements = agreement_with_others(load_rankings(newest_rankings(), shared_only=True).columns)
    attempts = {
        attempt.labeler_id: attempt
        for attempt in ScreeningAttempt.objects.filter(state=ScreeningAttempt.State.ACCEPTED)
        .select_related("test")
        .order_by("pk")
    }
    people = Labeler.objects.filter(pk__in={*attempts, *agreements}).exclude(is_external=True)
    return [
        ScreeningOutcome(
            labeler=labeler,
            scores=scores_of(attempts[labeler.pk]) if labeler.pk in attempts else None,
            agreement=agreements.get(labeler.pk),
        )
        for labeler in people.order_by("pseudonym")
    ]


def agreement_with_others(columns: Columns) -> dict[int, Agreement]:
    """Return each labeler's strict agreement with the others on the tasks they share, by primary key."""
    meetings = meetings_of(columns)
    first, second = columns.labeler[meetings.first], columns.labeler[meetings.second]
    return {
        int(str(pk)): agreement_of(meetings.where((first == n) | (second == n)), columns)
        for n, pk in enumerate(columns.labelers)
    }
