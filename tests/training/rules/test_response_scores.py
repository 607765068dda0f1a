"""A reward model scores ranked responses: what is written, kept, refused, and done twice."""

import json
from collections.abc import Callable, Mapping
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command

from labeling.errors import Conflict, InvalidInput
from labeling.models import ResponseScore
from labeling.rules.response_scores import record_scores, responses_without_score
from tests.factories import ResponseFactory
from tests.training.factories import ranking, stored_model
from training.models import Model, ModelKind, RunState
from training.rules.response_scores import order_scores
from training.rules.run_execution import execute_run
from training.rules.run_folder import folder_of

pytestmark = pytest.mark.django_db(transaction=True)

Play = Callable[[Mapping[str, Any]], None]


@pytest.fixture
def reward_model() -> Model:
    return stored_model(name="rm-1", kind=ModelKind.REWARD)


def test_every_ranked_response_gets_a_score_and_no_other(trainer: Play, reward_model: Model) -> None:
    ranked = ranking([1, 2, 3])
    ResponseFactory.create()
    trainer({})
    run = order_scores(model=reward_model)
    assert execute_run(run.code) == RunState.FINISHED
    kept = {score.response_id: score for score in ResponseScore.objects.all()}
    assert kept.keys() == set(ranked.places.values_list("response_id", flat=True))
    assert all(score.score == len(score.response.text) for score in kept.values())
    assert {(score.scorer, score.scorer_name) for score in kept.values()} == {(reward_model.code, "rm-1")}
    lines = (folder_of(run) / "ranked_responses.jsonl").read_text().splitlines()
    assert set(json.loads(lines[0])) == {"code", "prompt", "response"}
    assert not responses_without_score(reward_model.code).exists()


def test_only_new_responses_are_scored_again_and_nothing_is_refused(
    trainer: Play, reward_model: Model
) -> None:
    ranking([1, 2, 3])
    trainer({})
    execute_run(order_scores(model=reward_model).code)
    with pytest.raises(Conflict, match="scored every ranked response"):
        order_scores(model=reward_model)
    later = ranking([1, 2, 3])
    execute_run(order_scores(model=reward_model).code)
    assert ResponseScore.objects.filter(response__places__ranking=later).count() == later.places.count()


def test_a_model_that_gives_no_numbers_keeps_nothing(trainer: Play, reward_model: Model) -> None:
    ranking([1, 2, 3])
    trainer({"score": float("nan")})
    run = order_scores(model=reward_model)
    assert execute_run(run.code) == RunState.FAILED
    run.refresh_from_db()
    assert "no number" in run.reason
    assert not ResponseScore.objects.exists()


def test_a_policy_gives_no_scores() -> None:
    ranking([1, 2, 3])
    with pytest.raises(InvalidInput, match="no reward model"):
        order_scores(model=stored_model(name="a policy"))


def test_scores_are_replaced_by_the_same_model_and_stand_beside_anothers() -> None:
    response, first, second = ResponseFactory.create(), uuid4(), uuid4()
    record_scores(scorer=first, scorer_name="one", scores={response.code: 1.0})
    record_scores(scorer=first, scorer_name="one", scores={response.code: 2.0})
    record_scores(scorer=second, scorer_name="two", scores={response.code: 9.0})
    assert sorted(ResponseScore.objects.values_list("score", flat=True)) == [2.0, 9.0]
    assert [score.scorer_name for score in ResponseScore.objects.current()] == ["two"]


def test_scores_of_nothing_are_refused() -> None:
    with pytest.raises(InvalidInput, match="name no response"):
        record_scores(scorer=uuid4(), scorer_name="one", scores={uuid4(): 1.0})


def test_the_command_says_how_many(trainer: Play, reward_model: Model) -> None:
    ranked = ranking([1, 2, 3])
    trainer({})
    out = StringIO()
    call_command("score_responses", "--here", "--json", stdout=out)
    report = json.loads(out.getvalue())
    assert (report["state"], report["scored"]) == ("finished", ranked.places.count())
    with pytest.raises(CommandError, match="scored every ranked response"):
        call_command("score_responses", "--model", "rm-1", "--here")
