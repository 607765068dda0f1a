"""The models of PPO with adapters: one transformer where that is possible, two at most.

The policy is the given model with an adapter, the reference the same model without. Reward and value model
stand on that transformer too if the reward model was trained as an adapter of exactly these weights, the SFT
model as a rule: the reward is its adapter, frozen, and the value model a copy of it that is trained.
Otherwise both share the reward model's own transformer, the value model through an adapter that starts at
zero. Each model has a head of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from training.rlhf.config import PpoConfig
from training.rlhf.lora import FOLDER, Lora, load_lora
from training.rlhf.model import HEAD_FILE, LanguageModel, RewardModel, load_policy, load_reward_model
from training.rlhf.rollout import Models
from training.rlhf.runtime import Run, log
from training.rlhf.sft import check_context
from training.rlhf.tokenizer import Codec, load_codec, read_about, require_same_tokens


def models_on_one_trunk(policy: LanguageModel, codec: Codec, config: PpoConfig, run: Run) -> Models:
    """Put policy, reference, reward and value model on as few transformers as can be."""
    inputs, trunk = config.inputs, policy.body.module
    reference = LanguageModel(policy.causal)
    if inputs.reference is not None:
        source = run.path(inputs.reference)
        reference, other = load_policy(source, key="inputs.reference", device=run.device)
        require_same_tokens(codec, other, "inputs.reference")
        check_context(reference, config.lengths, key="inputs.reference")
    source = run.path(inputs.reward)
    reward = _on(trunk, source, codec)
    if reward is None:
        reward, other = load_reward_model(source, key="inputs.reward", device=run.device)
        require_same_tokens(codec, other, "inputs.reward")
        check_context(reward, config.lengths, key="inputs.reward")
    log.info("reward model: %s", "on the policy's trunk" if reward.lora else "on a trunk of its own")
    value = None
    if config.ppo.estimator == "gae":
        value = RewardModel(reward.trunk, bias=reward.bias).to(run.device).eval()
        value.head.load_state_dict(reward.head.state_dict())
        value.adapt(_value_lora(reward, config))
    reference.requires_grad_(False)
    reward.requires_grad_(False)
    policy.adapt(Lora(trunk, config.lora, seed=config.seed))
    return Models(policy, reference, reward, value)


def _on(trunk: Any, source: str, codec: Codec) -> RewardModel | None:
    """The reward model as an adapter of these weights, or None if it is not one."""
    about, head = read_about(source), Path(source) / HEAD_FILE
    if about.get("kind") != "reward" or not isinstance(about.get("bias"), int | float) or not head.is_file():
        return None  # loading it as a whole says what is missing
    lora = load_lora(Path(source) / FOLDER, trunk)
    if lora is None:
        return None
    require_same_tokens(codec, load_codec(source, key="inputs.reward"), "inputs.reward")
    model = RewardModel(trunk, bias=float(about["bias"]))
    model.head.load_state_dict(load_file(head))
    model.adapt(lora)
    return model.to(next(trunk.parameters()).device).eval()


def _value_lora(reward: RewardModel, config: PpoConfig) -> Lora:
    if reward.lora is None:
        return Lora(reward.trunk, config.lora, seed=config.seed)
    lora = Lora(reward.trunk, reward.lora.settings, seed=config.seed)
    lora.load_state_dict(reward.lora.state_dict())
    return lora
