"""The language of a text, by py3langid, as far as it can be told."""

from functools import cache
from typing import Protocol

MIN_LETTERS = 20
MIN_PROBABILITY = 0.5


class _Identifier(Protocol):
    def classify(self, text: str) -> tuple[str, float]: ...


def language_of(text: str) -> str:
    """Return an ISO 639-1 code such as "en", or an empty string where nothing can be said.

    Nothing is said about texts of fewer than 20 letters (a name, a sum, "ok?"), nor where the best guess is
    less likely than all others together.
    """
    sample = text[:4000]
    if sum(map(str.isalpha, sample)) < MIN_LETTERS:
        return ""
    code, probability = _identifier().classify(sample)
    return code if probability >= MIN_PROBABILITY else ""


@cache
def _identifier() -> _Identifier:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # the model takes a second to load

    identifier: _Identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    return identifier
