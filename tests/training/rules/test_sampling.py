"""From policies and prompts to the ranked tasks of the next round."""

import json
import sqlite3
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from labeling.errors import Conflict, InvalidInput
from labeling.models import Batch, Prompt, Response, TaskKind
from tests.factories import PolicyFactory, PromptFactory, ResponseFactory
from tests.training.factories import draft_batch, stored_model
from training.models import Model, ModelKind, Run, RunState
from training.rules import dataset_members, run_folder, sampling
from training.rules.run_execution import record_finish
from training.rules.runs import claim_run
from training.rules.sampling import Writer, choose_prompts, make_tasks, sample_for_batch

pytestmark = pytest.mark.django_db


def writer(model: Model, count: int) -> Writer:
    assert model.policy is not None
    return Writer(model.policy, count)


def finish(run: Run, text: str = "{policy} says {index} to {prompt}") -> None:
    """End a sample run as its worker would, with the responses that its process would have written."""
    claimed = claim_run(run, worker="w")
    assert claimed is not None
    folder = run_folder.prepare(claimed)
    prompts = run.inputs.get(name="prompts").dataset
    policy = run.inputs.get(name="policy").model
    assert prompts is not None
    lines: list[dict[str, Any]] = []
    for part in prompts.manifest["parts"]:
        for line in (folder / "inputs" / "prompts" / part["path"]).read_text().splitlines():
            record = json.loads(line)
            for index in range(tomllib.loads(run.config)["sample"]["k"]):
                said = text.format(policy=policy, index=index, prompt=record["id"])
                lines.append(
                    {"prompt_id": record["id"], "index": index, "response": said, "ended": True, "tokens": 3}
                )
    (folder / "responses.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    record_finish(claimed, folder)


@pytest.fixture
def prompts() -> list[Prompt]:
    return PromptFactory.create_batch(3)


def test_two_policies_write_the_responses_of_a_batch(prompts: list[Prompt]) -> None:
    sft, ppo = stored_model(ModelKind.SFT), stored_model(ModelKind.PPO)
    batch = draft_batch(k=4)
    runs = sample_for_batch(batch=batch, writers=[writer(sft, 2), writer(ppo, 2)], prompts=prompts)
    assert [run.stage for run in runs] == ["sample", "sample"]
    finish(runs[0])
    batch.refresh_from_db()
    assert batch.status == Batch.Status.DRAFT
    assert Response.objects.count() == 6
    finish(runs[1])
    batch.refresh_from_db()
    assert batch.status == Batch.Status.OPEN
    assert batch.tasks.count() == 3
    assert {task.responses.count() for task in batch.tasks.all()} == {4}
    assert {r.policy.name for r in batch.tasks.all()[0].responses.all()} == {sft.name, ppo.name}


def test_responses_are_stored_once_however_often_the_end_is_recorded(prompts: list[Prompt]) -> None:
    batch = draft_batch(k=2)
    (run,) = sample_for_batch(batch=batch, writers=[writer(stored_model(), 2)], prompts=prompts)
    finish(run)
    assert sampling.store_responses(run=run, folder=run_folder.folder_of(run)) == 0
    assert make_tasks(batch=batch) == 0
    assert Response.objects.count() == 6


def test_policy_sampled_again_gives_new_responses(prompts: list[Prompt]) -> None:
    model = stored_model()
    for _ in range(2):
        batch = draft_batch(k=2)
        (run,) = sample_for_batch(batch=batch, writers=[writer(model, 2)], prompts=prompts)
        finish(run)
    assert Response.objects.count() == 12
    assert batch.tasks.count() == 3


def test_policy_without_weights_gives_what_it_has_written(prompts: list[Prompt]) -> None:
    others = PolicyFactory.create_batch(2)
    for prompt in prompts[:2]:
        for policy in others:
            ResponseFactory.create(prompt=prompt, policy=policy)
    batch = draft_batch(k=2)
    assert sample_for_batch(batch=batch, writers=[Writer(p, 1) for p in others], prompts=prompts) == []
    batch.refresh_from_db()
    assert batch.status == Batch.Status.OPEN
    assert batch.tasks.count() == 2
    assert batch.settings["without_choice"] == 1


def test_equal_responses_are_not_compared_but_stay_in_evaluations(prompts: list[Prompt]) -> None:
    sft, ppo = stored_model(ModelKind.SFT), stored_model(ModelKind.PPO)
    batch = draft_batch(TaskKind.EVALUATION, k=2)
    for run in sample_for_batch(batch=batch, writers=[writer(sft, 1), writer(ppo, 1)], prompts=prompts):
        finish(run, "the same")
    assert batch.tasks.count() == 3
    other = draft_batch(k=2)
    first, second = sample_for_batch(batch=other, writers=[writer(sft, 1), writer(ppo, 1)], prompts=prompts)
    finish(first, "the same")
    with pytest.raises(InvalidInput, match="nothing to rank"):
        finish(second, "the same")


def test_failed_sampling_leaves_the_batch_without_tasks(prompts: list[Prompt]) -> None:
    batch = draft_batch(k=2)
    (run,) = sample_for_batch(batch=batch, writers=[writer(stored_model(), 2)], prompts=prompts)
    Run.objects.filter(pk=run.pk).update(state=RunState.FAILED)
    assert make_tasks(batch=batch) == 0


def test_batch_is_sampled_once(prompts: list[Prompt]) -> None:
    batch, model = draft_batch(k=2), stored_model()
    sample_for_batch(batch=batch, writers=[writer(model, 2)], prompts=prompts)
    with pytest.raises(Conflict, match="already"):
        sample_for_batch(batch=batch, writers=[writer(model, 2)], prompts=prompts)
    assert Run.objects.count() == 1


def test_wrong_number_of_responses_is_refused(prompts: list[Prompt]) -> None:
    with pytest.raises(InvalidInput, match=r"give 3 responses .* asks for 4"):
        sample_for_batch(batch=draft_batch(k=4), writers=[writer(stored_model(), 3)], prompts=prompts)


def test_writer_that_can_answer_no_prompt_is_refused(prompts: list[Prompt]) -> None:
    people, batch = PolicyFactory.create(name="people"), draft_batch(k=4)
    with pytest.raises(InvalidInput, match=r"people has no weights .* answered none of the 3 prompts"):
        sample_for_batch(batch=batch, writers=[writer(stored_model(), 2), Writer(people, 2)], prompts=prompts)
    assert not Run.objects.exists()


def test_prompt_with_personal_data_is_not_shown() -> None:
    prompts = [PromptFactory.create(), PromptFactory.create(has_pii=True)]
    with pytest.raises(InvalidInput, match="1 of 2 prompts may not be shown"):
        sample_for_batch(batch=draft_batch(k=2), writers=[writer(stored_model(), 2)], prompts=prompts)


@pytest.fixture
def few_variables(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let SQLite take 999 variables in a query, as Django reckons; a default one takes 32,766."""
    monkeypatch.setattr(dataset_members, "AT_ONCE", 900)
    if connection.vendor != "sqlite":
        yield
        return
    connection.ensure_connection()
    before = connection.connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 999)
    yield
    connection.connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, before)


@pytest.mark.usefixtures("few_variables")
def test_more_prompts_are_sampled_than_a_query_takes_variables() -> None:
    prompts = Prompt.objects.bulk_create(PromptFactory.build_batch(1100))
    chosen = choose_prompts(split="train", count=1050, used_in="comparison", seed=1)
    assert len({prompt.pk for prompt in chosen}) == 1050
    batch = draft_batch(k=2)
    [run] = sample_for_batch(batch=batch, writers=[writer(stored_model(), 2)], prompts=chosen)
    finish(run)
    assert batch.tasks.count() == 1050
    assert len(choose_prompts(split="train", count=1100, used_in="comparison", seed=1)) == len(prompts)


def test_a_batch_says_how_many_of_its_prompts_were_used_before(prompts: list[Prompt]) -> None:
    model = stored_model()
    for given, used in ((prompts[:2], 0), (prompts, 2)):
        batch = draft_batch(k=2)
        [run] = sample_for_batch(batch=batch, writers=[writer(model, 2)], prompts=given)
        finish(run)
        batch.refresh_from_db()
        assert batch.settings["used_before"] == used


def test_unused_prompts_are_chosen_first() -> None:
    used, fresh = PromptFactory.create_batch(2)
    batch = draft_batch(k=2)
    policies = PolicyFactory.create_batch(2)
    for policy in policies:
        ResponseFactory.create(prompt=used, policy=policy)
    sample_for_batch(batch=batch, writers=[Writer(p, 1) for p in policies], prompts=[used])
    assert choose_prompts(split="train", count=1, used_in="comparison") == [fresh]
    assert choose_prompts(split="train", count=2, used_in="comparison") == [fresh, used]
    with pytest.raises(InvalidInput, match="no prompts in the test split"):
        choose_prompts(split="test", count=1)
