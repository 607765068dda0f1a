"""Pretraining, SFT and sampling follow each other in run folders, as the product starts them."""

import json
from pathlib import Path

from tests.rlhf.conftest import demonstrations, texts, write_config, write_dataset
from training.rlhf.__main__ import main

LENGTHS = {"max_prompt_tokens": 16, "max_response_tokens": 12}


def test_a_base_from_text_learns_from_demonstrations_and_writes_responses(tmp_path: Path) -> None:
    base, sft, sample = tmp_path / "base", tmp_path / "sft", tmp_path / "sample"
    write_dataset(base / "inputs/dataset", "pretrain", train=texts(300), valid=texts(20, 1))
    settings = {
        "optim": {"learning_rate": 3e-3},
        "pretrain": {
            "vocab_size": 320,
            "layers": 2,
            "width": 64,
            "heads": 2,
            "context": 64,
            "steps": 60,
            "minibatch_size": 16,
            "sequence_tokens": 32,
        },
        "report": {"sample_every": 30},
    }
    assert main(["pretrain", "--config", str(write_config(base, "pretrain", settings))]) == 0

    write_dataset(sft / "inputs/dataset", "sft", train=demonstrations(200), valid=demonstrations(20, 1))
    (sft / "inputs/policy").symlink_to(base / "model")
    settings = {"lengths": LENGTHS, "optim": {"learning_rate": 3e-3}, "sft": {"epochs": 4}}
    assert main(["sft", "--config", str(write_config(sft, "sft", settings))]) == 0
    losses = [json.loads(line).get("loss/sft") for line in (sft / "metrics.jsonl").read_text().splitlines()]
    losses = [loss for loss in losses if loss is not None]
    assert losses[-1] < 0.85 * losses[0]
    about = json.loads((sft / "model/instructloop.json").read_text())
    assert about["kind"] == "sft"
    assert about["dataset_hash"] == json.loads((sft / "inputs/dataset/manifest.json").read_text())["hash"]

    write_dataset(sample / "inputs/prompts", "ppo_prompts", train=demonstrations(10, 2))
    (sample / "inputs/policy").symlink_to(sft / "model")
    assert main(["sample", "--config", str(write_config(sample, "sample", {"lengths": LENGTHS}))]) == 0
    responses = [json.loads(line) for line in (sample / "responses.jsonl").read_text().splitlines()]
    assert [(r["prompt_id"], r["index"]) for r in responses] == [
        (f"d{i}", k) for i in range(10) for k in range(4)
    ]
    result = json.loads((sample / "result.json").read_text())
    assert result["state"] == "finished"
    assert result["metrics"]["objective/eos_fraction"] > 0.9  # it learned to stop
