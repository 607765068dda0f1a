"""Prompts chosen by the reward model's doubt, with a random control share."""

import math
from typing import Any

import pytest

from labeling.errors import InvalidInput
from labeling.models import Batch, Policy, Prompt, Task
from labeling.rules.policies import people_policy
from tests.factories import PromptFactory
from tests.training.factories import demonstration, draft_batch, ranking, stored_model
from tests.training.rules.test_sampling import finish, writer
from training.models import ModelKind, Round, Run
from training.rules import round_opening, round_steps
from training.rules.datasets import freeze_dataset
from training.rules.evaluations import win_rate
from training.rules.prompt_choice import DOUBT, RANDOM, choose_prompts_by_doubt, doubt
from training.rules.run_folder import responses_in
from training.rules.sampling import Pool, Writer, choose_prompts, sample_for_batch

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([1.0, 1.0], 1.0),  # cannot tell: one bit
        ([0.0, math.log(3)], 0.8112781244591328),  # 3 to 1
        ([0.0, 2000.0], 0.0),  # certain
        ([0.0, 0.0, 2000.0], 1 / 3),  # one pair of three in doubt
        ([1.0], None),
    ],
)
def test_doubt_is_the_mean_entropy_of_the_pairs(scores: list[float], expected: float | None) -> None:
    assert doubt(scores) == (expected if expected is None else pytest.approx(expected))


def test_control_share_is_drawn_before_scores_are_looked_at() -> None:
    sure = {prompt: [0.0, 10.0] for prompt in range(40)}
    torn = {prompt: [0.0, 0.1] for prompt in range(40, 50)}
    chosen = choose_prompts_by_doubt({**sure, **torn}, count=10, control_fraction=0.5, seed="a")
    control = {prompt for prompt, how in chosen.items() if how == RANDOM}
    assert (len(chosen), len(control)) == (10, 5)
    assert {prompt for prompt, how in chosen.items() if how == DOUBT} <= torn.keys()
    other = {prompt: [1.0, 1.0] for prompt in range(50)}
    again = choose_prompts_by_doubt(other, count=10, control_fraction=0.5, seed="a")
    assert {prompt for prompt, how in again.items() if how == RANDOM} == control


def test_random_prompts_are_drawn_by_seed_from_those_not_used() -> None:
    PromptFactory.create_batch(30)
    first = choose_prompts(split="train", count=10, seed=1)
    assert first == choose_prompts(split="train", count=10, seed=1)
    assert first != choose_prompts(split="train", count=10, seed=2)
    assert len(choose_prompts(split="train", count=100, seed=1)) == 30


def test_used_prompts_are_drawn_too_where_unused_ones_do_not_reach() -> None:
    batch, prompt_batch = draft_batch(k=2), PromptFactory.create_batch(30)
    Task.objects.bulk_create(Task(batch=batch, prompt=prompt) for prompt in prompt_batch)
    fresh = {prompt.pk for prompt in PromptFactory.create_batch(5)}
    chosen = choose_prompts(split="train", count=15, used_in="comparison", seed=1)
    assert {prompt.pk for prompt in chosen[:5]} == fresh
    again = {prompt.pk for prompt in chosen[5:]}
    assert len(again) == 10
    assert again <= {prompt.pk for prompt in prompt_batch}
    oldest, newest = prompt_batch[:10], prompt_batch[-10:]
    assert again not in ({prompt.pk for prompt in oldest}, {prompt.pk for prompt in newest})
    in_order = choose_prompts(split="train", count=15, used_in="comparison")
    assert in_order[5:] == oldest


def scored(run: Run, scores: dict[str, list[float]], monkeypatch: pytest.MonkeyPatch) -> None:
    """End a sample run whose responses have these scores, by code of the prompt."""
    monkeypatch.setattr(
        "training.rules.sampling.responses_in",
        lambda folder: [{**r, "score": scores[r["prompt_id"]][r["index"]]} for r in responses_in(folder)],
    )
    finish(run)
    monkeypatch.setattr("training.rules.sampling.responses_in", responses_in)


def batch_by_doubt(monkeypatch: pytest.MonkeyPatch) -> tuple[Batch, list[Prompt], list[Prompt]]:
    """A batch of four tasks from a pool of nine prompts, of which three leave the reward model in doubt."""
    pool, extra = PromptFactory.create_batch(9), PromptFactory.create_batch(1)
    torn = pool[:3]
    scores = {str(p.code): [0.0, 0.1] if p in torn else [0.0, 9.0] for p in [*pool, *extra]}
    batch = draft_batch(k=2)
    [run] = sample_for_batch(
        batch=batch,
        writers=[writer(stored_model(ModelKind.PPO), 2)],
        prompts=[*pool, *extra],
        reward=stored_model(ModelKind.REWARD),
        pool=Pool(4, 0.25, extra),
    )
    assert run.inputs.filter(name="reward").exists()
    scored(run, scores, monkeypatch)
    batch.refresh_from_db()
    return batch, torn, extra


