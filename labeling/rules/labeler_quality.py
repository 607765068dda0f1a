"""Each labeler's figures: agreement with others, gold and the reward model, habits, pace. Proposals to look.

Nobody is paused or left out by a figure: dropping low-agreement labelers did not make reward models better
(Stiennon et al. 2020, App. C.2). A low value is a reason to read some of that person's work.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db.models import Count

from labeling.models import Assignment, Labeler
from labeling.rules import labeler_figures as figures
from labeling.rules.competence import competences, competences_by_place
from labeling.rules.drift import Change, change_between
from labeling.rules.drift_report import in_time
from labeling.rules.labeler_ratios import Share, share_of, shares_by_group, shrunken
from labeling.rules.ranking_columns import Floats, Ints
from labeling.rules.response_facts import ResponseFacts
from labeling.rules.stored_rankings import LabelerFacts, StoredRankings, load_rankings, newest_rankings

NO_BIAS = 0.5
LOW_AGREEMENT = 0.6
"""Halfway from chance to what the paper's labelers reach: below it, read some of the work."""


@dataclass(frozen=True)
class LabelerQuality:
    """One labeler's figures. Shares count untied pairs, clustered on tasks.

    consensus      agreement with the Borda order of the task's other labelers
    estimate       that, drawn towards the mean of all labelers: value and standard error
    gold           agreement with researchers' references
    reward_model   agreement with the current reward model's scores
    likert_offset  mean rating less the others' for the same responses, in points
    ties           share of pairs tied
    skips          share of tasks skipped, of those finished
    first_shown    share won by the response shown first; a half without position bias
    longer         share won by the longer response
    length_slope   log-odds per doubling of length, and its error
    seconds        median time of a ranking; None where no time was recorded
    pace           seconds per 1,000 characters of responses read
    competence     one-coin Dawid-Skene, and the pairs it rests on; advice only
    right_if_first, right_if_later
                   the same with a coin for pairs whose better response was shown first, and another
    change         later half of the consensus figure less the earlier
    """

    labeler: LabelerFacts
    rankings: int
    consensus: Share
    estimate: tuple[float, float] | None
    gold: Share
    reward_model: Share
    likert_offset: Share
    ties: Share
    skips: Share
    first_shown: Share
    longer: Share
    length_slope: tuple[float, float] | None
    seconds: float | None
    pace: float | None
    competence: float | None
    competence_pairs: int
    right_if_first: float | None
    right_if_later: float | None
    change: Change | None

    @property
    def reasons_to_look(self) -> list[str]:
        """Say what is out of the ordinary with its whole interval. Nothing follows from it by itself."""
        found = []
        if (
            self.consensus.high is not None
            and self.consensus.high < LOW_AGREEMENT
            and not self.consensus.is_thin
        ):
            found.append("agrees with the others in fewer than 60 % of pairs")
        if self.gold.high is not None and self.gold.high < LOW_AGREEMENT and not self.gold.is_thin:
            found.append("agrees with the references in fewer than 60 % of pairs")
        share = self.first_shown
        if share.low is not None and share.high is not None and not share.is_thin:
            if share.low > NO_BIAS + 0.05:
                found.append("prefers what is shown first")
            if share.high < NO_BIAS - 0.05:
                found.append("avoids what is shown first")
        if self.change is not None and self.change.high < -0.05:
            found.append("agrees less than before")
        return found


