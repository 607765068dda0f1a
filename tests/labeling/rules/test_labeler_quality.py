"""Figures about labelers: worked by hand, and found again where simulated people have them."""

import numpy as np
import pytest

from labeling.models import GoldAnswer, Labeler, Place, Ranking, ResponseScore, User
from labeling.rules import labeler_figures as figures
from labeling.rules.comparisons import Judgement, record_ranking
from labeling.rules.labeler_quality import agreement_of_labeler, labeler_quality
from labeling.rules.labeler_ratios import Share, share_of, shares_by_group, shrunken
from labeling.rules.ranking_columns import Ranked, columns_of
from labeling.rules.response_facts import load_response_facts
from labeling.rules.stored_rankings import load_rankings, newest_rankings
from tests.factories import qualified_labeler, ranked_batch

# Three labelers on three responses; x and y alike, z the other way round.
THREE = columns_of(
    [
        Ranked("t", "x", {"a": 1, "b": 2, "c": 3}),
        Ranked("t", "y", {"a": 1, "b": 2, "c": 3}),
        Ranked("t", "z", {"a": 3, "b": 2, "c": 1}),
    ]
)


def test_consensus_leaves_the_labeler_out() -> None:
    hits, counted = figures.against_consensus(THREE)
    # For x the others are y and z, whose orders cancel: nothing to compare. For z they agree against it.
    assert counted.tolist() == [0, 0, 3]
    assert hits.tolist() == [0, 0, 0]


def test_two_labelers_are_each_others_consensus() -> None:
    columns = columns_of([Ranked(1, "x", {"a": 1, "b": 2, "c": 3}), Ranked(1, "y", {"a": 2, "b": 1, "c": 3})])
    hits, counted = figures.against_consensus(columns)
    assert (hits.tolist(), counted.tolist()) == ([2, 2], [3, 3])


def test_ties_first_shown_and_longer_by_hand() -> None:
    columns = columns_of([Ranked(1, "x", {"a": 1, "b": 1, "c": 2})])
    tied, pairs = figures.ties(columns)
    assert (tied.tolist(), pairs.tolist()) == ([1], [3])
    shown = np.array([0.0, 1.0, 2.0])  # a was shown first: ties b, beats c
    wins, compared = figures.first_shown_wins(columns, shown)
    assert (wins.tolist(), compared.tolist()) == ([1.5], [2])
    length = np.array([10.0, 500.0, 20.0])  # untied: a beats c though shorter, b beats c and is longer
    wins, compared = figures.longer_wins(columns, length)
    assert (wins.tolist(), compared.tolist()) == ([1], [2])
    wins, compared = figures.first_shown_wins(columns, np.full(3, np.nan))
    assert compared.tolist() == [0]


def test_likert_offset_is_from_the_mean_of_the_others() -> None:
    columns = columns_of([Ranked(1, name, {"a": 1, "b": 2}) for name in "xyz"])
    likert = np.array([6, 5, 4, 3, 2, np.nan])  # x: 6 and 5; y: 4 and 3; z: 2 and nothing
    above, counted = figures.likert_offsets(columns, likert)
    assert counted.tolist() == [2, 2, 1]
    assert above.tolist() == [(6 - 3) + (5 - 3), (4 - 4) + (3 - 5), 2 - 5]


def test_length_slope_is_found_again_and_none_is_none() -> None:
    generator = np.random.default_rng(6)
    rankings, length = [], []
    for task in range(600):
        sizes = generator.integers(20, 800, size=2)
        tilt = 0.8 * (np.log2(sizes[0] + 1) - np.log2(sizes[1] + 1))
        first = generator.random() < 1 / (1 + np.exp(-tilt))
        rankings.append(Ranked(task, "long", {(task, 0): 1 if first else 2, (task, 1): 2 if first else 1}))
        coin = int(generator.integers(2))
        rankings.append(Ranked(task, "fair", {(task, 0): 1 + coin, (task, 1): 2 - coin}))
        length.extend(sizes.tolist())
    slope, error = figures.length_slopes(columns_of(rankings), np.array(length, dtype=np.float64))
    assert slope[0] == pytest.approx(0.8, abs=3 * error[0])
    assert abs(slope[1]) < 3 * error[1]
    assert 0 < error[1] < 0.2


def test_share_and_its_clustered_error_by_hand() -> None:
    share = share_of(np.array([1.0, 1.0]), np.array([1.0, 3.0]))
    assert share.value == pytest.approx(0.5)
    assert share.standard_error == pytest.approx(np.sqrt(2 * (0.25 + 0.25)) / 4)
    assert (share.tasks, share.count, share.is_thin) == (2, 4.0, True)
    alone = share_of(np.array([1.0]), np.array([2.0]))
    assert (alone.value, alone.standard_error, alone.low) == (0.5, None, None)
    nothing = share_of(np.zeros(0), np.zeros(0))
    assert (nothing.value, nothing.tasks) == (None, 0)


