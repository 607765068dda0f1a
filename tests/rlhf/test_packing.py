"""Pretraining sequences have the paper's length, and are read a few at a time."""

from pathlib import Path

import pytest
import torch

from tests.rlhf.conftest import texts, tiny_model
from tests.rlhf.stages import ppo_config
from training.rlhf import ppo_update
from training.rlhf.config import PpoConfig, shipped_config
from training.rlhf.model import LanguageModel
from training.rlhf.packing import PackedText, sequence_length, text_loss
from training.rlhf.ppo_update import backward_ptx
from training.rlhf.runtime import Run
from training.rlhf.tokenizer import Codec


def test_a_sequence_is_as_long_as_asked_or_as_the_papers_and_never_beyond_the_context() -> None:
    asked_and_context = [(0, 1 << 30), (0, 131072), (0, 512), (4096, 8192), (4096, 1024)]
    assert [sequence_length(*each) for each in asked_and_context] == [2048, 2048, 512, 4096, 1024]


@pytest.mark.parametrize("name", ["paper_ppo_ptx", "many_fsdp_ppo"])
def test_shipped_runs_with_the_pretraining_term_read_the_papers_sequences(name: str) -> None:
    config = shipped_config(name)
    assert isinstance(config, PpoConfig)
    assert (config.ppo.ptx_sequence_tokens, config.ppo.ptx_examples_per_episode) == (2048, 8.0)


def test_the_pretraining_term_is_cut_by_tokens_and_stays_the_same(
    codec: Codec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = PackedText([row["text"] for row in texts(20)], codec, sequence_tokens=16, what="made")
    sizes: list[list[int]] = []

    def counted(model: LanguageModel, ids: torch.Tensor) -> torch.Tensor:
        sizes[-1].append(ids.numel())
        return text_loss(model, ids)

    monkeypatch.setattr(ppo_update, "text_loss", counted)
    found = []
    for budget in (16384, 40, 1):
        policy = tiny_model(codec, "gpt2")
        config = ppo_config(ptx_coef=2.0, microbatch_tokens=budget)
        sizes.append([])
        loss = backward_ptx(policy, packed, config, Run(tmp_path, config), 0)
        found.append((loss, [p.grad for p in policy.parameters() if p.grad is not None]))
    assert sizes == [[64], [32, 32], [16] * 4]
    for loss, gradients in found[1:]:
        assert loss == pytest.approx(found[0][0], rel=1e-6)
        for ours, theirs in zip(gradients, found[0][1], strict=True):
            assert torch.allclose(ours, theirs, atol=1e-5)
