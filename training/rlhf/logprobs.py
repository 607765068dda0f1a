"""Log-probabilities of given tokens, entropy, estimators of the KL divergence: nats, float32 or wider."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def full_precision(x: Tensor) -> Tensor:
    """Widen half precision to float32; float32 and float64 stay what they are."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def response_logprobs(logits: Tensor, tokens: Tensor, temperature: float = 1.0) -> Tensor:
    """Look up the log-probability of each response token.

    logits       (B, R, V) float  logits that predict the token at the same place: position t - 1 of the model
    tokens       (B, R)    int    the tokens that were sampled; any valid id where there is padding
    temperature  above 0          divides the logits, as it did when sampling
    returns      (B, R)    float  nats, at most 0
    raises       ValueError       if shapes do not fit or the temperature is not above 0

    The same function serves rollout, reference and update, so that none of them can forget the temperature.
    """
    if logits.shape[:-1] != tokens.shape:
        raise ValueError(
            f"logits {tuple(logits.shape)} do not fit tokens {tuple(tokens.shape)}; slice them first."
        )
    if temperature <= 0:
        raise ValueError(f"temperature is {temperature}; it must be above 0.")
    scaled = full_precision(logits)
    if temperature != 1:
        scaled = scaled / temperature
    # Torch's cross entropy is the same number with two passes over the vocabulary backward instead of six.
    losses = F.cross_entropy(scaled.flatten(0, -2), tokens.flatten(), reduction="none")
    return -losses.view(tokens.shape)


def entropy(logits: Tensor, temperature: float = 1.0) -> Tensor:
    """Compute the entropy of each next-token distribution.

    logits   (..., V) float
    returns  (...)    float  nats, from 0 to ln V
    """
    logp = (full_precision(logits) / temperature).log_softmax(dim=-1)
    return -(logp.exp() * logp).sum(dim=-1)


def kl_k1(logprobs: Tensor, ref_logprobs: Tensor) -> Tensor:
    """Estimate the KL of the policy from the reference at each sampled token: unbiased, may be negative.

    logprobs, ref_logprobs  same shape, nats
    returns                 same shape, nats
    """
    return logprobs - ref_logprobs


def kl_k3(logprobs: Tensor, ref_logprobs: Tensor) -> Tensor:
    """Estimate the KL at each sampled token: unbiased and never negative, for monitoring.

    logprobs, ref_logprobs  same shape, nats
    returns                 same shape, nats: (r - 1) - log r with r = p_ref / p (Schulman, "Approximating
    KL")
    """
    log_ratio = ref_logprobs - logprobs
    return log_ratio.expm1() - log_ratio
