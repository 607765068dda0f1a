"""Language models and scalar heads on top of any causal LM of transformers.

Hidden states are computed once and turned into logits only where they are asked for. Padding is described by
a mask (True = real token) and position ids are always derived from it, so that a row reads the same alone,
left-padded or right-padded, for rotary and for absolute positions.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from training.rlhf.batching import left_pad, right_pad
from training.rlhf.body import Body, new_cache
from training.rlhf.decoder import Decoder, LibraryDecoder, OwnDecoder, decodes_itself
from training.rlhf.dropout import set_residual_dropout
from training.rlhf.errors import RunRefusedError
from training.rlhf.logprobs import full_precision
from training.rlhf.lora import FOLDER as ADAPTER
from training.rlhf.lora import Lora, fingerprint
from training.rlhf.masking import only_last
from training.rlhf.parallel import full_state, is_main
from training.rlhf.tokenizer import ABOUT_FILE, Codec, first_line, load_codec, read_about

HEAD_FILE = "head.safetensors"


class LanguageModel(nn.Module):
    """A causal LM whose body and head can be called apart."""

    def __init__(self, causal: Any) -> None:
        super().__init__()
        self.causal = causal
        self.body = Body(causal.base_model)
        self.lora: Lora | None = None
        self._decodes: bool | None = None

    @property
    def context(self) -> int:
        """Longest row the model can read, in tokens."""
        return _context(self.causal.config)

    @property
    def vocab_size(self) -> int:
        """Width of the logits."""
        return int(self.causal.config.get_text_config().vocab_size)

    def adapt(self, lora: Lora) -> None:
        """Train an adapter in place of the weights, which others may share from now on."""
        self.requires_grad_(False)
        self.lora = self.body.lora = lora

    def hidden(
        self,
        ids: Tensor,
        mask: Tensor,
        cache: Any = None,
        cached_mask: Tensor | None = None,
        *,
        read: Tensor | None = None,
    ) -> Tensor:
        """Run the body.

        ids          (B, T)    int
        mask         (B, T)    bool   True = real token
        cache        keys and values of earlier columns, extended in place
        cached_mask  (B, C)    bool   mask of those columns
        read         (B, T)    bool   which real tokens are wanted
        returns      (B, T, D) float, or with read (N, D): those tokens, row by row
        """
        return self.body.run(ids, mask, cache, cached_mask, read=read)

    def hidden_groups(
        self, prompts: tuple[Tensor, Tensor], responses: tuple[Tensor, Tensor], read: Tensor
    ) -> Tensor:
        """Run prompts once and their responses behind them; arguments and result as of `Body.run_groups`."""
        return self.body.run_groups(prompts, responses, read)

    def logits(self, hidden: Tensor) -> Tensor:
        """Turn hidden states (..., D) into logits (..., V)."""
        config = self.causal.config
        logits: Tensor = self.causal.get_output_embeddings()(hidden)
        if scale := getattr(config, "logit_scale", None):
            logits = logits * scale
        if scaling := getattr(config, "logits_scaling", None):
            logits = logits / scaling
        if cap := getattr(config, "final_logit_softcapping", None):
            logits = torch.tanh(logits / cap) * cap
        return logits

    def decoder(self, dtype: torch.dtype) -> Decoder:
        """Make what continues rows token by token, in float32 or with weights in bfloat16.

        Models whose layers are not written out decode in their own precision, whatever is asked for.
        """
        head = self.causal.get_output_embeddings()
        if self._decodes is None:
            self._decodes = decodes_itself(self.body, head, self.logits)
        return OwnDecoder(self.body, head, dtype) if self._decodes else LibraryDecoder(self.body, self.logits)

    @torch.no_grad()
    def check(self) -> None:
        """Raise RunRefusedError if padding or cached columns change what the model says."""
        kind = type(self.causal).__name__
        device = next(self.parameters()).device
        ids, mask = (x.to(device) for x in left_pad([[3, 1, 2, 0]], 6))
        try:
            theirs = self.causal(input_ids=ids[:, 2:], use_cache=False).logits[:, -1].float()
            padded = self.logits(self.hidden(ids, mask)[:, -1]).float()
            cache = new_cache()
            self.hidden(ids[:, :-1], mask[:, :-1], cache)
            cached = self.logits(self.hidden(ids[:, -1:], mask[:, -1:], cache, mask[:, :-1])[:, -1]).float()
        except (RuntimeError, TypeError, AttributeError) as error:
            raise RunRefusedError(f"{kind} is not supported: {first_line(error)}.") from error
        for ours, what in ((padded, "with padding"), (cached, "from cached keys and values")):
            if not torch.allclose(ours, theirs, atol=1e-3, rtol=1e-3):
                raise RunRefusedError(f"{kind} is not supported: {what} its logits differ.")


class RewardModel(nn.Module):
    """A trunk with one scalar per position; a response scores the scalar at its last token, less a bias.

    The same module serves as value model, where every position counts.
    """

    def __init__(self, trunk: Any, *, bias: float | None = None, seed: int = 0) -> None:
        super().__init__()
        self.trunk = trunk
        width = int(trunk.config.get_text_config().hidden_size)
        self.head = nn.Linear(width, 1)
        # Normal with std 1 / sqrt(width + 1), bias 0: lm-human-preferences (2019).
        initial = torch.randn(1, width, generator=torch.Generator().manual_seed(seed)) / math.sqrt(width + 1)
        with torch.no_grad():
            self.head.weight.copy_(initial)
            self.head.bias.zero_()
        self.bias = bias
        self.body = Body(trunk)
        self.lora: Lora | None = None

    @property
    def context(self) -> int:
        """Longest row the model can read, in tokens."""
        return _context(self.trunk.config)

    def adapt(self, lora: Lora) -> None:
        """Train an adapter, and the head, in place of the trunk, which others may share from now on."""
        self.trunk.requires_grad_(False)
        self.lora = self.body.lora = lora

    def scalars(self, hidden: Tensor) -> Tensor:
        """Turn hidden states (..., D) into scalars (...), in float32 whatever the precision around."""
        with torch.autocast(hidden.device.type, enabled=False):
            scalars: Tensor = self.head(full_precision(hidden)).squeeze(-1)
        return scalars - (self.bias or 0.0)

    def values(self, ids: Tensor, mask: Tensor, *, read: Tensor | None = None) -> Tensor:
        """Compute the scalar at every position.

        ids, mask  (B, T) int, bool   True = real token
        read       (B, T) bool        which real tokens are wanted
        returns    (B, T) float, or with read (N,): those tokens, row by row
        """
        return self.scalars(self.body.run(ids, mask, read=read))

    def scores(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Score rows by their last real token: ids (B, T), mask (B, T) True = real -> (B,) float."""
        return self.scalars(self.body.run(ids, mask, read=only_last(mask)))

    def score_groups(
        self,
        prompts: Sequence[Sequence[int]],
        groups: Sequence[Sequence[Sequence[int]]],
        *,
        share_prompt: bool,
    ) -> Tensor:
        """Score the responses of several prompts.

        prompts       B prompts, ids
        groups        for each prompt its responses, ids; the number may differ
        share_prompt  compute each prompt once and let its responses attend to its keys and values; the scores
                      are those of separate rows (to rounding), at a cost of P + K R tokens instead of K (P +
                      R). Models that read no layouts run separate rows
        returns       (sum of K,) float  in the order given
        """
        device = self.head.weight.device
        if not (share_prompt and self.body.packs):
            rows = [[*p, *r] for p, group in zip(prompts, groups, strict=True) for r in group]
            ids, mask = right_pad(rows)
            return self.scores(ids.to(device), mask.to(device))
        each = max(len(group) for group in groups)
        padded = [[*group, *[[]] * (each - len(group))] for group in groups]
        ids, mask = (x.to(device) for x in right_pad([r for group in padded for r in group]))
        prompt_ids, prompt_mask = (x.to(device) for x in right_pad(prompts))
        hidden = self.body.run_groups((prompt_ids, prompt_mask), (ids, mask), read=only_last(mask))
        return self.scalars(hidden)


