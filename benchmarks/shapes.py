"""The models that are measured: random weights, the same in every process, in GPT-2's or Llama's shape."""

from __future__ import annotations

from typing import Any

import torch

PAD, BOS, EOS, VOCABULARY = 0, 1, 2, 4096
# layers, width, heads, vocabulary, context
SHAPES = {
    "tiny": (2, 128, 4, VOCABULARY, 1024),
    "small": (6, 256, 4, VOCABULARY, 1024),
    "70m": (6, 512, 8, 50_304, 1024),
    "160m": (12, 768, 12, 50_304, 2048),
    "410m": (24, 1024, 16, 50_304, 2048),
    "1.4b": (24, 2048, 16, 50_304, 2048),
}


def config(shape: str, architecture: str) -> Any:
    """Describe a model; dropout is off."""
    from transformers import GPT2Config, LlamaConfig

    layers, width, heads, vocabulary, context = SHAPES[shape]
    special: dict[str, Any] = {"pad_token_id": PAD, "bos_token_id": BOS, "eos_token_id": EOS}
    if architecture == "gpt2":
        return GPT2Config(
            vocab_size=vocabulary, n_positions=context, n_embd=width, n_layer=layers, n_head=heads,
            attn_pdrop=0.0, resid_pdrop=0.0, embd_pdrop=0.0, summary_first_dropout=0.0, **special,
        )  # fmt: skip
    return LlamaConfig(
        vocab_size=vocabulary, hidden_size=width, intermediate_size=width * 8 // 3 // 32 * 32,
        num_hidden_layers=layers, num_attention_heads=heads, num_key_value_heads=heads,
        max_position_embeddings=context, **special,
    )  # fmt: skip


def causal(shape: str, architecture: str, seed: int = 0) -> Any:
    """Make a causal language model."""
    from transformers import AutoModelForCausalLM

    auto: Any = AutoModelForCausalLM
    torch.manual_seed(seed)
    return auto.from_config(config(shape, architecture)).eval()


def scorer(shape: str, architecture: str, seed: int = 0) -> Any:
    """Make the library's sequence classifier with one output."""
    from transformers import AutoModelForSequenceClassification

    torch.manual_seed(seed)
    described = config(shape, architecture)
    described.num_labels = 1
    auto: Any = AutoModelForSequenceClassification
    return auto.from_config(described).eval()


def reward_model(classifier: Any) -> Any:
    """Put our scalar head, with the classifier's weights, on the classifier's trunk."""
    from training.rlhf.model import RewardModel

    model = RewardModel(classifier.base_model)
    with torch.no_grad():
        model.head.weight.copy_(classifier.score.weight)
    return model.eval()


def tokenizer(padding_side: str = "right") -> Any:
    """Make a word-level tokenizer, for trainers that insist on one."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = {"<pad>": PAD, "<bos>": BOS, "<eos>": EOS, "<unk>": 3}
    words |= {f"w{i}": i for i in range(4, VOCABULARY)}
    made = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    kind: Any = PreTrainedTokenizerFast
    return kind(
        tokenizer_object=made, pad_token="<pad>", bos_token="<bos>", eos_token="<eos>", unk_token="<unk>",
        padding_side=padding_side, model_max_length=4096,
    )  # fmt: skip


def parameters(model: Any) -> int:
    """Count weights outside the embeddings' tables: what a token is multiplied with."""
    tables = {id(x.weight) for x in model.modules() if type(x).__name__ == "Embedding"}
    return sum(x.numel() for x in model.parameters() if id(x) not in tables)


def random_ids(length: int, source: torch.Generator) -> list[int]:
    """Draw ids that are no special tokens."""
    found: list[int] = torch.randint(4, VOCABULARY, (length,), generator=source).tolist()
    return found
