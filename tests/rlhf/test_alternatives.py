"""DPO, RLOO, an adaptive KL and best-of-n, on the same data and rollouts as the paper's PPO."""

import itertools
import json
import math
from pathlib import Path

import pytest
import torch

from tests.rlhf.conftest import tiny_model
from tests.rlhf.stages import (
    LENGTHS,
    copy_run,
    link,
    make_reward_model,
    metrics,
    ppo_config,
    ppo_settings,
    prepare_ppo,
    prepare_reward,
    result,
    run_stage,
    same_weights,
)
from training.rlhf.advantages import next_kl_coef, rloo
from training.rlhf.best_of import best_of_curve, best_of_kl, expected_best, keep_best
from training.rlhf.config import ConfigError
from training.rlhf.dpo import sequence_logprobs
from training.rlhf.model import LanguageModel
from training.rlhf.ppo import prompt_order
from training.rlhf.reward import RankedExample
from training.rlhf.tokenizer import Codec

DPO_SETTINGS = {"epochs": 3, "minibatch_size": 10, "beta": 0.2}
DPO = {
    "lengths": LENGTHS,
    "optim": {"learning_rate": 3e-3},
    "dpo": DPO_SETTINGS,
}


def test_dpo_begins_at_ln_2_and_learns_the_rankings(base_folder: Path, tmp_path: Path) -> None:
    folder = prepare_reward(tmp_path / "run", base_folder)
    assert run_stage(folder, "dpo", DPO) == 0
    assert metrics(folder, "loss/dpo")[0] == pytest.approx(math.log(2), abs=1e-5)
    assert result(folder)["metrics"]["valid/accuracy"] > 0.75
    about = json.loads((folder / "model/instructloop.json").read_text())
    assert (about["kind"], about["beta"]) == ("dpo", 0.2)


def test_dpo_resumes_bit_for_bit_and_ignores_microbatches(base_folder: Path, tmp_path: Path) -> None:
    straight = prepare_reward(tmp_path / "straight", base_folder)
    settings = {**DPO, "report": {"checkpoint_every": 7}}
    assert run_stage(straight, "dpo", settings) == 0
    again = copy_run(straight, tmp_path / "again")
    (again / "result.json").unlink()
    assert run_stage(again, "dpo", settings) == 0
    assert same_weights(straight, again)
    small = prepare_reward(tmp_path / "small", base_folder)
    assert run_stage(small, "dpo", {**DPO, "dpo": {**DPO_SETTINGS, "microbatch_tokens": 1}}) == 0
    assert metrics(small, "loss/dpo") == pytest.approx(metrics(straight, "loss/dpo"), abs=1e-4)


def test_dpo_reads_a_prompt_once_and_finds_what_rows_apart_say(codec: Codec, shape: str) -> None:
    model = tiny_model(codec, shape)
    examples = [
        RankedExample([5, 6, 7, 8], [[20, 21, 2], [22, 2], [23, 24, 25, 26]], (1, 2, 3), "a", ""),
        RankedExample([9, 10], [[30, 2], [31, 32, 2]], (1, 2), "b", ""),
        RankedExample([3, 4, 5, 6, 7, 8, 9], [[40, 41, 42, 43, 44, 2], [45]], (1, 2), "c", ""),
    ]
    weights = torch.arange(1.0, 8.0)
    found = []
    for packs in (True, False):
        model.body.packs = packs
        sums = sequence_logprobs(model, examples, torch.device("cpu"))
        found.append((sums.detach(), torch.autograd.grad((sums * weights).sum(), list(model.parameters()))))
    (shared, shared_gradients), (apart, apart_gradients) = found
    assert torch.allclose(shared, apart, atol=1e-5)
    for a, b in zip(shared_gradients, apart_gradients, strict=True):
        assert torch.allclose(a, b, atol=1e-5 * max(1.0, float(b.abs().max())))
    # A prompt of one token has nothing left to share.
    one = [RankedExample([5], [[20, 2], [21]], (1, 2), "d", "")]
    model.body.packs = True
    assert torch.allclose(
        sequence_logprobs(model, one, torch.device("cpu")),
        torch.cat([alone(model, [5], response) for response in one[0].responses]),
        atol=1e-5,
    )


