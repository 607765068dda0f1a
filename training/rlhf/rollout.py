"""Sample responses and score the same tokens under every model.

A row is a left-padded prompt followed by a right-padded response, so responses start in one column.
Log-probabilities kept from here are computed by the forward pass that training uses, on the same
microbatches, not taken from the sampler: the first update therefore begins at a ratio of exactly 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from training.rlhf.batching import left_pad
from training.rlhf.generation import generate
from training.rlhf.logprobs import entropy, response_logprobs
from training.rlhf.model import LanguageModel, RewardModel
from training.rlhf.samplers import Sampler
from training.rlhf.tokenizer import Codec


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

    def microbatches(self, size: int) -> list[Rollout]:
        """Cut into groups of rows in order, each without needless padding."""
        return [self.select(slice(at, at + size)) for at in range(0, len(self.tokens), size)]

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
                each = [torch.nn.functional.pad(x, (before - x.shape[1], 0)) for x in each]
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

    def kl(self) -> Tensor:
        """Log-ratio of policy to reference, summed over each response: (B,) float, nats."""
        return (self.logprobs - self.ref_logprobs).sum(dim=1)


def token_logprobs(model: LanguageModel, rollout: Rollout, temperature: float) -> tuple[Tensor, Tensor]:
    """Compute log-probability and entropy at each response token; logits exist for real tokens only.

    returns  logprobs (B, R) and entropy (B, R), float, nats, 0 on padding; entropy carries no gradient
    """
    real = rollout.response_mask
    start = rollout.prompts.shape[1] - 1  # position t - 1 predicts token t
    hidden = model.hidden(rollout.ids(), rollout.mask())[:, start:-1][real]  # (N, D)
    logits = model.logits(hidden)
    found = response_logprobs(logits, rollout.tokens[real], temperature)
    zeros = found.new_zeros(real.shape)
    logprobs = zeros.masked_scatter(real, found)
    return logprobs, zeros.masked_scatter(real, entropy(logits.detach(), temperature))


def token_values(model: RewardModel, rollout: Rollout) -> Tensor:
    """Compute the value before each response token: (B, R) float, 0 on padding."""
    start = rollout.prompts.shape[1] - 1
    values = model.values(rollout.ids(), rollout.mask())[:, start:-1]
    return values.masked_fill(~rollout.response_mask, 0.0)


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
    sampler: Sampler = generate,
    missing_eos_score: float | None = None,
    on_token: Callable[[int], None] = lambda _: None,
) -> Rollout:
    """Sample one response to each prompt and score it under every model that is there.

    prompts            B lists of ids, the separator included
    uniforms           (B, max_tokens) float64 in [0, 1): the randomness of the sampler
    sampler            what writes the responses
    missing_eos_score  most that a response without its end token can score
    """
    device = next(models.policy.parameters()).device
    made = sampler(
        models.policy,
        prompts,
        n=1,
        max_tokens=max_tokens,
        eos_id=codec.eos_id,
        temperature=temperature,
        uniforms=uniforms,
        on_token=on_token,
    )
    ids, mask = (x.to(device) for x in left_pad(prompts))
    zeros = torch.zeros(made.tokens.shape, device=device)
    rollout = Rollout(
        prompts=ids,
        prompt_mask=mask,
        tokens=made.tokens,
        response_mask=made.mask,
        ended=made.ended,
        logprobs=zeros,
        entropy=zeros,
        ref_logprobs=zeros,
        values=zeros,
        scores=zeros[:, 0],
        sampled_logprobs=made.logprobs,
    )
    width = zeros.shape[1]
    columns: dict[str, list[Tensor]] = {
        name: [] for name in ("logprobs", "entropy", "ref_logprobs", "values")
    }
    scores = []
    for part in rollout.microbatches(microbatch_size):
        logprobs, entropies = token_logprobs(models.policy, part, temperature or 1.0)
        columns["logprobs"].append(logprobs)
        columns["entropy"].append(entropies)
        reference = models.reference
        columns["ref_logprobs"].append(
            logprobs if reference is None else token_logprobs(reference, part, temperature or 1.0)[0]
        )
        value = models.value
        columns["values"].append(torch.zeros_like(logprobs) if value is None else token_values(value, part))
        reward = models.reward
        scores.append(
            torch.zeros(len(logprobs), device=device)
            if reward is None
            else reward.scores(part.ids(), part.mask())
        )
    score = torch.cat(scores)
    if missing_eos_score is not None:
        score = torch.where(made.ended, score, score.clamp(max=missing_eos_score))
    stacked = {name: torch.cat([_widen(x, width) for x in found]) for name, found in columns.items()}
    return rollout._replace(scores=score, **stacked)


def _widen(x: Tensor, width: int) -> Tensor:
    return torch.nn.functional.pad(x, (0, width - x.shape[1]))
