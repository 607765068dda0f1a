"""Raw text as one long row of tokens, cut into sequences of equal length.

Documents follow each other with an end token between them, as GPT-3's pretraining did; a sequence may begin
and end inside a document and attention is not cut at the borders.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from training.rlhf.batching import generator
from training.rlhf.errors import RunRefusedError
from training.rlhf.losses import token_losses
from training.rlhf.model import LanguageModel
from training.rlhf.tokenizer import Codec

SEQUENCE_TOKENS = 2048  # GPT-3's, and so the paper's


def sequence_length(asked: int, context: int) -> int:
    """Choose the tokens of a sequence: what is asked for, or the paper's; at most the context."""
    return min(asked or SEQUENCE_TOKENS, context)


class PackedText:
    """A stream of tokens from which training sequences are drawn."""

    def __init__(self, texts: Sequence[str], codec: Codec, *, sequence_tokens: int, what: str) -> None:
        documents = codec.encode_documents(texts)
        self.stream = torch.tensor([token for ids in documents for token in ids], dtype=torch.long)
        self.sequence_tokens = min(sequence_tokens, len(self.stream))
        if self.sequence_tokens < 2:
            raise RunRefusedError(f"{what} has {len(self.stream)} tokens; at least 2 are needed.")

    def draw(self, n: int, *seed: int | str) -> Tensor:
        """Draw n sequences that begin anywhere: (n, sequence_tokens) int, a pure function of the seed."""
        last = len(self.stream) - self.sequence_tokens
        starts = torch.randint(0, last + 1, (n,), generator=generator("packed", *seed))
        return self.stream[starts.unsqueeze(1) + torch.arange(self.sequence_tokens)]

    def sequences(self, most: int) -> Tensor:
        """Cut the stream from its beginning into at most so many sequences: (n, sequence_tokens) int."""
        n = min(most, len(self.stream) // self.sequence_tokens)
        return self.stream[: n * self.sequence_tokens].view(n, self.sequence_tokens)


def text_loss(model: LanguageModel, ids: Tensor) -> Tensor:
    """Compute the mean next-token loss of packed sequences.

    ids      (B, T) int   no padding
    returns  ()     float nats per token
    """
    logits = model.logits(model.hidden(ids, torch.ones_like(ids, dtype=torch.bool))[:, :-1])
    return token_losses(logits.flatten(0, 1), ids[:, 1:].flatten()).mean()


@torch.no_grad()
def valid_text_loss(model: LanguageModel, sequences: Tensor, microbatch_size: int = 32) -> float:
    """Average the next-token loss over packed sequences (N, T)."""
    device = next(model.parameters()).device
    parts = torch.split(sequences, microbatch_size)
    return sum(float(text_loss(model, part.to(device))) * len(part) for part in parts) / len(sequences)
