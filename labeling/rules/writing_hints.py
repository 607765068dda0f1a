"""What a labeler is told about a text while writing it; nothing is refused by it."""

from dataclasses import dataclass

from labeling.rules.language import language_of
from labeling.rules.prompts import DEFAULTS
from labeling.rules.texts import approximate_tokens

MAX_TOKENS = DEFAULTS.max_tokens


@dataclass(frozen=True)
class Hints:
    """How long a text is against what training takes, and a language that is not the prompt's.

    `language` is what the text looks like and `expected` what the prompt is in, both empty where they fit
    or nothing can be said.
    """

    tokens: int
    language: str = ""
    expected: str = ""

    @property
    def is_too_long(self) -> bool:
        return self.tokens > MAX_TOKENS


def hints_about(text: str, *, prompt_language: str = "") -> Hints:
    """Return the hints about a text that answers a prompt in a language."""
    language = language_of(text) if prompt_language else ""
    differs = bool(language and language != prompt_language)
    return Hints(
        tokens=approximate_tokens(text),
        language=language if differs else "",
        expected=prompt_language if differs else "",
    )