def test_tasks_of_a_pool_say_how_their_prompt_was_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    batch, torn, extra = batch_by_doubt(monkeypatch)
    found = list(batch.tasks.values_list("prompt", "chosen_by"))
    assert len(found) == 5
    assert [how for _, how in found].count(RANDOM) == 1
    assert {prompt for prompt, how in found if how == ""} == {prompt.pk for prompt in extra}
    by_doubt = {prompt for prompt, how in found if how == DOUBT}
    control = {prompt for prompt, how in found if how == RANDOM}
    assert {prompt.pk for prompt in torn} <= by_doubt | control
    assert batch.settings["pool"]["control_fraction"] == 0.25


def test_datasets_and_win_rates_can_be_restricted_to_the_control_share(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    batch, _, _ = batch_by_doubt(monkeypatch)
    for task in batch.tasks.all():
        ranking([1, 2], task=task)
    assert freeze_dataset(kind="comparisons").rows == 5
    control = freeze_dataset(kind="comparisons", selection={"chosen_by": RANDOM})
    assert control.rows == 1
    assert control.manifest["selection"]["chosen_by"] == [RANDOM]
    with pytest.raises(InvalidInput, match="chosen_by has luck"):
        freeze_dataset(kind="comparisons", selection={"chosen_by": ["luck"]})

    one, other = Policy.objects.create(name="one"), Policy.objects.create(name="other")
    for way in (RANDOM, DOUBT):
        made = ranking([1, 2], policies=[one, other])
        Task.objects.filter(pk=made.task_id).update(chosen_by=way)
    assert win_rate(policy=one, baseline=other).judgements == 2
    assert win_rate(policy=one, baseline=other, chosen_by=RANDOM).judgements == 1


def test_choosing_by_doubt_or_best_of_n_without_a_reward_model_is_refused() -> None:
    prompts, model = PromptFactory.create_batch(2), stored_model(ModelKind.PPO)
    assert model.policy is not None
    for asked in ({"pool": Pool(1, 0.2)}, {"writers": [Writer(model.policy, 2, best_of=4)]}):
        order: dict[str, Any] = {"writers": [writer(model, 2)], "prompts": prompts, **asked}
        with pytest.raises(InvalidInput, match="need a reward model"):
            sample_for_batch(batch=draft_batch(k=2), **order)


def first_round(monkeypatch: pytest.MonkeyPatch, **settings: Any) -> Round:
    """A round that may sample: there are a supervised policy and a reward model."""
    before = round_opening.open_round(base_model=stored_model(), settings={"k": 4, "valid_prompts": 0})
    sft, reward = stored_model(ModelKind.SFT), stored_model(ModelKind.REWARD)
    for name, model in (("sft_model", sft), ("policy_model", sft), ("reward_model", reward)):
        monkeypatch.setattr(f"training.rules.round_steps.{name}", lambda _, model=model: model)
    return round_opening.open_round(previous=before, settings=settings)


def test_a_round_mixes_best_of_n_and_demonstrations(monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = PromptFactory.create_batch(2)
    demonstration(prompt=prompts[0], text="By hand.")
    mix = {"newest": 2, "best_of": 1, "demonstration": 1}
    given = first_round(monkeypatch, mix=mix, best_of_n=8, prompts=2)

    runs = round_steps.KINDS["sample"].start(given, None)

    assert [("best_of = 8" in run.config, run.inputs.count()) for run in runs] == [(False, 3), (True, 3)]
    for number, run in enumerate(runs):
        finish(run, text=f"{number} " + "{index} to {prompt}")
    assert given.comparison_batch is not None
    tasks = {task.prompt_id: task for task in given.comparison_batch.tasks.all()}
    assert tasks[prompts[0].pk].responses.count() == 4
    assert tasks[prompts[1].pk].responses.count() == 3  # nobody wrote a demonstration
    assert tasks[prompts[0].pk].responses.filter(policy=people_policy()).exists()


def test_a_round_answers_a_pool_and_compares_a_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = PromptFactory.create_batch(12)
    given = first_round(monkeypatch, k=2, mix={"newest": 2}, prompts=4, choose_by="doubt", pool_factor=2)

    [run] = round_steps.KINDS["sample"].start(given, None)
    assert given.comparison_batch is not None
    given.comparison_batch.refresh_from_db()
    assert len(given.comparison_batch.settings["prompts"]) == 8
    scored(run, {str(p.code): [0.0, 1.0] for p in prompts}, monkeypatch)

    ways = list(given.comparison_batch.tasks.values_list("chosen_by", flat=True))
    assert sorted(ways) == [DOUBT] * 3 + [RANDOM]


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"choose_by": "luck"}, "choose_by"),
        ({"control_fraction": 2}, "control_fraction"),
        ({"best_of_n": 1}, "best_of_n"),
    ],
)
def test_a_wrong_choice_is_refused_at_its_field(asked: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        round_opening.open_round(base_model=stored_model(), settings=asked)
    assert field in caught.value.fields
