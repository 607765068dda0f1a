"""The arms of the reward benchmark: K-way rankings of one prompt and K responses, all of equal length."""

from __future__ import annotations

import itertools
import tempfile
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks import shapes
from benchmarks.worker import Clock

WARM_UP, STEPS, PROMPT, RESPONSE = 1, 2, 128, 64
Ranking = tuple[list[int], list[list[int]]]


def rankings(count: int, k: int, prompt: int, response: int) -> list[Ranking]:
    """Make rankings of random tokens; responses stand best first and end in the end token."""
    source = torch.Generator().manual_seed(1)
    return [
        (
            shapes.random_ids(prompt, source),
            [[*shapes.random_ids(response - 1, source), shapes.EOS] for _ in range(k)],
        )
        for _ in range(count)
    ]


class _Arm:
    def __init__(
        self, *, k: int, prompt: int, response: int, each: int, bf16: bool = False, medium: bool = False,
        shape: str = "small", architecture: str = "gpt2", device: str = "cpu",
    ) -> None:  # fmt: skip
        self.k, self.each, self.bf16, self.device = k, each, bf16, torch.device(device)
        if medium:
            torch.set_float32_matmul_precision("medium")
        self.data = rankings((WARM_UP + STEPS) * each, k, prompt, response)
        self.classifier = shapes.scorer(shape, architecture).to(self.device)
        self.read = 0
        table = self.classifier.base_model.get_input_embeddings()
        table.register_forward_hook(self._count)

    def _count(self, _module: Any, given: Any, _out: Any) -> None:
        self.read += given[0].numel()

    def gate(self, *, gradient: str, batch: str, precision: str) -> dict[str, Any]:
        """Loss and gradient on the first rankings."""
        self.read = 0
        self.whole().to(getattr(torch, precision))
        loss = self.loss(self.data[: self.each])
        torch.autograd.backward(loss)
        named = self.named()
        torch.save({name: x.grad.cpu() for name, x in named.items()}, gradient)
        for x in named.values():
            x.grad = None
        self.whole().float()
        return {"loss": float(loss.detach()), "tokens": self.read}

    def loss(self, some: list[Ranking]) -> Tensor:
        raise NotImplementedError

    def whole(self) -> Any:
        """Everything that has weights."""
        return self.classifier

    def named(self) -> dict[str, Any]:
        """The weights under the classifier's names."""
        return dict(self.classifier.named_parameters())

    def time(self) -> dict[str, Any]:
        """Train: forward, backward, clipping, AdamW."""
        model = self.classifier
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
        clock, self.read = Clock(self.device.type), 0
        for step in range(WARM_UP + STEPS):
            if step == WARM_UP:
                self.read = 0
            if step in (0, WARM_UP):
                clock.mark()
            some = self.data[step * self.each : (step + 1) * self.each]
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
                loss = self.loss(some)
            torch.autograd.backward(loss)
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        clock.mark()
        units = STEPS * self.each
        return {"units": units, "tokens_per_unit": self.read / units, **clock.spent(1)}


class Ours(_Arm):
    """The product's scoring of rankings and its loss."""

    def __init__(self, **settings: Any) -> None:
        from training.rlhf.precision import set_float32_products

        super().__init__(**settings)
        set_float32_products(self.device)
        self.model = shapes.reward_model(self.classifier).to(self.device)
        self.classifier.score = torch.nn.Linear(self.model.head.in_features, 1, bias=False)
        self.classifier.score.weight = self.model.head.weight

    def whole(self) -> Any:
        return self.model

    def loss(self, some: list[Ranking]) -> Tensor:
        from training.rlhf.losses import ranking_loss

        flat = self.model.score_groups([p for p, _ in some], [g for _, g in some], share_prompt=True)
        scores = flat.view(len(some), -1)
        ranks = torch.arange(1, self.k + 1, device=self.device).expand_as(scores)
        return ranking_loss(scores, ranks, torch.ones_like(ranks, dtype=torch.bool))


class OwnPairs(_Arm):
    """A plain loop over all pairs, two rows each: what a trainer of pairs does, without the trainer."""

    def loss(self, some: list[Ranking]) -> Tensor:
        rows = [
            [*prompt, *response]
            for prompt, responses in some
            for pair in itertools.combinations(responses, 2)
            for response in pair
        ]
        ids = torch.tensor(rows, device=self.device)
        hidden = self.classifier.base_model(input_ids=ids, use_cache=False).last_hidden_state[:, -1]
        scores = self.classifier.score(hidden).float().view(-1, 2)
        return -F.logsigmoid(scores[:, 0] - scores[:, 1]).mean()


class Trl(_Arm):
    """TRL's RewardTrainer over all pairs; `each` rankings a step are k (k - 1) / 2 times as many pairs."""

    def __init__(self, *, defaults: bool = False, pairs_per_step: int = 12, **settings: Any) -> None:
        super().__init__(**settings)
        self.pairs = self.k * (self.k - 1) // 2
        self.per_step = pairs_per_step
        self.defaults = defaults

    def _trainer(self, callbacks: list[Any], steps: int) -> Any:
        from datasets import Dataset
        from trl import RewardConfig, RewardTrainer

        rows: dict[str, list[list[int]]] = {"chosen_ids": [], "rejected_ids": []}
        for prompt, responses in itertools.cycle(self.data):
            for better, worse in itertools.combinations(responses, 2):
                rows["chosen_ids"].append(prompt + better)
                rows["rejected_ids"].append(prompt + worse)
            if len(rows["chosen_ids"]) >= steps * self.per_step:
                break
        dataset = Dataset.from_dict({name: x[: steps * self.per_step] for name, x in rows.items()})
        return RewardTrainer(
            model=self.classifier,
            args=RewardConfig(
                output_dir=tempfile.mkdtemp(), per_device_train_batch_size=self.per_step, max_steps=steps,
                learning_rate=1e-4, bf16=self.bf16 or self.defaults, gradient_checkpointing=self.defaults,
                use_cpu=self.device.type == "cpu", report_to="none", save_strategy="no", logging_steps=1000,
                disable_tqdm=True, dataloader_pin_memory=False, max_length=None, optim="adamw_torch_fused",
            ),
            train_dataset=dataset,
            processing_class=shapes.tokenizer(),
            callbacks=callbacks,
        )  # fmt: skip

    def loss(self, some: list[Ranking]) -> Tensor:
        kept, self.per_step = self.per_step, self.pairs * len(some)
        trainer = self._trainer([], 1)
        self.per_step = kept
        batch = trainer.data_collator([trainer.train_dataset[i] for i in range(self.pairs * len(some))])
        batch = {name: x.to(self.device) if isinstance(x, Tensor) else x for name, x in batch.items()}
        loss: Tensor = trainer.compute_loss(self.classifier, batch)
        return loss

    def time(self) -> dict[str, Any]:
        from transformers import TrainerCallback

        clock = Clock(self.device.type)

        class Marks(TrainerCallback):
            def on_step_end(self, *_args: Any, **_kwargs: Any) -> None:
                clock.mark()

        steps = 2 * STEPS
        trainer = self._trainer([Marks()], steps + 1)
        self.read = 0
        trainer.train()
        units = steps * self.per_step / self.pairs
        return {"units": units, "tokens_per_unit": self.k * (self.k - 1) * 192, **clock.spent(0)}