def _context(config: Any) -> int:
    return int(getattr(config.get_text_config(), "max_position_embeddings", 0) or 1 << 30)


def load_policy(
    source: str, *, key: str, device: torch.device, dropout: float = 0.0
) -> tuple[LanguageModel, Codec]:
    """Load a causal LM and its tokenizer from a folder or hub id, in float32 and in eval mode (no dropout).

    key      the setting that named the model, for messages
    dropout  residual dropout in train mode, if above 0; otherwise train mode drops what the folder says
    raises   RunRefusedError if it cannot be loaded or used
    """
    from transformers import AutoModelForCausalLM

    if read_about(source).get("kind") == "reward":
        raise RunRefusedError(f"{key}: {source} is a reward model; allowed is a model that writes.")
    codec = load_codec(source, key=key)
    model = LanguageModel(_from_pretrained(AutoModelForCausalLM, source, key, dropout)).to(device).eval()
    model.check()
    if codec.eos_id >= model.vocab_size:
        raise RunRefusedError(
            f"{key}: the end token of {source} is {codec.eos_id}, the model knows {model.vocab_size} tokens."
        )
    return model, codec


def _from_pretrained(auto: Any, source: str, key: str, dropout: float = 0.0) -> Any:
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(source, trust_remote_code=False)
        if dropout > 0:
            set_residual_dropout(config, dropout)
        model, info = auto.from_pretrained(
            source,
            config=config,
            dtype=torch.float32,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except (OSError, ValueError) as error:
        raise RunRefusedError(f"{key}: no model could be loaded from {source}: {first_line(error)}") from None
    if missing := sorted(info["missing_keys"]):
        raise RunRefusedError(f"{key}: {source} lacks {len(missing)} weights, such as {missing[0]}.")
    return model


def save_policy(model: LanguageModel, codec: Codec, folder: Path, about: dict[str, Any]) -> None:
    """Write a plain transformers folder with tokenizer and instructloop.json."""
    state = merged_state(model.causal, model.lora)
    if not is_main():
        return
    model.causal.save_pretrained(folder, state_dict=state)
    if model.lora is not None:
        trunk = model.causal.base_model
        inside = f"{model.causal.base_model_prefix}." if trunk is not model.causal else ""
        model.lora.save(folder / ADAPTER, inside=inside, task="CAUSAL_LM", base=fingerprint(trunk))
    _finish_folder(folder, codec, about)


def new_reward_model(source: str, *, key: str, device: torch.device, seed: int) -> tuple[RewardModel, Codec]:
    """Put a fresh scalar head on the trunk of a causal LM."""
    from transformers import AutoModelForCausalLM

    codec = load_codec(source, key=key)
    trunk = _from_pretrained(AutoModelForCausalLM, source, key).base_model
    return RewardModel(trunk, seed=seed).to(device).eval(), codec


def load_reward_model(source: str, *, key: str, device: torch.device) -> tuple[RewardModel, Codec]:
    """Load a trained reward model.

    raises  RunRefusedError if the folder is no reward model, or lacks its head or its bias
    """
    from transformers import AutoModel

    about = read_about(source)
    if about.get("kind") != "reward":
        raise RunRefusedError(f"{key}: {source} is of kind {about.get('kind')}; allowed is reward.")
    if not isinstance(about.get("bias"), int | float):
        raise RunRefusedError(
            f"{key}: {source} has no bias in {ABOUT_FILE}; without it scores have no zero, so train it again."
        )
    head = Path(source) / HEAD_FILE
    if not head.is_file():
        raise RunRefusedError(f"{key}: {head} is missing; train the reward model again.")
    codec = load_codec(source, key=key)
    model = RewardModel(_from_pretrained(AutoModel, source, key), bias=float(about["bias"]))
    model.head.load_state_dict(load_file(head))
    return model.to(device).eval(), codec


def save_reward_model(model: RewardModel, codec: Codec, folder: Path, about: dict[str, Any]) -> None:
    """Write trunk, head, tokenizer and instructloop.json with the bias."""
    state, head = merged_state(model.trunk, model.lora), full_state(model.head)
    if not is_main():
        return
    model.trunk.save_pretrained(folder, state_dict=state)
    if model.lora is not None:
        base = fingerprint(model.trunk)
        model.lora.save(folder / ADAPTER, inside="", task="FEATURE_EXTRACTION", base=base)
    save_file({name: x.contiguous() for name, x in head.items()}, folder / HEAD_FILE)
    _finish_folder(folder, codec, {**about, "bias": model.bias})


def merged_state(module: Any, lora: Lora | None) -> dict[str, Tensor]:
    """Gather the weights on the CPU of the main process, an adapter's changes added to them."""
    state = full_state(module)
    if lora is None:
        return state
    held = module.state_dict(keep_vars=True)
    return {name: lora.merged(held[name]).cpu() if held[name].dim() == 2 else x for name, x in state.items()}


def _finish_folder(folder: Path, codec: Codec, about: dict[str, Any]) -> None:
    codec.tokenizer.save_pretrained(folder)
    text = json.dumps({**about, "separator": codec.separator}, indent=2, sort_keys=True)
    (folder / ABOUT_FILE).write_text(text + "\n", encoding="utf-8")