def alone(model: LanguageModel, prompt: list[int], response: list[int]) -> torch.Tensor:
    """The log-probability of one response, by the model's own logits: (1,) float."""
    ids = torch.tensor([[*prompt, *response]])
    logits: torch.Tensor = model.causal(input_ids=ids).logits
    logprobs = logits.log_softmax(dim=-1)[0, len(prompt) - 1 : -1]
    return logprobs.gather(1, torch.tensor(response).unsqueeze(1)).sum().unsqueeze(0)


def test_leave_one_out_advantages_equal_the_table() -> None:
    found = rloo(torch.tensor([1.0, 2.0, 6.0, 5.0, 5.0, 5.0]), 3)
    assert found.tolist() == [-3.0, -1.5, 4.5, 0.0, 0.0, 0.0]
    with pytest.raises(ValueError, match="n is 1"):
        rloo(torch.ones(2), 1)


def test_rloo_trains_without_a_value_model(base_folder: Path, tmp_path: Path) -> None:
    folder = prepare_ppo(tmp_path / "run", base_folder)
    settings = ppo_settings(estimator="rloo", samples_per_prompt=4, iterations=3)
    assert run_stage(folder, "ppo", settings) == 0
    assert not metrics(folder, "loss/value")
    assert metrics(folder, "ppo/ratio_first") == [0.0] * 3
    assert result(folder)["state"] == "finished"


def test_each_prompt_comes_as_often_in_a_row_as_it_has_samples() -> None:
    drawn = prompt_order(20, ppo_config(samples_per_prompt=4), 0)
    assert len(drawn) == 16
    assert all(len(set(drawn[at : at + 4])) == 1 for at in range(0, 16, 4))
    assert len(set(drawn)) == 4


def test_samples_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match="does not divide"):
        ppo_config(samples_per_prompt=3)
    with pytest.raises(ConfigError, match="allowed is 2 or more"):
        ppo_config(estimator="rloo")


def test_kl_controller_follows_its_formula() -> None:
    assert next_kl_coef(0.1, 6.0, 6.0, 64, 10_000) == 0.1
    assert next_kl_coef(0.1, 6.6, 6.0, 100, 1000) == pytest.approx(0.1 * (1 + 0.1 * 0.1))
    assert next_kl_coef(0.1, 60.0, 6.0, 100, 1000) == pytest.approx(0.1 * 1.02)
    assert next_kl_coef(0.1, 0.0, 6.0, 100, 1000) == pytest.approx(0.1 * 0.98)


def test_a_horizon_shorter_than_a_rollout_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"kl_horizon 15 is below ppo\.rollout_batch_size 16"):
        ppo_config(kl_target=1.0, kl_horizon=15)
    assert ppo_config(kl_horizon=15).ppo.kl_target is None  # nothing is steered
    shortest = ppo_config(kl_target=1.0, kl_horizon=16).ppo
    assert next_kl_coef(0.1, 0.0, 1.0, 16, shortest.kl_horizon) == pytest.approx(0.08)


def test_kl_coefficient_is_steered_and_survives_a_resume(base_folder: Path, tmp_path: Path) -> None:
    straight = prepare_ppo(tmp_path / "straight", base_folder)
    settings = ppo_settings(kl_target=0.01, kl_horizon=100)
    settings["report"] = {"checkpoint_every": 1}
    assert run_stage(straight, "ppo", settings) == 0
    coefs, kls = metrics(straight, "objective/kl_coef"), metrics(straight, "objective/kl")
    for (a, b), kl in zip(itertools.pairwise(coefs), kls, strict=False):
        assert b == pytest.approx(next_kl_coef(a, kl, 0.01, 16, 100))
    again = copy_run(straight, tmp_path / "again")
    (again / "result.json").unlink()
    assert run_stage(again, "ppo", settings) == 0
    assert metrics(again, "objective/kl_coef")[-1] == coefs[-1]
    assert same_weights(straight, again)


def test_best_of_n_keeps_the_highest_score_of_each_group() -> None:
    records = [{"index": i, "score": score} for i, score in enumerate([1.0, 3.0, 2.0, 5.0, 5.0, 4.0])]
    assert keep_best(records, 3) == [
        {"index": 0, "score": 3.0, "best_of": 3},
        {"index": 1, "score": 5.0, "best_of": 3},
    ]
    assert best_of_kl(1) == 0.0
    assert best_of_kl(4) == pytest.approx(math.log(4) - 0.75)


