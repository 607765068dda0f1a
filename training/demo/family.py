"""The shape of a task family, and the few text functions all families share.

A `Family` knows the questions that exist (`slots`), the ways of asking one (`templates`), the ways of
answering it well (`right`) or wrongly (`wrong`), and how far any text answers it (`content`, 0 to 1).
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from random import Random

WORD = re.compile(r"[a-z']+")
SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")

Slots = Mapping[str, str]


@dataclass(frozen=True)
class Question:
    """One thing somebody can want: the family's name and its slots, such as {"x": "hot"}."""

    family: str
    slots: Slots


@dataclass(frozen=True)
class Family:
    """One kind of task.

    category        the use case a prompt of this kind is tagged with
    slots           the words each slot of a template can take, in lower case
    content         0 to 1: how far a text answers the question; reads any text
    whole_words     how many words a whole answer has at least; "Cold." is right, but curt
    patient_words   how many words a reader takes for an answer; more is rambling
    """

    name: str
    category: str
    templates: tuple[str, ...]
    slots: Mapping[str, Sequence[str]]
    right: Callable[[Slots, Random], str]
    wrong: Callable[[Slots, Random], str]
    content: Callable[[Slots, str], float]
    whole_words: int
    patient_words: int

    def draw(self, rng: Random) -> Question:
        """Draw one question; x and y are never the same word."""
        slots = {key: rng.choice(options) for key, options in self.slots.items()}
        while "y" in slots and slots["x"] == slots["y"]:
            slots["y"] = rng.choice(self.slots["y"])
        return Question(family=self.name, slots=slots)

    def exists(self, slots: Slots) -> bool:
        """Return whether these are words that can be asked about."""
        known = all(slots[key] in options for key, options in self.slots.items())
        return known and slots["x"] != slots.get("y")


def words_of(text: str) -> list[str]:
    """Return the lower-case words of a text, in order."""
    return WORD.findall(text.lower())


def sentences_of(text: str) -> list[str]:
    """Return the sentences (or lines) of a text, without empty ones."""
    return [part for part in SENTENCE_END.split(text.strip()) if part.strip()]


def capital(text: str) -> str:
    """Return the text with its first letter as a capital."""
    return text[:1].upper() + text[1:]


def another(rng: Random, options: Collection[str], *not_these: str) -> str:
    """Draw one of the options that is none of `not_these`."""
    return rng.choice([option for option in options if option not in not_these])
