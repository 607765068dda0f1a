"""The arms of the SFT benchmark: documents of 32 to 256 tokens, drawn from a source that can be learned.

Loss after so few steps depends on which documents stand in which step more than on anything else: with our
own order two seeds are up to a fifth apart. So TRL packs and shuffles, and our arm takes the same documents
in the same steps, by its own packing and loss. `own_order` takes steps of similar length as the product does.
"""

from __future__ import annotations

import tempfile
from typing import Any

import torch
from torch import Tensor

from benchmarks import shapes
from benchmarks.worker import Clock

LEAST, MOST, DOCUMENTS, PER_STEP, RATE, ROW = 32, 256, 240, 15, 1e-3, 512


def documents(count: int, seed: int) -> list[list[int]]:
    """Draw documents of a Markov chain in which three tokens may follow each token."""
    chain = torch.randint(
        4, shapes.VOCABULARY, (shapes.VOCABULARY, 3), generator=torch.Generator().manual_seed(9)
    )
    source = torch.Generator().manual_seed(seed)
    lengths = torch.randint(LEAST, MOST + 1, (count,), generator=source).tolist()
    found = []
    for length in lengths:
        token, picks = (
            int(torch.randint(4, 260, (), generator=source)),
            torch.randint(0, 3, (length,), generator=source),
        )
        row = []
        for pick in picks.tolist():
            row.append(token)
            token = 4 + (int(chain[token, pick]) - 4) % 256
        found.append(row)
    return found


class _Arm:
    def __init__(
        self, *, bf16: bool = False, shape: str = "small", architecture: str = "gpt2", device: str = "cpu"
    ) -> None:
        self.bf16, self.device = bf16, torch.device(device)
        self.data = documents(DOCUMENTS, 1)
        self.held_out = documents(32, 2)
        self.causal = shapes.causal(shape, architecture).to(self.device)
        self.start = {name: x.clone() for name, x in self.causal.state_dict().items()}

    def gate(self, *, gradient: str, batch: str, precision: str) -> dict[str, Any]:
        """Loss and gradient on the first packed batch."""
        self.causal.load_state_dict(self.start)
        self.causal.to(getattr(torch, precision))
        loss = self.gate_loss(batch)
        torch.autograd.backward(loss)
        torch.save({name: x.grad.cpu() for name, x in self.causal.named_parameters()}, gradient)
        for x in self.causal.parameters():
            x.grad = None
        self.causal.float()
        return {"loss": float(loss.detach())}

    def gate_loss(self, batch: str) -> Tensor:
        raise NotImplementedError

    @torch.no_grad()
    def final_loss(self) -> float:
        """Mean loss per token on held-out documents, row by row in float32."""
        total, count = 0.0, 0
        for row in self.held_out:
            ids = torch.tensor([row], device=self.device)
            out = self.causal(input_ids=ids, labels=ids, use_cache=False)
            total, count = total + float(out.loss) * (len(row) - 1), count + len(row) - 1
        return total / count


class Ours(_Arm):
    """The product's packed rows, loss and optimizer, on the steps it is given or in its own order."""

    def __init__(self, *, own_order: bool = False, **settings: Any) -> None:
        from training.rlhf.batching import minibatch_order
        from training.rlhf.model import LanguageModel
        from training.rlhf.precision import set_float32_products

        super().__init__(**settings)
        set_float32_products(self.device)
        self.model = LanguageModel(self.causal)
        order = minibatch_order([len(x) for x in self.data], PER_STEP, 0, 0) if own_order else []
        self.steps = [[self.data[i] for i in chosen] for chosen in order]

    def follow(self, *, path: str) -> dict[str, Any]:
        """Take the steps another arm has written."""
        self.steps = torch.load(path, weights_only=True)
        return {"steps": len(self.steps)}

    def gate_loss(self, batch: str) -> Tensor:
        rows = torch.load(batch, weights_only=True)
        return self._loss(rows, sum(len(row) - 1 for row in rows))

    def _loss(self, rows: list[list[int]], supervised: int) -> Tensor:
        from training.rlhf.sft import Example, token_loss_sum

        loss, _ = token_loss_sum(self.model, [Example(row, 1) for row in rows], self.device)
        return loss / supervised

    def time(self) -> dict[str, Any]:
        from training.rlhf.batching import microbatches
        from training.rlhf.optim import make_optimizer, take_step
        from training.rlhf.sections import Optim

        self.causal.load_state_dict(self.start)
        optimizer = make_optimizer(
            self.model, Optim(learning_rate=RATE, betas=(0.9, 0.999), weight_decay=0.0)
        )
        clock, read = Clock(self.device.type), 0
        for step, rows in enumerate(self.steps):
            if step == 1:
                clock.mark()
            supervised = sum(len(row) - 1 for row in rows)
            for group in microbatches([len(row) for row in rows], 4096):
                with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
                    loss = self._loss([rows[i] for i in group], supervised)
                torch.autograd.backward(loss)
            take_step(optimizer, self.model, RATE, 1.0)
            read += sum(map(len, rows)) if step else 0
        clock.mark()
        return {"units": read, **clock.spent(0), "final_loss": self.final_loss()}