def test_expected_best_is_the_mean_over_all_choices() -> None:
    scores, gold = [0.3, -1.0, 2.0, 0.9, 0.1], [5.0, 1.0, -2.0, 0.5, 3.0]
    for n in (1, 2, 3, 5):
        each = [gold[max(some, key=lambda i: scores[i])] for some in itertools.combinations(range(5), n)]
        assert expected_best(scores, gold, n) == pytest.approx(sum(each) / len(each))


def test_curve_of_best_of_n_follows_score_and_gold() -> None:
    prompt = [{"score": float(i), "gold_score": -float(i)} for i in range(4)]
    curve = best_of_curve([prompt, prompt])
    kls = [x * x for x, _ in curve["gold"]]
    assert kls == pytest.approx([0.0, best_of_kl(2), best_of_kl(4)])
    # The best of two of 0, 1, 2, 3 is 1 once, 2 twice, 3 three times.
    assert [y for _, y in curve["reward model"]] == pytest.approx([1.5, 14 / 6, 3.0])
    assert [y for _, y in curve["gold"]] == pytest.approx([-1.5, -14 / 6, -3.0])


def test_best_of_n_is_sampled_and_measured(base_folder: Path, tmp_path: Path) -> None:
    prepared = prepare_ppo(tmp_path / "run", base_folder)
    inputs = {"reward": "inputs/reward"}
    plain, best = copy_run(prepared, tmp_path / "plain"), copy_run(prepared, tmp_path / "best")
    sample = {"lengths": LENGTHS, "inputs": inputs}
    assert run_stage(plain, "sample", {**sample, "sample": {"k": 8}}) == 0
    assert run_stage(best, "sample", {**sample, "sample": {"k": 2, "best_of": 4}}) == 0
    every = [json.loads(line) for line in (plain / "responses.jsonl").read_text().splitlines()]
    kept = [json.loads(line) for line in (best / "responses.jsonl").read_text().splitlines()]
    assert len(kept) * 4 == len(every)
    assert [record["score"] for record in kept] == [
        max(record["score"] for record in every[at : at + 4]) for at in range(0, len(every), 4)
    ]
    assert result(best)["metrics"]["objective/best_of_kl"] == pytest.approx(best_of_kl(4))


def test_gold_judges_and_the_curve_over_kl_stands_in_the_report(base_folder: Path, tmp_path: Path) -> None:
    folder = prepare_ppo(tmp_path / "run", base_folder)
    make_reward_model(tmp_path / "gold", base_folder, bias=1.0)
    link(folder, gold=tmp_path / "gold")
    inputs = {"policy": "inputs/policy", "reward": "inputs/reward", "prompts": "inputs/prompts"}
    settings = {"lengths": LENGTHS, "inputs": {**inputs, "gold": "inputs/gold"}, "evaluate": {"k": 4}}
    assert run_stage(copy_run(folder, tmp_path / "evaluate"), "evaluate", settings) == 0
    plot = result(tmp_path / "evaluate")["report"]["plots"]["best_of"]
    assert [line["name"] for line in plot["lines"]] == ["reward model", "gold"]
    assert [len(line["points"]) for line in plot["lines"]] == [3, 3]
    training = {**ppo_settings(), "inputs": {"gold": "inputs/gold"}, "report": {"valid_every": 1}}
    assert run_stage(folder, "ppo", training) == 0
    scores, gold = metrics(folder, "valid/score"), metrics(folder, "valid/gold_score")
    assert [a - b for a, b in zip(scores, gold, strict=True)] == pytest.approx([0.9] * 4, abs=1e-4)
    lines = result(folder)["report"]["plots"]["over_optimisation"]["lines"]
    assert {line["name"] for line in lines} == {"reward model", "gold"}


def test_a_reward_run_reports_its_calibration(base_folder: Path, tmp_path: Path) -> None:
    folder = prepare_reward(tmp_path / "run", base_folder)
    settings = {"lengths": LENGTHS, "optim": {"learning_rate": 2e-3}, "reward": {"minibatch_size": 8}}
    assert run_stage(folder, "reward", settings) == 0
    found = result(folder)
    [observed, ideal] = found["report"]["plots"]["calibration"]["lines"]
    assert all(0.5 <= x <= 1 and 0 <= y <= 1 for x, y in observed["points"])
    assert all(x == y for x, y in ideal["points"])
    assert 0 <= found["metrics"]["valid/calibration_error"] <= 0.5
    assert isinstance(found["report"]["findings"], list)
