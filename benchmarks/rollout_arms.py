"""The arms of the rollout benchmark: 64 rows, random prompts, every response as long as the limit."""

from __future__ import annotations

from typing import Any

import torch

from benchmarks import shapes
from benchmarks.worker import Clock

ROWS, PROMPT, NEW = 64, 128, 64


class _Arm:
    def __init__(
        self, *, n: int, bf16: bool, shape: str = "small", architecture: str = "gpt2", device: str = "cpu"
    ) -> None:
        self.n, self.bf16, self.device = n, bf16, torch.device(device)
        self.causal = shapes.causal(shape, architecture).to(self.device)
        source = torch.Generator().manual_seed(1)
        self.prompts = [shapes.random_ids(PROMPT, source) for _ in range(ROWS // n)]

    def write(self, *, greedy: bool) -> torch.Tensor:
        raise NotImplementedError

    def greedy(self) -> list[list[int]]:
        """The greedy tokens."""
        found: list[list[int]] = self.write(greedy=True).tolist()
        return found

    def gate(self, **_given: Any) -> dict[str, Any]:
        """Greedy tokens, to be compared between arms."""
        return {"tokens": self.greedy()}

    def time(self) -> dict[str, Any]:
        """Sample once."""
        clock = Clock(self.device.type)
        clock.mark()
        made = self.write(greedy=False)
        clock.mark()
        if made.shape != (ROWS, NEW):
            raise RuntimeError(f"{tuple(made.shape)} tokens instead of {(ROWS, NEW)}")
        return {"units": ROWS * NEW, **clock.spent(0)}


class Ours(_Arm):
    """The product's sampler."""

    def __init__(self, **settings: Any) -> None:
        from training.rlhf.model import LanguageModel
        from training.rlhf.precision import set_float32_products

        super().__init__(**settings)
        set_float32_products(self.device)
        self.model = LanguageModel(self.causal)
        self.seed = 0

    def write(self, *, greedy: bool) -> torch.Tensor:
        from training.rlhf.generation import generate, row_uniforms

        self.seed += 1
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            made = generate(
                self.model, self.prompts, n=self.n, max_tokens=NEW, eos_id=-1,
                temperature=0.0 if greedy else 1.0, uniforms=row_uniforms(ROWS, NEW, self.seed),
            )  # fmt: skip
        return made.tokens


class Library(_Arm):
    """generate() of transformers, with weights in the precision asked for."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        if self.bf16:
            self.causal = self.causal.to(torch.bfloat16)

    @torch.no_grad()
    def write(self, *, greedy: bool) -> torch.Tensor:
        ids = torch.tensor(self.prompts, device=self.device)
        chosen: dict[str, Any] = {"do_sample": True, "top_k": 0, "top_p": 1.0, "temperature": 1.0}
        if greedy:
            chosen, ids = {"do_sample": False}, ids.repeat_interleave(self.n, dim=0)
        made: torch.Tensor = self.causal.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=NEW, eos_token_id=None,
            num_return_sequences=1 if greedy else self.n, pad_token_id=shapes.PAD, **chosen,
        )  # fmt: skip
        return made[:, PROMPT:]
