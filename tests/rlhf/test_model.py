"""A row reads the same alone, padded on either side, in any batch, and behind a shared prompt."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from tests.rlhf.conftest import tiny_model
from training.rlhf.batching import left_pad, right_pad
from training.rlhf.errors import RunRefusedError
from training.rlhf.model import (
    LanguageModel,
    RewardModel,
    load_policy,
    load_reward_model,
    new_reward_model,
    save_policy,
    save_reward_model,
)
from training.rlhf.tokenizer import Codec

CPU = torch.device("cpu")
ROWS = [[5, 9, 17, 30, 8], [40, 41], [12, 13, 14, 15, 16, 17, 18], [99]]


def reward_model(shape: str, codec: Codec) -> RewardModel:
    return RewardModel(tiny_model(codec, shape).causal.base_model, seed=1).eval()


def test_hidden_states_do_not_change_with_padding(model: LanguageModel) -> None:
    for pad in (left_pad, right_pad):
        ids, mask = pad(ROWS, 10)
        together = model.hidden(ids, mask)
        for i, row in enumerate(ROWS):
            alone = model.hidden(*right_pad([row]))[0]
            assert torch.allclose(together[i][mask[i]], alone, atol=1e-5)


AUTO: Any = transformers.AutoModelForCausalLM
ROTARY = {
    "vocab_size": 100,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 64,
}


@pytest.mark.parametrize("name", ["Qwen3", "Gemma2", "Mistral", "Granite", "Bloom"])
def test_other_architectures_are_read_alike(name: str) -> None:
    """Scaled and capped logits, sliding windows, and positions by bias instead of ids."""
    config_type: Any = getattr(transformers, f"{name}Config")
    settings = (
        {"vocab_size": 100, "hidden_size": 32, "n_layer": 2, "n_head": 4} if name == "Bloom" else ROTARY
    )
    torch.manual_seed(0)
    model = LanguageModel(AUTO.from_config(config_type(**settings)).eval())
    model.check()
    ids, mask = left_pad(ROWS, 9)
    together = model.hidden(ids, mask)
    for i, row in enumerate(ROWS):
        assert torch.allclose(together[i][mask[i]], model.hidden(*right_pad([row]))[0], atol=1e-5)


def test_an_architecture_without_keys_and_values_is_refused() -> None:
    config = transformers.MambaConfig(vocab_size=100, hidden_size=32, num_hidden_layers=2)
    model = LanguageModel(AUTO.from_config(config).eval())
    with pytest.raises(RunRefusedError, match="MambaForCausalLM is not supported"):
        model.check()


def test_our_logits_are_the_models(model: LanguageModel) -> None:
    ids = torch.tensor(ROWS[:1])
    ours = model.logits(model.hidden(ids, torch.ones_like(ids, dtype=torch.bool)))
    assert torch.allclose(ours, model.causal(input_ids=ids).logits, atol=1e-5)
    model.check()


@pytest.mark.parametrize("size", [1, 2, 4])
def test_scores_do_not_change_with_padding_or_batch_size(shape: str, codec: Codec, size: int) -> None:
    model = reward_model(shape, codec)
    alone = torch.cat([model.scores(*right_pad([row])) for row in ROWS])
    for pad in (left_pad, right_pad):
        batched = [model.scores(*pad(ROWS[at : at + size], 9)) for at in range(0, 4, size)]
        assert torch.allclose(torch.cat(batched), alone, atol=1e-5)
    ids, mask = right_pad(ROWS)
    values = model.values(ids, mask)
    assert torch.allclose(values[torch.arange(4), mask.sum(1) - 1], alone, atol=1e-5)


def test_sharing_the_prompt_changes_neither_scores_nor_gradients(shape: str, codec: Codec) -> None:
    model = reward_model(shape, codec)
    prompts = [[5, 6, 7, 8], [9, 10], [3, 4, 5, 6, 7, 8, 9]]
    groups = [
        [[20, 21, 2], [22, 2], [23, 24, 25, 26]],
        [[30, 2], [31, 32, 2]],
        [[40, 41, 42, 43, 44, 2], [45]],
    ]
    found = []
    for share in (False, True):
        scores = model.score_groups(prompts, groups, share_prompt=share)
        weights = torch.arange(1.0, len(scores) + 1)
        gradients = torch.autograd.grad((scores * weights).sum(), list(model.parameters()), allow_unused=True)
        found.append((scores.detach(), gradients))
    (plain, plain_gradients), (shared, shared_gradients) = found
    assert torch.allclose(plain, shared, atol=1e-5)
    for a, b in zip(plain_gradients, shared_gradients, strict=True):
        if a is not None and b is not None:
            assert torch.isfinite(b).all()
            assert torch.allclose(a, b, atol=1e-5 * max(1.0, float(a.abs().max())))


def test_scores_stay_float32_under_bfloat16_autocast(codec: Codec) -> None:
    model = reward_model("llama", codec)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        scores = model.scores(*right_pad(ROWS))
    assert scores.dtype == torch.float32
    assert len(set(scores.tolist())) == len(ROWS)


def test_a_saved_policy_reads_the_same_and_is_a_plain_transformers_folder(
    model: LanguageModel, codec: Codec, tmp_path: Path
) -> None:
    save_policy(model, codec, tmp_path, {"kind": "sft", "dataset_hash": "abc"})
    again, codec_again = load_policy(str(tmp_path), key="inputs.policy", device=CPU)
    ids, mask = right_pad(ROWS)
    assert torch.equal(model.hidden(ids, mask)[mask], again.hidden(ids, mask)[mask])
    assert codec_again.tokenizer.get_vocab() == codec.tokenizer.get_vocab()
    assert {"config.json", "model.safetensors", "tokenizer.json", "instructloop.json"} <= {
        path.name for path in tmp_path.iterdir()
    }
    assert json.loads((tmp_path / "instructloop.json").read_text())["dataset_hash"] == "abc"


def test_a_separator_named_beside_the_model_is_used(
    model: LanguageModel, codec: Codec, tmp_path: Path
) -> None:
    save_policy(model, Codec(codec.tokenizer, "\nA:", codec.eos_id, ()), tmp_path, {"kind": "sft"})
    _, again = load_policy(str(tmp_path), key="k", device=CPU)
    assert again.decode(again.encode_prompts(["red"], 50)[0]) == "red\nA:"


SCORE = """
import json, sys, torch
from training.rlhf.batching import right_pad
from training.rlhf.model import load_reward_model
torch.set_num_threads(1)
model, _ = load_reward_model(sys.argv[1], key="k", device=torch.device("cpu"))
print(json.dumps(model.scores(*right_pad(json.loads(sys.argv[2]))).tolist()))
"""


def test_a_saved_reward_model_scores_identically_in_a_fresh_process(
    base_folder: Path, tmp_path: Path
) -> None:
    model, codec = new_reward_model(str(base_folder), key="k", device=CPU, seed=3)
    model.bias = 0.75
    save_reward_model(model, codec, tmp_path, {"kind": "reward"})
    here = model.scores(*right_pad(ROWS)).tolist()
    done = subprocess.run(
        [sys.executable, "-c", SCORE, str(tmp_path), json.dumps(ROWS)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout.splitlines()[-1]) == here


def test_reward_models_without_bias_or_head_are_refused(base_folder: Path, tmp_path: Path) -> None:
    model, codec = new_reward_model(str(base_folder), key="k", device=CPU, seed=3)
    save_reward_model(model, codec, tmp_path, {"kind": "reward"})
    with pytest.raises(RunRefusedError, match=r"inputs\.reward: .* has no bias"):
        load_reward_model(str(tmp_path), key="inputs.reward", device=CPU)
    model.bias = 0.0
    save_reward_model(model, codec, tmp_path, {"kind": "reward"})
    (tmp_path / "head.safetensors").unlink()
    with pytest.raises(RunRefusedError, match="is missing"):
        load_reward_model(str(tmp_path), key="inputs.reward", device=CPU)
    with pytest.raises(RunRefusedError, match="is of kind base; allowed is reward"):
        load_reward_model(str(base_folder), key="inputs.reward", device=CPU)


def test_a_reward_model_or_one_that_lacks_weights_is_no_policy(
    model: LanguageModel, codec: Codec, base_folder: Path, tmp_path: Path
) -> None:
    reward, _ = new_reward_model(str(base_folder), key="k", device=CPU, seed=3)
    save_reward_model(reward, codec, tmp_path / "reward", {"kind": "reward"})
    with pytest.raises(RunRefusedError, match="is a reward model"):
        load_policy(str(tmp_path / "reward"), key="k", device=CPU)
    save_policy(model, codec, tmp_path / "cut", {"kind": "sft"})
    kept = load_file(tmp_path / "cut/model.safetensors")
    kept.pop(next(name for name in kept if "layers.1" in name or "h.1" in name))
    save_file(kept, tmp_path / "cut/model.safetensors", metadata={"format": "pt"})
    with pytest.raises(RunRefusedError, match="lacks 1 weights"):
        load_policy(str(tmp_path / "cut"), key="k", device=CPU)


def test_a_model_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunRefusedError, match=r"inputs\.policy: no tokenizer could be loaded"):
        load_policy(str(tmp_path / "none"), key="inputs.policy", device=CPU)