def labeler_quality(stored: StoredRankings, facts: ResponseFacts) -> list[LabelerQuality]:
    """Compute the figures of every labeler who has ranked, in the order of their pseudonyms."""
    columns = stored.columns
    n = len(columns.labelers)
    scores = np.full(0, np.nan) if not len(columns) else -facts.score[columns.response]
    consensus = figures.against_consensus(columns)

    def shares(ratio: figures.Ratio, bounds: tuple[float, float] = (0.0, 1.0)) -> list[Share]:
        return shares_by_group(columns.labeler, n, *ratio, bounds=bounds)

    by_name = {
        "consensus": shares(consensus),
        "gold": shares(figures.against_reference(columns, facts.gold)),
        "reward_model": shares(figures.against_reference(columns, scores)),
        "likert_offset": shares(figures.likert_offsets(columns, stored.likert), (-6.0, 6.0)),
        "ties": shares(figures.ties(columns)),
        "first_shown": shares(figures.first_shown_wins(columns, facts.shown)),
        "longer": shares(figures.longer_wins(columns, facts.length)),
    }
    estimates = shrunken(by_name["consensus"])
    slopes = np.stack(figures.length_slopes(columns, facts.length), axis=1)
    competence, pairs = competences(columns)
    if_first, if_later = competences_by_place(columns, facts.shown)
    seconds, pace = _times(stored, facts.length)
    skips = _skips(columns.labelers)
    order = in_time(stored)
    result = [
        LabelerQuality(
            labeler=stored.labelers[i],
            rankings=int(np.sum(columns.labeler == i)),
            estimate=estimates[i],
            skips=skips[i],
            length_slope=(float(slopes[i, 0]), float(slopes[i, 1])) if np.isfinite(slopes[i, 0]) else None,
            seconds=seconds[i],
            pace=pace[i],
            competence=_known(competence[i]),
            competence_pairs=int(pairs[i]),
            right_if_first=_known(if_first[i]),
            right_if_later=_known(if_later[i]),
            change=_change(consensus, order[columns.labeler[order] == i]),
            **{name: found[i] for name, found in by_name.items()},
        )
        for i in range(n)
    ]
    return sorted(result, key=lambda quality: quality.labeler.pseudonym)


def agreement_of_labeler(labeler: Labeler) -> Share:
    """Return how often a labeler agrees with the leave-one-out consensus of the others, with its error."""
    own = newest_rankings().filter(labeler=labeler).values("task")
    stored = load_rankings(newest_rankings().filter(task__in=own), shared_only=True)
    columns = stored.columns
    if labeler.pk not in columns.labelers:
        return share_of(np.zeros(0), np.zeros(0))
    mine = columns.labeler == columns.labelers.index(labeler.pk)
    hits, counted = figures.against_consensus(columns)
    return share_of(hits[mine], counted[mine])


def _change(ratio: figures.Ratio, mine: Ints) -> Change | None:
    hits, counted = ratio[0][mine], ratio[1][mine]
    hits, counted = hits[counted > 0], counted[counted > 0]
    half = len(hits) // 2
    if half < 10:
        return None
    return change_between(share_of(hits[:half], counted[:half]), share_of(hits[half:], counted[half:]))


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _times(stored: StoredRankings, length: Floats) -> tuple[list[float | None], list[float | None]]:
    columns = stored.columns
    read = np.bincount(columns.ranking, weights=length[columns.response], minlength=len(columns))
    seconds, pace = [], []
    for i in range(len(columns.labelers)):
        mine = (columns.labeler == i) & (stored.seconds > 0)
        seconds.append(float(np.median(stored.seconds[mine])) if mine.any() else None)
        total = float(read[mine].sum())
        pace.append(1000 * float(stored.seconds[mine].sum()) / total if total else None)
    return seconds, pace


def _skips(labelers: list[Any]) -> list[Share]:
    """Count skipped tasks of those finished, for each labeler; errors as if each task were alone."""
    states = (Assignment.State.SKIPPED, Assignment.State.SUBMITTED)
    rows = Assignment.objects.filter(state__in=states, kind__in=("comparison", "evaluation"))
    counted = rows.order_by().values_list("labeler_id", "state").annotate(n=Count("pk"))
    numbers = {(labeler, state): n for labeler, state, n in counted}
    found = []
    for pk in labelers:
        skipped, submitted = (numbers.get((pk, state), 0) for state in states)
        above = np.r_[np.ones(skipped), np.zeros(submitted)]
        found.append(share_of(above, np.ones(skipped + submitted)))
    return found
