"""Families whose answer must be known: opposites, plurals, colours, what comes next, first letters."""

import re
from collections.abc import Collection
from random import Random

from training.demo import lexicon
from training.demo.family import Family, Slots, another, capital, sentences_of, words_of


def _states(answer: str, rivals: Collection[str], response: str) -> float:
    """Return 1 if the first sentence that commits to an answer names the right one and no rival."""
    for sentence in sentences_of(response):
        words = set(words_of(sentence))
        named = words & set(rivals)
        if answer in words:
            return 0.0 if named else 1.0
        if named:
            return 0.0
    return 0.0


def _opposite_content(slots: Slots, response: str) -> float:
    answer = lexicon.OPPOSITES[slots["x"]]
    return _states(answer, set(lexicon.OPPOSITES) - {answer, slots["x"]}, response)


def _plural_content(slots: Slots, response: str) -> float:
    answer = lexicon.PLURALS[slots["x"]]
    return _states(answer, set(lexicon.PLURALS.values()) - {answer}, response)


def _colour_content(slots: Slots, response: str) -> float:
    answer = lexicon.COLOURS[slots["x"]]
    return _states(answer, set(lexicon.COLOUR_WORDS) - {answer}, response)


SEQUENCES = (lexicon.NUMBERS, lexicon.DAYS)
NEXT = {
    item.lower(): sequence[place + 1].lower()
    for sequence in SEQUENCES
    for place, item in enumerate(sequence[:-1])
}
PROPER = {item.lower(): item for item in lexicon.DAYS}


def _proper(word: str) -> str:
    return PROPER.get(word, word)


def _next_wrong(slots: Slots, rng: Random) -> str:
    sequence = next(s for s in SEQUENCES if slots["x"] in {item.lower() for item in s})
    wrong = another(rng, [item.lower() for item in sequence], slots["x"], NEXT[slots["x"]])
    return f"After {_proper(slots['x'])} comes {_proper(wrong)}."


def _next_content(slots: Slots, response: str) -> float:
    answer = NEXT[slots["x"]]
    everything = {item.lower() for sequence in SEQUENCES for item in sequence}
    return _states(answer, everything - {answer, slots["x"]}, response)


def _letter_content(slots: Slots, response: str) -> float:
    named = re.search(r"\bletter ([a-z])\b|\bwith ([a-z])\b|^\W*([a-z])\W*$", response.lower())
    if named is None:
        return 0.0
    return float(next(group for group in named.groups() if group) == slots["x"][0])


FACT_FAMILIES = (
    Family(
        name="opposite",
        category="open_qa",
        templates=(
            "What is the opposite of {x}?",
            "Tell me the opposite of {x}.",
            "Which word means the opposite of {x}?",
            "I need a word that is the opposite of {x}.",
        ),
        slots={"x": tuple(lexicon.OPPOSITES)},
        right=lambda slots, rng: f"The opposite of {slots['x']} is {lexicon.OPPOSITES[slots['x']]}.",
        wrong=lambda slots, rng: (
            f"The opposite of {slots['x']} is "
            f"{another(rng, lexicon.OPPOSITES, slots['x'], lexicon.OPPOSITES[slots['x']])}."
        ),
        content=_opposite_content,
        whole_words=4,
        patient_words=8,
    ),
    Family(
        name="plural",
        category="open_qa",
        templates=(
            "What is the plural of {x}?",
            "Give me the plural of {x}.",
            "How do I write the plural of {x}?",
            "One {x}, but two of what? Give the plural.",
        ),
        slots={"x": tuple(lexicon.PLURALS)},
        right=lambda slots, rng: f"The plural of {slots['x']} is {lexicon.PLURALS[slots['x']]}.",
        wrong=lambda slots, rng: (
            f"The plural of {slots['x']} is "
            f"{another(rng, lexicon.PLURALS.values(), lexicon.PLURALS[slots['x']])}."
        ),
        content=_plural_content,
        whole_words=4,
        patient_words=8,
    ),
    Family(
        name="colour",
        category="open_qa",
        templates=(
            "What colour is {x}?",
            "Tell me the colour of {x}.",
            "Which colour does {x} have?",
            "My child asks what colour {x} is.",
        ),
        slots={"x": tuple(lexicon.COLOURS)},
        right=lambda slots, rng: f"{capital(slots['x'])} is {lexicon.COLOURS[slots['x']]}.",
        wrong=lambda slots, rng: (
            f"{capital(slots['x'])} is {another(rng, lexicon.COLOUR_WORDS, lexicon.COLOURS[slots['x']])}."
        ),
        content=_colour_content,
        whole_words=3,
        patient_words=7,
    ),
    Family(
        name="next",
        category="open_qa",
        templates=(
            "What comes after {x}?",
            "Tell me what comes after {x}.",
            "I say {x}. What comes next?",
            "Which one follows {x}?",
        ),
        slots={"x": tuple(NEXT)},
        right=lambda slots, rng: f"After {_proper(slots['x'])} comes {_proper(NEXT[slots['x']])}.",
        wrong=_next_wrong,
        content=_next_content,
        whole_words=3,
        patient_words=7,
    ),
    Family(
        name="letter",
        category="extract",
        templates=(
            "Which letter does {x} begin with?",
            "Tell me the first letter of {x}.",
            "What is the first letter of the word {x}?",
            "The word {x} begins with which letter?",
        ),
        slots={"x": tuple(lexicon.SPELLED_WORDS)},
        right=lambda slots, rng: f"{capital(slots['x'])} begins with the letter {slots['x'][0].upper()}.",
        wrong=lambda slots, rng: (
            f"{capital(slots['x'])} begins with the letter "
            f"{another(rng, [w[0] for w in lexicon.SPELLED_WORDS], slots['x'][0]).upper()}."
        ),
        content=_letter_content,
        whole_words=4,
        patient_words=9,
    ),
)
