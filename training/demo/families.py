"""All task families of the demo's world; a question put into words, a prompt read back into its question."""

import re
from collections.abc import Mapping
from types import MappingProxyType

from training.demo import lexicon
from training.demo.fact_families import FACT_FAMILIES
from training.demo.family import Family, Question, capital
from training.demo.made_families import MADE_FAMILIES

FAMILIES: Mapping[str, Family] = MappingProxyType(
    {family.name: family for family in (*FACT_FAMILIES, *MADE_FAMILIES)}
)
PROPER_NOUNS = frozenset(word.lower() for words in (lexicon.NAMES, lexicon.DAYS) for word in words)
SLOT = re.compile(r"(\{\w\})")


def phrase(question: Question, template: int) -> str:
    """Return the question as a sentence; names and days are written with a capital."""
    slots = {key: capital(value) if value in PROPER_NOUNS else value for key, value in question.slots.items()}
    return FAMILIES[question.family].templates[template].format(**slots)


def find_question(prompt: str) -> Question | None:
    """Return what a prompt asks for, or None if it is not a question of this world.

    The asking sentence may stand anywhere in the prompt: greetings before it and thanks after it do not
    matter.
    """
    text = " ".join(prompt.lower().split())
    for family, pattern in _PATTERNS:
        found = pattern.search(text)
        if found is not None and family.exists(found.groupdict()):
            return Question(family=family.name, slots=found.groupdict())
    return None


def _template_pattern(template: str) -> re.Pattern[str]:
    """Turn "Go on: {x}, {y}, {x}, {y}." into a pattern whose groups are the slots."""
    seen: set[str] = set()
    pattern = ""
    for piece in SLOT.split(template.lower().rstrip(".!?")):
        if not SLOT.fullmatch(piece):
            pattern += re.escape(piece)
        elif piece[1] in seen:
            pattern += f"(?P={piece[1]})"
        else:
            seen.add(piece[1])
            pattern += f"(?P<{piece[1]}>[a-z]+)"
    return re.compile(pattern + r"\b")


_PATTERNS = [
    (family, _template_pattern(template)) for family in FAMILIES.values() for template in family.templates
]
