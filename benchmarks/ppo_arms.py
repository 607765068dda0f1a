"""The arms of the PPO benchmark: one update of 32 episodes, prompt 64, responses of at most 32 tokens."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import torch

from benchmarks import shapes
from benchmarks.worker import Clock

EPISODES, PROMPT, RESPONSE, EPOCHS, UPDATES = 32, 64, 32, 4, 3
KL, CLIP, LAMBDA, RATE = 0.05, 0.2, 0.95, 1e-5
MICROBATCH, KEPT = 8, 1


def prompts(count: int) -> list[list[int]]:
    """Draw prompts of random tokens."""
    source = torch.Generator().manual_seed(1)
    return [shapes.random_ids(PROMPT, source) for _ in range(count)]


def ends(update: int, *, early: bool) -> list[int]:
    """Lengths of the responses of an update: the limit, or scripted to half of it on average."""
    if not early:
        return [RESPONSE] * EPISODES
    source = torch.Generator().manual_seed(100 + update)
    return torch.randint(1, RESPONSE + 1, (EPISODES,), generator=source).tolist()


@contextlib.contextmanager
def scripted_ends() -> Iterator[None]:
    """Let a uniform number above 1 stand for the end token."""
    from training.rlhf import generation

    drawn = generation.sample_tokens

    def scripted(logits: Any, temperature: float, uniforms: Any) -> Any:
        tokens, logp = drawn(logits, temperature, uniforms.clamp(max=1 - 2**-53))
        return torch.where(uniforms > 1, shapes.EOS, tokens), logp

    generation.sample_tokens = scripted
    try:
        yield
    finally:
        generation.sample_tokens = drawn


class _Arm:
    def __init__(
        self, *, early: bool, bf16: bool = False, shape: str = "small", architecture: str = "gpt2",
        device: str = "cpu",
    ) -> None:  # fmt: skip
        self.early, self.bf16, self.device = early, bf16, torch.device(device)
        self.policy, self.reference = (shapes.causal(shape, architecture).to(device) for _ in range(2))
        self.reward, self.value = (shapes.scorer(shape, architecture, seed=s).to(device) for s in (1, 2))


class Ours(_Arm):
    """The product's rollout, advantages and update."""

    def __init__(self, **settings: Any) -> None:
        from training.rlhf.config import parse_config
        from training.rlhf.model import LanguageModel
        from training.rlhf.ppo_update import make_learner
        from training.rlhf.precision import set_float32_products
        from training.rlhf.rollout import Models

        super().__init__(**settings)
        set_float32_products(self.device)
        config: Any = parse_config(
            "ppo",
            {
                "ppo": {
                    "iterations": UPDATES + 1, "rollout_batch_size": EPISODES, "minibatch_size": EPISODES,
                    "microbatch_size": MICROBATCH, "kept_microbatches": KEPT, "inner_epochs": EPOCHS,
                    "kl_coef": KL, "clip": CLIP,
                    "value_clip": CLIP, "lam": LAMBDA, "value_learning_rate": RATE,
                },
                "optim": {"learning_rate": RATE, "warmup_steps": 0, "clip_norm": 0.0},
                "lengths": {"max_prompt_tokens": PROMPT, "max_response_tokens": RESPONSE},
            },
        )  # fmt: skip
        self.config = config
        reward, value = (shapes.reward_model(x).to(self.device) for x in (self.reward, self.value))
        models = [LanguageModel(self.policy), LanguageModel(self.reference).requires_grad_(False)]
        self.models = Models(models[0], models[1], reward.requires_grad_(False), value)
        self.learner = make_learner(self.models, config)
        self.run: Any = SimpleNamespace(device=self.device, autocast=self.autocast)

    def autocast(self) -> torch.autocast:
        """The precision of the arm's forward passes."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16)

    def update(self, number: int, mark: Callable[[str], None] = lambda _: None) -> int:
        """Sample, score and learn once; returns the tokens written. `mark` hears when each part has ended."""
        from training.rlhf import generation, rollout
        from training.rlhf.masking import masked_whiten
        from training.rlhf.ppo import estimate_advantages
        from training.rlhf.ppo_update import update

        codec: Any = SimpleNamespace(eos_id=shapes.EOS if self.early else -1)
        uniforms = generation.row_uniforms(EPISODES, RESPONSE, number)
        for row, end in enumerate(ends(number, early=self.early)):
            if end < RESPONSE:
                uniforms[row, end - 1] = 2.0

        def sampler(*given: Any, **named: Any) -> Any:
            found = generation.generate(*given, **named)
            mark("sampling")
            return found

        kept: list[Any] = []
        with self.autocast():
            made = rollout.collect_rollout(
                self.models, codec, prompts(EPISODES * (number + 1))[number * EPISODES :],
                max_tokens=RESPONSE, temperature=1.0, microbatch_size=MICROBATCH, uniforms=uniforms,
                sampler=sampler, kept=kept, keep=KEPT,
            )  # fmt: skip
        raw, returns = estimate_advantages(made, KL, self.config)
        advantages = masked_whiten(raw, made.response_mask)
        mark("scoring")
        update(self.learner, made, advantages, returns, None, self.config, self.run, number, kept)
        mark("updates")
        return int(made.response_mask.sum())

    def time(self) -> dict[str, Any]:
        clock, written = Clock(self.device.type), 0
        with scripted_ends():
            for number in range(UPDATES + 1):
                if number == 1:
                    clock.mark()
                written += self.update(number) * bool(number)
        clock.mark()
        units = UPDATES * EPISODES
        return {"units": units, "response_tokens": written / units, **clock.spent(0)}

    def gate(self, *, gradient: str, batch: str, precision: str) -> dict[str, Any]:
        """The first minibatch's loss and gradient, on the rollout that the other arm left in `batch`."""
        from training.rlhf.advantages import gae, penalized_rewards
        from training.rlhf.losses import ppo_policy_loss, value_loss
        from training.rlhf.masking import masked_whiten
        from training.rlhf.rollout import Rollout, token_logprobs, token_values

        found, dtype = torch.load(batch, weights_only=True).to(self.device), getattr(torch, precision)
        for model in self.models:
            if model is not None:
                model.to(dtype)
        real = torch.ones(EPISODES, RESPONSE, dtype=torch.bool, device=self.device)
        zeros = torch.zeros(EPISODES, RESPONSE, dtype=dtype, device=self.device)
        made = Rollout(
            found[:, :PROMPT], torch.ones_like(found[:, :PROMPT], dtype=torch.bool), found[:, PROMPT:], real,
            real[:, 0], zeros, zeros, zeros, zeros, zeros[:, 0], zeros,
        )  # fmt: skip
        policy, reference, reward, value = self.models
        assert reference is not None
        assert reward is not None
        assert value is not None
        logprobs = token_logprobs(policy, made, 1.0)
        values = token_values(value, made)
        old, old_values = logprobs.detach(), values.detach()
        with torch.no_grad():
            ref = token_logprobs(reference, made, 1.0)
            scores = reward.scores(made.ids(), made.mask())
        rewards = penalized_rewards(scores, old, ref, real, KL)
        raw, returns = gae(rewards, old_values, real, 1.0, LAMBDA)
        # TRL divides the variance by n - 1, the product by n: the one known difference, taken out here.
        advantages = masked_whiten(raw, real) * ((real.sum() - 1) / real.sum()).to(dtype).sqrt()
        loss = ppo_policy_loss(logprobs, old, advantages, real, CLIP)
        loss = loss + value_loss(values, old_values, returns, real, CLIP)
        torch.autograd.backward(loss)
        grads = {f"policy.{name}": x.grad for name, x in self.policy.named_parameters()}
        grads |= {f"value.{name}": x.grad for name, x in value.trunk.named_parameters()}
        grads["value.head"] = value.head.weight.grad
        torch.save({name: x.cpu() for name, x in grads.items()}, gradient)
        for model in self.models:
            if model is not None:
                model.zero_grad(set_to_none=True)
                model.float()
        return {"loss": float(loss.detach())}


