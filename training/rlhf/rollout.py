"""Sample responses and score the same tokens under every model.

A row is a left-padded prompt followed by a right-padded response, so responses start in one column.
Log-probabilities kept from here are computed by the forward pass that training uses, on the same
microbatches, not taken from the sampler: the first update therefore begins at a ratio of exactly 1. It is
the same pass, so its graph can be kept for that update instead of being computed again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from training.rlhf.batching import left_pad
from training.rlhf.generation import Generated, generate
from training.rlhf.logprobs import entropy, response_logprobs
from training.rlhf.model import LanguageModel, RewardModel
from training.rlhf.parallel import largest
from training.rlhf.samplers import Sampler
from training.rlhf.tokenizer import Codec

NO_LIMIT = 1 << 30


class Rollout(NamedTuple):
    """Responses of one policy version: B rows, P prompt columns, R response columns; True = real token.

    prompts        (B, P) int    left-padded, the separator included
    prompt_mask    (B, P) bool
    tokens         (B, R) int    right-padded responses, the end token included
    response_mask  (B, R) bool
    ended          (B,)   bool   True = the response has its end token
    logprobs       (B, R) float  nats under the policy that sampled; 0 on padding
    entropy        (B, R) float  nats, of the policy's distribution before each token; 0 on padding
    ref_logprobs   (B, R) float  nats under the reference; 0 on padding, equal to logprobs without a reference
    values         (B, R) float  of the value model before each token; 0 on padding or without a value model
    scores         (B,)   float  of the reward model; 0 without one
    sampled_logprobs (B, R) float  nats under the sampler's own arithmetic; 0 on padding
    """

    prompts: Tensor
    prompt_mask: Tensor
    tokens: Tensor
    response_mask: Tensor
    ended: Tensor
    logprobs: Tensor
    entropy: Tensor
    ref_logprobs: Tensor
    values: Tensor
    scores: Tensor
    sampled_logprobs: Tensor

    def select(self, rows: Tensor | slice) -> Rollout:
        """Take some rows, without the padding columns that none of them needs."""
        taken = Rollout(*(x[rows] for x in self))
        first = taken.prompts.shape[1] - int(taken.prompt_mask.sum(dim=1).max())
        width = int(taken.response_mask.sum(dim=1).max())
        prompt_part = {name: getattr(taken, name)[:, first:] for name in ("prompts", "prompt_mask")}
        response_part = {
            name: getattr(taken, name)[:, :width]
            for name in Rollout._fields
            if name not in prompt_part and getattr(taken, name).dim() == 2
        }
        return taken._replace(**prompt_part, **response_part)

    def microbatches(self, size: int, tokens: int = NO_LIMIT) -> list[Rollout]:
        """Cut into groups of rows in order, each without needless padding."""
        return [self.select(slice(first, last)) for first, last in self.cuts(size, tokens)]

    def cuts(self, size: int, tokens: int = NO_LIMIT) -> list[tuple[int, int]]:
        """Name first row and end of each microbatch: groups of `size` rows, cut again above so many tokens.

        Where groups begin depends on the size alone, so that those of a minibatch are those of its rollout.
        """
        lengths = self.mask().sum(dim=1).tolist()
        starts: list[int] = []
        held = 0
        for row, length in enumerate(lengths):
            if row % size == 0 or held + length > tokens:
                starts.append(row)
                held = 0
            held += length
        return list(zip(starts, [*starts[1:], len(lengths)], strict=True))

    @staticmethod
    def joined(parts: Sequence[tuple[Sequence[int], Rollout]]) -> Rollout:
        """Put the rows of several rollouts in the places named beside each; padding grows to the longest."""
        before = max(part.prompts.shape[1] for _, part in parts)
        after = max(part.tokens.shape[1] for _, part in parts)
        place = torch.tensor([row for rows, _ in parts for row in rows])
        order = torch.argsort(place)
        columns = []
        for name in Rollout._fields:
            each = [getattr(part, name) for _, part in parts]
            if name in ("prompts", "prompt_mask"):
                each = [F.pad(x, (before - x.shape[1], 0)) for x in each]
            elif each[0].dim() == 2:
                each = [_widen(x, after) for x in each]
            columns.append(torch.cat(each)[order])
        return Rollout(*columns)

    def ids(self) -> Tensor:
        """Join prompts and responses: (B, P + R) int."""
        return torch.cat([self.prompts, self.tokens], dim=1)

    def mask(self) -> Tensor:
        """Join the masks: (B, P + R) bool, True = real token."""
        return torch.cat([self.prompt_mask, self.response_mask], dim=1)

    def contexts(self) -> tuple[Tensor, Tensor, Tensor]:
        """What stands before response tokens: ids and mask (B, P + R - 1), and the places that predict one.

        The last token of a row predicts nothing and is left out.
        """
        whole = self.mask()
        read = F.pad(self.response_mask, (self.prompts.shape[1] - 1, 0))
        return self.ids()[:, :-1], whole[:, :-1] & whole[:, 1:], read

    def kl(self) -> Tensor:
        """Log-ratio of policy to reference, summed over each response: (B,) float, nats."""
        return (self.logprobs - self.ref_logprobs).sum(dim=1)


def token_logits(model: LanguageModel, rollout: Rollout) -> Tensor:
    """Compute the logits of real response tokens only: (N, V), row by row."""
    ids, mask, read = rollout.contexts()
    return model.logits(model.hidden(ids, mask, read=read))


def token_logprobs(model: LanguageModel, rollout: Rollout, temperature: float) -> Tensor:
    """Compute the log-probability of each response token: (B, R) float, nats, 0 on padding."""
    real = rollout.response_mask
    return _placed(response_logprobs(token_logits(model, rollout), rollout.tokens[real], temperature), real)


def token_values(model: RewardModel, rollout: Rollout) -> Tensor:
    """Compute the value before each response token: (B, R) float, 0 on padding."""
    ids, mask, read = rollout.contexts()
    return _placed(model.values(ids, mask, read=read), rollout.response_mask)


def _placed(found: Tensor, real: Tensor) -> Tensor:
    """Put numbers (N,) where a mask (B, R) is True: (B, R), 0 elsewhere."""
    return found.new_zeros(real.shape).masked_scatter(real, found)


class Kept(NamedTuple):
    """What a microbatch was scored with, graph included: the forward pass of the first step on it.

    logprobs  (B, R) float   as in the rollout
    values    (B, R) float   as there; 0 without a value model
    """

    logprobs: Tensor
    values: Tensor


class Models(NamedTuple):
    """The models of a rollout; all but the policy may be missing."""

    policy: LanguageModel
    reference: LanguageModel | None = None
    reward: RewardModel | None = None
    value: RewardModel | None = None


@torch.no_grad()
def collect_rollout(
    models: Models,
    codec: Codec,
    prompts: Sequence[Sequence[int]],
    *,
    max_tokens: int,
    temperature: float,
    microbatch_size: int,
    uniforms: Tensor,
    microbatch_tokens: int = NO_LIMIT,
    sampler: Sampler = generate,
    samples: int = 1,
    at_once: int = NO_LIMIT,
    missing_eos_score: float | None = None,
    on_token: Callable[[int], None] = lambda _: None,
    kept: list[Kept] | None = None,
    keep: int = 0,
    in_step: bool = False,
) -> Rollout:
    """Sample one response to each prompt and score it under every model that is there.

    prompts            B lists of ids, the separator included
    microbatch_size    most rows, and microbatch_tokens most tokens, scored in one forward pass
    uniforms           (B, max_tokens) float64 in [0, 1): the randomness of the sampler
    sampler            what writes the responses
    samples            how many times in a row each prompt stands: they share one pass over it
    at_once            most rows decoded together; it changes no sample
    missing_eos_score  most that a response without its end token can score
    kept               takes the graphs of the first `keep` microbatches
    in_step            every process of the run is here and makes as many scoring passes as the one with most,
                       as sharded models need it
    """
    # 1. Sample, some prompts at a time.
    each = max(1, at_once // samples) * samples
    made = []
    for start in range(0, len(prompts), each):
        chunk = prompts[start : start + each]
        found = sampler(
            models.policy,
            chunk[::samples],
            n=samples,
            max_tokens=max_tokens,
            eos_id=codec.eos_id,
            temperature=temperature,
            uniforms=uniforms[start : start + each],
            on_token=on_token,
        )
        made.append((range(start, start + len(chunk)), _unscored(chunk, found)))
    rollout = made[0][1] if len(made) == 1 else Rollout.joined(made)
    # 2. Score the same tokens under every model.
    waiting = rollout.microbatches(microbatch_size, microbatch_tokens)
    passes = int(largest(len(waiting))) if in_step else len(waiting)
    parts = _scored_parts(models, waiting, passes, temperature or 1.0, kept, keep)
    scored = _stacked(rollout, parts[: len(waiting)])
    if missing_eos_score is None:
        return scored
    capped = scored.scores.clamp(max=missing_eos_score)
    return scored._replace(scores=torch.where(scored.ended, scored.scores, capped))


def _unscored(prompts: Sequence[Sequence[int]], made: Generated) -> Rollout:
    ids, mask = (x.to(made.tokens.device) for x in left_pad(prompts))
    zeros = torch.zeros(made.tokens.shape, device=made.tokens.device)
    empty = dict.fromkeys(("logprobs", "entropy", "ref_logprobs", "values"), zeros)
    return Rollout(
        ids, mask, made.tokens, made.mask, made.ended, **empty, scores=zeros[:, 0],
        sampled_logprobs=made.logprobs,
    )  # fmt: skip


def _scored_parts(
    models: Models,
    waiting: Sequence[Rollout],
    passes: int,
    temperature: float,
    kept: list[Kept] | None,
    keep: int,
) -> list[Rollout]:
    """Score microbatches one after the other; with more passes than microbatches the last comes again."""
    parts = []
    for number in range(passes):
        part = waiting[min(number, len(waiting) - 1)]
        with torch.set_grad_enabled(kept is not None and number < keep):
            if torch.is_grad_enabled():
                torch.clear_autocast_cache()  # bfloat16 copies of weights made without gradients
            parts.append(_scored(models, part, temperature, kept))
    return parts


def _scored(models: Models, part: Rollout, temperature: float, kept: list[Kept] | None) -> Rollout:
    """Fill in what every model says of a microbatch; where gradients are on, its graph is kept as well."""
    policy, reference, reward, value = models
    real = part.response_mask
    logits = token_logits(policy, part)
    logprobs = _placed(response_logprobs(logits, part.tokens[real], temperature), real)
    values = None if value is None else token_values(value, part)
    if kept is not None and torch.is_grad_enabled():
        kept.append(Kept(logprobs, part.values if values is None else values))
    with torch.no_grad():
        found = part._replace(logprobs=logprobs.detach(), ref_logprobs=logprobs.detach())
        found = found._replace(entropy=_placed(entropy(logits.detach(), temperature), real))
        if reference is not None:
            found = found._replace(ref_logprobs=token_logprobs(reference, part, temperature))
        if values is not None:
            found = found._replace(values=values.detach())
        if reward is not None:
            found = found._replace(scores=reward.scores(part.ids(), part.mask()))
    return found


def _stacked(rollout: Rollout, parts: Sequence[Rollout]) -> Rollout:
    """Write what was found of microbatches into the rollout they were cut from."""
    width = rollout.tokens.shape[1]
    columns = {
        name: torch.cat([_widen(getattr(part, name), width) for part in parts])
        for name in ("logprobs", "entropy", "ref_logprobs", "values")
    }
    return rollout._replace(**columns, scores=torch.cat([part.scores for part in parts]))


def _widen(x: Tensor, width: int) -> Tensor:
    return F.pad(x, (0, width - x.shape[1]))
