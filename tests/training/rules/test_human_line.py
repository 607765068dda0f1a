"""The human line is measured on the tasks of the reward model's own valid pairs."""

import pytest
from django.test import Client
from django.urls import reverse

from labeling.models import Role, Split
from tests.factories import PromptFactory, UserFactory, qualified_labeler
from tests.training.factories import draft_batch, ranking, stored_model
from training.models import ModelKind, Run, RunInput, Stage
from training.rules.curves import store_points
from training.rules.datasets import freeze_dataset
from training.rules.human_line import ceiling_of, human_line

pytestmark = pytest.mark.django_db


def reward_run(**result: float) -> Run:
    run = Run.objects.create(stage=Stage.REWARD, config="", folder="r", result=result)
    RunInput.objects.create(run=run, name="dataset", dataset=freeze_dataset(kind="comparisons"))
    return run


def test_only_valid_tasks_count_and_ties_are_left_out() -> None:
    batch = draft_batch(k=3)
    for split, orders in ((Split.VALID, ([1, 2, 3], [1, 3, 2])), (Split.TRAIN, ([1, 2, 3], [3, 2, 1]))):
        first = ranking(orders[0], batch=batch, prompt=PromptFactory.create(split=split))
        ranking(orders[1], task=first.task, prompt=first.task.prompt, labeler=qualified_labeler())
    ranking([1, 2, 2], batch=batch, prompt=PromptFactory.create(split=Split.VALID))
    line = human_line(reward_run(**{"valid/accuracy": 0.7}))
    assert line is not None
    assert (line.accuracy, line.tasks) == (0.7, 2)
    assert line.agreement.value == pytest.approx(2 / 3)
    assert line.agreement.tasks == 1


def test_the_ceiling_is_known_before_there_is_an_accuracy_and_stands_beside_the_curves(
    client: Client,
) -> None:
    first = ranking([1, 2, 3], prompt=PromptFactory.create(split=Split.VALID))
    ranking([1, 3, 2], task=first.task, prompt=first.task.prompt, labeler=qualified_labeler())
    run = reward_run()
    found = ceiling_of(run)
    assert found is not None
    assert found.agreement.value == pytest.approx(2 / 3)
    store_points(run, [{"step": 1, "valid/accuracy": 0.6}, {"step": 2, "valid/accuracy": 0.7}])
    client.force_login(UserFactory.create(role=Role.RESEARCHER))
    told = client.get(reverse("run-points", args=[run.code])).json()
    assert told["levels"]["valid/accuracy"] == pytest.approx(2 / 3)
    page = client.get(reverse("run-detail", args=[run.code])).content.decode()
    assert "people’s agreement on the valid tasks" in page


def test_without_accuracy_or_valid_tasks_there_is_no_line() -> None:
    ranking([1, 2], prompt=PromptFactory.create(split=Split.TRAIN))
    assert human_line(reward_run()) is None
    assert human_line(reward_run(**{"valid/accuracy": 0.7})) is None
    run = Run.objects.create(stage=Stage.SFT, config="", folder="s", result={"valid/accuracy": 0.7})
    RunInput.objects.create(run=run, name="policy", model=stored_model(kind=ModelKind.BASE))
    assert human_line(run) is None
