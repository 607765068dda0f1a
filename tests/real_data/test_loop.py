"""Real prompts, demonstrations, model outputs and preferences go through the whole loop.

`python -m tests.real_data` does the same with all pairs and larger models, and prints the figures.
"""

from pathlib import Path
from typing import Any

import pytest

from labeling.models import Batch, Cohort, Place, Ranking, TaskKind
from labeling.rules.assignments import claim_next
from labeling.rules.comparisons import Judgement, submit_ranking
from tests.factories import LabelerFactory
from tests.real_data import evaluation, loop
from tests.real_data.loop import SMALL

pytestmark = [pytest.mark.real_data, pytest.mark.django_db(transaction=True)]
SEED_TASKS, PROMPTS, MODELS = 175, 252, 8


@pytest.fixture(autouse=True)
def _own_folders(settings: Any, tmp_path: Path) -> None:
    settings.ARTIFACTS_URL = (tmp_path / "artifacts").as_uri()
    settings.RUNS_DIR = tmp_path / "runs"


def test_every_line_of_the_real_files_is_taken_or_refused_with_a_reason(real_data: Path) -> None:
    demonstrations = loop.import_seed_tasks(real_data)
    outputs = loop.import_model_outputs(real_data)
    pairs = loop.import_preferences(real_data, SMALL)

    assert demonstrations.read == SEED_TASKS
    assert outputs.read == PROMPTS * MODELS
    assert pairs.read == SMALL.pairs
    for intake in (demonstrations, outputs, pairs):
        assert sum(intake.counts.values()) == intake.read
        assert intake.counts["accepted"] > 0.95 * intake.read
        assert intake.refusals.count() == intake.read - intake.counts["accepted"]


def test_outputs_of_eight_models_are_served_and_ranked_as_eight_way_comparisons(real_data: Path) -> None:
    loop.import_model_outputs(real_data)
    batch = loop.open_comparisons_of(loop.model_names(real_data))
    labeler = LabelerFactory.create()
    labeler.qualifications.create(kind=TaskKind.COMPARISON)

    shown = [loop.responses_shown(assignment) for assignment in batch.assignments.all()]
    assert max(map(len, shown)) == MODELS
    assert any("" in texts for texts in shown), "an empty output is a response like any other"
    assert max(len(text) for texts in shown for text in texts) > 3000
    assert all(len(set(texts)) == len(texts) for texts in shown), "equal outputs stand once"

    for _ in range(5):
        assignment = claim_next(labeler=labeler, kind=TaskKind.COMPARISON)
        assert assignment is not None
        codes = [candidate.response.code for candidate in assignment.task.candidates.all()]
        judgements = [Judgement(code=code, rank=1 + place // 2, likert=4) for place, code in enumerate(codes)]
        submit_ranking(assignment=assignment, judgements=judgements, idempotency_key=str(assignment.code))
    assert Ranking.objects.filter(task__batch=batch).count() == 5
    assert Place.objects.filter(ranking__task__batch=batch, rank=1).count() == 10


def test_real_models_go_through_an_evaluation_with_its_figures(real_data: Path) -> None:
    loop.import_model_outputs(real_data)

    found = evaluation.evaluate(real_data, policies=["text-davinci-003", "davinci-self-instruct"], prompts=25)

    table = evaluation.as_table(found)
    assert table["text-davinci-003"]["judgements"] == 25
    value, low, high = table["text-davinci-003"]["win rate"]
    assert 0 <= low <= value <= high <= 1
    assert value > 0.5, "the newest of the family is nearer to people's answers than GPT-3"
    assert 1 <= table["davinci"]["rating"][0] <= 7
    assert set(found[1].rates) == {"all", Cohort.TRAIN, Cohort.HELD_OUT}


def test_real_labels_train_every_stage_and_the_policy_writes_the_next_round(real_data: Path) -> None:
    loop.import_seed_tasks(real_data)
    loop.import_preferences(real_data, SMALL)
    loop.import_model_outputs(real_data)

    base = loop.train_base(SMALL)
    supervised = loop.train_sft(SMALL, base)
    reward = loop.train_reward(SMALL, supervised)
    policy = loop.train_ppo(SMALL, supervised, reward)
    batch = loop.open_next_comparisons(SMALL, supervised, policy)

    found = loop.accuracy_of(reward)
    assert found["pairs"] > 10
    assert found["low"] <= found["accuracy"] <= found["high"]
    assert policy.reward_model == reward
    assert policy.parent == supervised
    [accuracy, *_] = evaluation.alignment_tax_on_pairs(real_data, after=policy, before=base, pairs=20)
    assert 15 <= accuracy.questions <= 20
    assert 0 <= accuracy.before.value <= 1
    assert batch.status == Batch.Status.OPEN
    assert 1 <= batch.tasks.count() <= SMALL.prompts
    assert batch.assignments.count() == batch.tasks.count()
