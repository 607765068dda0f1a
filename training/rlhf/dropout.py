"""Residual dropout, by the names that architectures give it in their configs.

Vaswani et al. 2017 (arXiv 1706.03762), sec. 5.4: on what a layer adds to the residual stream, and on the sum
of embeddings. Dropout of attention weights and whole layers is another matter, and off here.
"""

from __future__ import annotations

from typing import Any

from training.rlhf.errors import RunRefusedError

RESIDUAL = (
    "resid_pdrop",  # GPT-2, GPT-J, Phi, CodeGen, MPT
    "resid_dropout",  # GPT-Neo
    "residual_dropout",  # StarCoder 2
    "hidden_dropout",  # GPT-NeoX, Bloom, Falcon, StableLM
    "hidden_dropout_prob",  # BioGPT
    "dropout",  # OPT, XGLM
)
EMBEDDINGS = ("embd_pdrop", "emb_pdrop", "embed_dropout", "embedding_dropout")
OTHERS = (
    "attn_pdrop",
    "attention_dropout",
    "attention_probs_dropout_prob",
    "activation_dropout",
    "layerdrop",
)


def set_residual_dropout(config: Any, probability: float) -> None:
    """Set the residual dropout of a config before its model is made, and turn every other off.

    raises  RunRefusedError if the architecture has none
    """
    text = config.get_text_config()
    if not any(hasattr(text, name) for name in RESIDUAL):
        [kind, *_] = config.architectures or [config.model_type]
        raise RunRefusedError(
            f"sft.dropout is {probability} but {kind} has no residual dropout; set it to 0."
        )
    for names, value in ((RESIDUAL + EMBEDDINGS, probability), (OTHERS, 0.0)):
        for name in names:
            if hasattr(text, name):
                setattr(text, name, value)
