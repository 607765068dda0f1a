"""Evaluation measures what it is given; sampling repeats from its seed."""

import json
from pathlib import Path
from statistics import pstdev
from typing import Any

import pytest

from tests.rlhf.conftest import comparisons, demonstrations, texts, write_dataset
from tests.rlhf.stages import LENGTHS, link, make_reward_model, result, run_stage


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_one_run_measures_score_kl_length_entropy_ptx_loss_and_accuracy(
    base_folder: Path, tmp_path: Path
) -> None:
    reward = make_reward_model(tmp_path / "reward", base_folder)
    folder = tmp_path / "run"
    write_dataset(folder / "inputs/prompts", "ppo_prompts", valid=demonstrations(7))
    write_dataset(folder / "inputs/dataset", "comparisons", valid=comparisons(12))
    write_dataset(folder / "inputs/pretrain", "pretrain", valid=texts(20))
    link(folder, policy=base_folder, reference=base_folder, reward=reward)
    names = ("policy", "reference", "reward", "prompts", "dataset", "pretrain")
    inputs = {name: f"inputs/{name}" for name in names}
    assert run_stage(folder, "evaluate", {"lengths": LENGTHS, "inputs": inputs, "evaluate": {"k": 3}}) == 0
    found = result(folder)["metrics"]
    assert found["objective/kl"] == 0.0
    responses = lines(folder / "responses.jsonl")
    assert len(responses) == 21
    assert (
        found["objective/score"] == sum(r["score"] for r in responses) / 21
        or abs(found["objective/score"] - sum(r["score"] for r in responses) / 21) < 1e-4
    )
    assert {
        "objective/score",
        "objective/entropy",
        "objective/response_tokens",
        "objective/eos_fraction",
        "valid/ptx_loss",
        "valid/accuracy",
        "valid/pairs",
    } <= found.keys()

    given = tmp_path / "given"
    link(given, reward=reward)
    (given / "responses.jsonl").write_text(
        "".join(json.dumps({k: r[k] for k in ("prompt", "response")}) + "\n" for r in responses)
    )
    settings = {
        "lengths": LENGTHS,
        "inputs": {"reward": "inputs/reward"},
        "evaluate": {"responses": "responses.jsonl"},
    }
    assert run_stage(given, "evaluate", settings) == 0
    assert len(lines(given / "responses.jsonl")) == 21


def test_measures_do_not_depend_on_the_microbatch_size(base_folder: Path, tmp_path: Path) -> None:
    reward = make_reward_model(tmp_path / "reward", base_folder)
    found = []
    for size in (2, 40):
        folder = tmp_path / str(size)
        write_dataset(folder / "inputs/prompts", "ppo_prompts", valid=demonstrations(7))
        link(folder, policy=base_folder, reference=base_folder, reward=reward)
        inputs = {name: f"inputs/{name}" for name in ("policy", "reference", "reward", "prompts")}
        lengths = {"max_prompt_tokens": 16, "max_response_tokens": 40}  # long enough for some to end
        settings = {"lengths": lengths, "inputs": inputs, "evaluate": {"k": 4, "microbatch_size": size}}
        assert run_stage(folder, "evaluate", settings) == 0
        found.append(result(folder)["metrics"])
    measured = {name: x for name, x in found[0].items() if name.startswith("objective/")}
    assert measured == pytest.approx({name: found[1][name] for name in measured}, rel=1e-4, abs=1e-6)
    responses = lines(tmp_path / "2/responses.jsonl")
    assert len({r["tokens"] for r in responses}) > 1
    assert measured["objective/score_std"] == pytest.approx(pstdev(r["score"] for r in responses), rel=1e-4)


def test_only_what_is_known_is_reported(base_folder: Path, tmp_path: Path) -> None:
    write_dataset(tmp_path / "inputs/prompts", "ppo_prompts", valid=demonstrations(3))
    link(tmp_path, policy=base_folder)
    inputs = {name: f"inputs/{name}" for name in ("policy", "prompts")}
    assert run_stage(tmp_path, "evaluate", {"lengths": LENGTHS, "inputs": inputs}) == 0
    assert not {"objective/score", "objective/kl", "objective/reward"} & result(tmp_path)["metrics"].keys()


def test_sampling_repeats_from_its_seed_whatever_the_microbatch_size(
    base_folder: Path, tmp_path: Path
) -> None:
    found = []
    for name, seed, size in (("a", 1, 4), ("b", 1, 128), ("c", 2, 128)):
        folder = tmp_path / name
        write_dataset(folder / "inputs/prompts", "ppo_prompts", train=demonstrations(6))
        link(folder, policy=base_folder)
        settings = {"seed": seed, "lengths": LENGTHS, "sample": {"k": 3, "microbatch_size": size}}
        assert run_stage(folder, "sample", settings) == 0
        found.append([(r["prompt_id"], r["index"], r["response"]) for r in lines(folder / "responses.jsonl")])
    assert found[0] == found[1] != found[2]
    assert [f"d{i}" for i in range(6) for _ in range(3)] == [row[0] for row in found[0]]


def test_samples_carry_scores_where_there_is_a_reward_model(base_folder: Path, tmp_path: Path) -> None:
    write_dataset(tmp_path / "inputs/prompts", "ppo_prompts", train=demonstrations(3))
    link(tmp_path, policy=base_folder, reward=make_reward_model(tmp_path / "reward", base_folder))
    settings = {"lengths": LENGTHS, "inputs": {"reward": "inputs/reward"}, "sample": {"k": 2}}
    assert run_stage(tmp_path, "sample", settings) == 0
    assert all("score" in record for record in lines(tmp_path / "responses.jsonl"))


def test_a_reward_model_of_other_tokens_does_not_choose_samples(base_folder: Path, tmp_path: Path) -> None:
    reward = make_reward_model(tmp_path / "reward", base_folder)
    about = json.loads((reward / "instructloop.json").read_text())
    (reward / "instructloop.json").write_text(json.dumps({**about, "separator": " -> "}))
    write_dataset(tmp_path / "inputs/prompts", "ppo_prompts", train=demonstrations(3))
    link(tmp_path, policy=base_folder, reward=reward)
    given = {"lengths": LENGTHS, "inputs": {"reward": "inputs/reward"}, "sample": {"k": 1, "best_of": 2}}
    assert run_stage(tmp_path, "sample", given) == 2
    assert "inputs.reward has another tokenizer or separator" in result(tmp_path)["reason"]