def test_shares_by_group_are_the_shares_of_each_group() -> None:
    generator = np.random.default_rng(1)
    group, below = generator.integers(3, size=60), generator.integers(0, 5, size=60).astype(np.float64)
    above = np.floor(below * generator.random(60))
    for number, share in enumerate(shares_by_group(group, 4, above, below)):
        alone = share_of(above[group == number], below[group == number])
        assert share.value == pytest.approx(alone.value)
        assert share.standard_error == pytest.approx(alone.standard_error)


def share(value: float, error: float | None, tasks: int) -> Share:
    return Share(value, error, None, None, tasks, float(tasks * 3))


def test_little_is_drawn_to_the_middle_much_stays() -> None:
    shares = [share(0.75, 0.01, 300), share(0.55, 0.01, 300), share(1.0, 0.0, 2), share(0.7, 0.01, 300)]
    found = shrunken([*shares, share_of(np.zeros(0), np.zeros(0))])
    estimates = [row[0] for row in found[:4] if row is not None]
    assert estimates[0] == pytest.approx(0.75, abs=0.005)
    assert estimates[1] == pytest.approx(0.55, abs=0.005)
    assert 0.6 < estimates[2] < 0.9
    assert found[4] is None
    assert shrunken([share(1.0, None, 1)]) == [(1.0, 0.0)]


def test_alike_labelers_are_drawn_together() -> None:
    alike = shrunken([share(0.70, 0.05, 20), share(0.74, 0.05, 20), share(0.72, 0.05, 20)])
    values = [row[0] for row in alike if row is not None]
    assert values == pytest.approx([0.72] * 3, abs=1e-6)


@pytest.fixture
def judged(alice: Labeler, dana: User) -> tuple[Labeler, Labeler]:
    """Alice and another on twelve pairs, alike on nine; gold and scores say as Alice does."""
    other = qualified_labeler()
    batch = ranked_batch(tasks=12, k=2)
    for number, task in enumerate(batch.tasks.all()):
        first, second = (candidate.response for candidate in task.candidates.all())
        for labeler, better in ((alice, first), (other, first if number < 9 else second)):
            judgements = [
                Judgement(r.code, 1 if r == better else 2, 6 if r == better else 2) for r in (first, second)
            ]
            ranking = record_ranking(task=task, labeler=labeler, judgements=judgements)
            Ranking.objects.filter(pk=ranking.pk).update(
                shown_order=[str(first.code), str(second.code)], seconds=60
            )
        GoldAnswer.objects.create(
            task=task,
            by=dana,
            reason="clear",
            judgements=[{"code": str(first.code), "rank": 1}, {"code": str(second.code), "rank": 2}],
        )
        for response, score in ((first, 1.5), (second, -0.5)):
            ResponseScore.objects.create(
                response=response, score=score, scorer=batch.code, scorer_name="RM 1"
            )
    return alice, other


def test_stored_figures_of_two_labelers(judged: tuple[Labeler, Labeler]) -> None:
    alice, other = judged
    rankings = newest_rankings()
    stored = load_rankings(rankings)
    facts = load_response_facts(stored, rankings)
    found = {quality.labeler.code: quality for quality in labeler_quality(stored, facts)}
    assert facts.scorer == "RM 1"
    mine, theirs = found[alice.code], found[other.code]
    assert mine.consensus.value == theirs.consensus.value == 0.75
    assert (mine.gold.value, theirs.gold.value) == (1.0, 0.75)
    assert (mine.reward_model.value, theirs.reward_model.value) == (1.0, 0.75)
    assert (mine.first_shown.value, theirs.first_shown.value) == (1.0, 0.75)
    assert (mine.ties.value, mine.rankings, mine.seconds) == (0.0, 12, 60.0)
    assert mine.likert_offset.value == pytest.approx(0.0)
    assert mine.pace is not None
    assert mine.pace > 0
    assert "prefers what is shown first" in mine.reasons_to_look


def test_agreement_of_one_labeler_is_that_of_the_report(judged: tuple[Labeler, Labeler]) -> None:
    alice, _ = judged
    share = agreement_of_labeler(alice)
    assert (share.value, share.tasks, share.count) == (0.75, 12, 12.0)
    assert agreement_of_labeler(qualified_labeler()).value is None


def test_a_revision_replaces_what_it_revises(judged: tuple[Labeler, Labeler]) -> None:
    alice, _ = judged
    old = Ranking.objects.filter(labeler=alice).first()
    assert old is not None
    new = Ranking.objects.create(task=old.task, labeler=alice, supersedes=old, revision=2)
    Place.objects.bulk_create(
        Place(ranking=new, response_id=place.response_id, rank=3 - place.rank) for place in old.places.all()
    )
    assert agreement_of_labeler(alice).value == pytest.approx(8 / 12)