class Trl(_Arm):
    """TRL's SFTTrainer, packed; the attention and loss are its own."""

    def __init__(self, *, batch: int = 4, **settings: Any) -> None:
        super().__init__(**settings)
        self.batch = batch
        self.steps: list[list[list[int]]] = []

    def _trainer(self, callbacks: list[Any]) -> Any:
        from datasets import Dataset
        from trl import SFTConfig, SFTTrainer

        return SFTTrainer(
            model=self.causal,
            args=SFTConfig(
                output_dir=tempfile.mkdtemp(), per_device_train_batch_size=self.batch, num_train_epochs=1,
                learning_rate=RATE, lr_scheduler_type="constant", bf16=self.bf16,
                gradient_checkpointing=False, use_cpu=self.device.type == "cpu", report_to="none",
                save_strategy="no", logging_steps=1000, disable_tqdm=True, max_length=ROW,
                dataloader_pin_memory=False,
                packing=True, optim="adamw_torch_fused", seed=0,
            ),
            train_dataset=Dataset.from_dict({"input_ids": self.data}),
            processing_class=shapes.tokenizer(),
            callbacks=callbacks,
        )  # fmt: skip

    def write_steps(self, *, path: str) -> dict[str, Any]:
        """Write which documents stand in each step; `time` makes sure that training then saw them so."""
        self.steps = [_documents_of(batch) for batch in self._trainer([]).get_train_dataloader()]
        torch.save(self.steps, path)
        return {"steps": len(self.steps)}

    def gate_loss(self, batch: str) -> Tensor:
        trainer = self._trainer([])
        given = trainer.data_collator([trainer.train_dataset[i] for i in range(2)])
        torch.save(_documents_of(given), batch)
        given = {name: x.to(self.device) if isinstance(x, Tensor) else x for name, x in given.items()}
        loss: Tensor = trainer.compute_loss(self.causal, given)
        return loss

    def time(self) -> dict[str, Any]:
        from transformers import TrainerCallback

        self.causal.load_state_dict(self.start)
        clock, read, seen = Clock(self.device.type), list[int](), list[list[list[int]]]()

        class Marks(TrainerCallback):
            def on_step_end(self, *_args: Any, **_kwargs: Any) -> None:
                clock.mark()

        trainer = self._trainer([Marks()])
        inner = trainer.data_collator

        def collate(examples: Any) -> Any:
            made = inner(examples)
            real = made["attention_mask"] if "attention_mask" in made else torch.ones_like(made["input_ids"])
            read.append(int(real.sum()))
            seen.append(_documents_of(made))
            return made

        trainer.data_collator = collate
        trainer.train()
        self.causal.eval()
        if seen != self.steps:
            raise RuntimeError("TRL trained on other steps than it wrote; the arms do not do equal work.")
        return {"units": sum(read[1:]), **clock.spent(0), "final_loss": self.final_loss()}


def _documents_of(batch: Any) -> list[list[int]]:
    """Take a packed batch apart: positions begin anew with every document."""
    ids, starts = batch["input_ids"][0], (batch["position_ids"][0] == 0).nonzero().squeeze(-1).tolist()
    return [ids[a:b].tolist() for a, b in zip(starts, [*starts[1:], len(ids)], strict=True)]
