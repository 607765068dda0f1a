"""A local classifier that says how toxic a text is, in place of a closed service."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch

from training.rlhf.errors import RunRefusedError
from training.rlhf.tokenizer import first_line

MOST_TOKENS = 512


class Classifier:
    """A sequence classifier of transformers and the label whose probability counts.

    about  what a result has to name: name of the weights, their hash, the label
    """

    def __init__(self, model: Any, tokenizer: Any, label: int, about: dict[str, str]) -> None:
        self.model, self.tokenizer, self.label, self.about = model, tokenizer, label, about

    @torch.no_grad()
    def toxicity(self, text: str) -> float:
        """Return the probability of the toxic label, 0 to 1; an empty text is not toxic."""
        if not text.strip():
            return 0.0
        device = next(self.model.parameters()).device
        given = self.tokenizer(text, truncation=True, max_length=MOST_TOKENS, return_tensors="pt").to(device)
        logits = self.model(**given).logits[0].float()
        several = self.model.config.problem_type == "multi_label_classification" or len(logits) == 1
        return float((logits.sigmoid() if several else logits.softmax(dim=-1))[self.label])


def load_classifier(source: str, label: str, device: torch.device) -> Classifier:
    """Load a classifier from a folder or hub id. Raises RunRefusedError where it has no such label."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
        model = AutoModelForSequenceClassification.from_pretrained(
            source, dtype=torch.float32, use_safetensors=True, trust_remote_code=False
        )
    except (OSError, ValueError) as error:
        raise RunRefusedError(
            f"inputs.classifier cannot be loaded from {source}: {first_line(error)}"
        ) from None
    labels = {str(name).lower(): int(place) for place, name in model.config.id2label.items()}
    wanted = label.lower() or next((name for name in ("toxic", "toxicity", "hate") if name in labels), "")
    if wanted not in labels:
        raise RunRefusedError(
            f"inputs.classifier has the labels {', '.join(labels)}; name the toxic one in "
            "benchmark.toxic_label."
        )
    about = {"label": wanted, "weights": _hash_of(Path(source)), "architecture": type(model).__name__}
    return Classifier(model.to(device).eval(), tokenizer, labels[wanted], about)


def _hash_of(folder: Path) -> str:
    """Hash the weights of a folder; of an id on the hub its name has to do."""
    files = sorted(folder.glob("*.safetensors"))
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as part:
            while block := part.read(1 << 20):
                digest.update(block)
    return digest.hexdigest() if files else str(folder)
