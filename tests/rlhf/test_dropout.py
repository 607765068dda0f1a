"""Residual dropout is set where an architecture has it, and nothing else drops anything."""

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from tests.rlhf.conftest import tiny_model
from training.rlhf.dropout import OTHERS, RESIDUAL, set_residual_dropout
from training.rlhf.errors import RunRefusedError
from training.rlhf.model import load_policy, save_policy
from training.rlhf.tokenizer import Codec

GPT2 = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 32}
ROTARY = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
}
SHAPES: dict[str, dict[str, Any]] = {
    "gpt2": GPT2,
    "gptj": {**GPT2, "rotary_dim": 8},
    "gpt_bigcode": GPT2,
    "gpt_neo": {
        "hidden_size": 32, "num_layers": 2, "num_heads": 4, "attention_types": [[["global"], 2]],
    },
    "gpt_neox": ROTARY,
    "opt": {**ROTARY, "ffn_dim": 64, "word_embed_proj_dim": 32},
    "bloom": {"hidden_size": 32, "n_layer": 2, "n_head": 4},
    "falcon": ROTARY,
    "phi": ROTARY,
    "starcoder2": ROTARY,
    "stablelm": ROTARY,
}  # fmt: skip


def model_of(kind: str, probability: float) -> Any:
    config = transformers.AutoConfig.for_model(
        kind, vocab_size=100, pad_token_id=0, bos_token_id=1, eos_token_id=2, **SHAPES[kind]
    )
    for name in OTHERS:
        if hasattr(config, name):
            setattr(config, name, 0.5)
    set_residual_dropout(config, probability)
    torch.manual_seed(0)
    made: Any = transformers.AutoModelForCausalLM
    return made.from_config(config)


@pytest.mark.parametrize("kind", SHAPES)
def test_residual_dropout_acts_and_no_other_does(kind: str) -> None:
    ids = torch.arange(3, 19).view(2, 8)
    with torch.no_grad():
        for probability, differs in ((0.3, True), (0.0, False)):
            model = model_of(kind, probability)
            still, drawn = model.eval()(ids).logits, model.train()(ids).logits
            assert torch.allclose(still, drawn, atol=1e-5) is not differs
            # Attention weights are untouched either way.
            assert all(
                module.p == 0
                for name, module in model.named_modules()
                if isinstance(module, torch.nn.Dropout) and "attn_drop" in name
            )


@pytest.mark.parametrize("kind", ["llama", "gemma2", "olmo"])
def test_an_architecture_without_residual_dropout_is_refused(kind: str) -> None:
    config = transformers.AutoConfig.for_model(kind)
    assert not any(hasattr(config, name) for name in RESIDUAL)
    with pytest.raises(RunRefusedError, match=f"{kind} has no residual dropout; set it to 0"):
        set_residual_dropout(config, 0.2)


def test_a_policy_is_loaded_with_the_dropout_asked_for(codec: Codec, tmp_path: Path) -> None:
    save_policy(tiny_model(codec, "gpt2"), codec, tmp_path, {"kind": "base"})
    model, _ = load_policy(str(tmp_path), key="k", device=torch.device("cpu"), dropout=0.2)
    found = {
        name.split(".")[-1]: module.p
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Dropout)
    }
    assert found == {"drop": 0.2, "resid_dropout": 0.2, "dropout": 0.2, "attn_dropout": 0.0}
    assert not model.training