class Trl(_Arm):
    """TRL 1.12's PPOTrainer with the same numbers of episodes, epochs and minibatches."""

    def _trainer(self, updates: int, callbacks: list[Any]) -> Any:
        if self.bf16:  # its own flag does nothing: the trainer builds an Accelerator without it
            os.environ["ACCELERATE_MIXED_PRECISION"] = "bf16"
        from datasets import Dataset
        from trl.experimental.ppo import PPOConfig, PPOTrainer

        dataset = Dataset.from_dict({"input_ids": prompts(EPISODES * updates)})
        stop: dict[str, Any] = {"stop_token": "eos"} if self.early else {}
        return PPOTrainer(
            args=PPOConfig(
                output_dir=tempfile.mkdtemp(), per_device_train_batch_size=EPISODES, num_mini_batches=1,
                gradient_accumulation_steps=1, num_ppo_epochs=EPOCHS, total_episodes=EPISODES * updates,
                response_length=RESPONSE, local_rollout_forward_batch_size=EPISODES, num_sample_generations=0,
                bf16=self.bf16, gradient_checkpointing=False, use_cpu=self.device.type == "cpu",
                report_to="none", save_strategy="no", disable_tqdm=True, missing_eos_penalty=None,
                temperature=1.0, kl_coef=KL, cliprange=CLIP, cliprange_value=CLIP, vf_coef=1.0,
                gamma=1.0, lam=LAMBDA, learning_rate=RATE, **stop,
            ),
            processing_class=shapes.tokenizer("left"), model=self.policy, ref_model=self.reference,
            reward_model=self.reward, value_model=self.value, train_dataset=dataset,
            eval_dataset=dataset.select(range(EPISODES)), callbacks=callbacks,
        )  # fmt: skip

    def time(self) -> dict[str, Any]:
        import trl.experimental.ppo.ppo_trainer as trainer_module
        from transformers import TrainerCallback

        clock, made = Clock(self.device.type), [0]
        generate = trainer_module.batch_generation

        def scripted(*given: Any, **named: Any) -> Any:
            rows, logits = generate(*given, **named)
            for row, end in enumerate(ends(made[0], early=self.early)):
                if end < RESPONSE:
                    rows[row, PROMPT + end - 1] = shapes.EOS
            made[0] += 1
            return rows, logits

        class Marks(TrainerCallback):
            def on_step_end(self, *_args: Any, **_kwargs: Any) -> None:
                clock.mark()

        trainer_module.batch_generation = scripted
        try:
            self._trainer(UPDATES + 1, [Marks()]).train()
        finally:
            trainer_module.batch_generation = generate
        return {"units": UPDATES * EPISODES, **clock.spent(0)}

    def gate(self, *, gradient: str, batch: str, precision: str) -> dict[str, Any]:
        """Loss and gradient of the first minibatch, caught where the trainer calls backward."""
        import trl.experimental.ppo.ppo_trainer as trainer_module

        dtype = getattr(torch, precision)
        models = (self.policy, self.reference, self.reward, self.value)
        for model in models:
            model.to(dtype)
        trainer, found = self._trainer(1, []), dict[str, float]()
        generate = trainer_module.batch_generation

        class CaughtError(Exception):
            pass

        def kept(*given: Any, **named: Any) -> Any:
            rows, logits = generate(*given, **named)
            torch.save(rows.cpu(), batch)
            return rows, logits

        def caught(loss: Any, **_named: Any) -> None:
            torch.autograd.backward(loss)
            found["loss"] = float(loss.detach())
            raise CaughtError

        trainer_module.batch_generation, trainer.accelerator.backward = kept, caught
        try:
            trainer.train()
        except CaughtError:
            pass
        finally:
            trainer_module.batch_generation = generate
        grads = {f"policy.{name}": x.grad for name, x in self.policy.named_parameters()}
        grads |= {f"value.{name}": x.grad for name, x in self.value.base_model.named_parameters()}
        grads["value.head"] = self.value.score.weight.grad
        torch.save({name: x.cpu() for name, x in grads.items()}, gradient)
        for model in models:
            model.zero_grad(set_to_none=True)
            model.float()
        return dict(found)
