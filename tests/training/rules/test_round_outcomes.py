"""What labelers may know of their rounds: their own share, the state, and in the end how it did."""

import pytest

from labeling.models import Labeler, TaskKind
from labeling.rules import batches
from tests.factories import LabelerFactory, PolicyFactory
from tests.training.factories import demonstration, draft_batch, ranking
from training.models import Evaluation, Round
from training.rules.datasets import freeze_dataset
from training.rules.round_outcomes import outcomes_for, rounds_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def ana() -> Labeler:
    return LabelerFactory.create()


def turn(ana: Labeler) -> Round:
    """Return a round whose comparisons are frozen: two by Ana, one by somebody else."""
    batch = draft_batch()
    for labeler in (ana, ana, LabelerFactory.create()):
        ranking([1, 2, 3, 4], batch=batch, labeler=labeler)
    dataset = freeze_dataset(kind="comparisons")
    return Round.objects.create(number=1, comparison_batch=batch, comparisons_dataset=dataset)


def judged(row: Round, wins: int, losses: int) -> Evaluation:
    """Give the round an evaluation with so many judgements for and against the new policy."""
    new, old = PolicyFactory.create(), PolicyFactory.create()
    batch = draft_batch(TaskKind.EVALUATION, k=2)
    for won in [True] * wins + [False] * losses:
        ranking([1, 2] if won else [2, 1], batch=batch, policies=[new, old])
    made = Evaluation.objects.create(name="new against old", policy=new, baseline=old, batch=batch)
    Round.objects.filter(pk=row.pk).update(evaluation=made)
    return made


def test_own_labels_are_counted_and_what_was_learned_from_them(ana: Labeler) -> None:
    row = turn(ana)
    demonstration(labeler=ana)
    assert list(rounds_of(ana)) == [row]
    outcome = outcomes_for(ana, [row])[0]
    assert (outcome.comparisons, outcome.learned_from, outcome.state) == (2, 2, "learning")
    assert outcome.demonstrations == 0, "one of no batch is none of this round"
    assert outcome.verdict == ""
    assert not rounds_of(LabelerFactory.create()).exists()


def test_how_it_did_is_told_only_when_everybody_has_judged(ana: Labeler) -> None:
    row = turn(ana)
    evaluation = judged(row, wins=30, losses=4)
    outcome = outcomes_for(ana, list(rounds_of(ana)))[0]
    assert (outcome.state, outcome.rate) == ("judging", None)
    batches.open_batch(batch=evaluation.batch)
    batches.close_batch(batch=evaluation.batch)
    outcome = outcomes_for(ana, list(rounds_of(ana)))[0]
    assert (outcome.state, outcome.verdict) == ("judged", "better")
    assert outcome.rate is not None
    assert outcome.rate.judgements == 34


@pytest.mark.parametrize(("wins", "losses", "verdict"), [(3, 30, "worse"), (6, 6, "even"), (0, 0, "")])
def test_the_verdict_follows_the_interval(ana: Labeler, wins: int, losses: int, verdict: str) -> None:
    row = turn(ana)
    evaluation = judged(row, wins, losses)
    type(evaluation.batch).objects.filter(pk=evaluation.batch_id).update(status="closed")
    assert outcomes_for(ana, list(rounds_of(ana)))[0].verdict == verdict
