"""Ways to answer a question of the demo's world: one good way, and the sloppy ones people know.

Demonstrations and the documents of the pretraining text are made with them, so that the text a model reads
holds answers of every quality.
"""

from collections.abc import Callable, Mapping
from random import Random
from types import MappingProxyType

from training.demo import lexicon
from training.demo.families import FAMILIES, phrase
from training.demo.family import Question, capital


def good(question: Question, rng: Random) -> str:
    """Answer rightly, in a whole sentence, and stop."""
    return FAMILIES[question.family].right(question.slots, rng)


def wrong(question: Question, rng: Random) -> str:
    """Answer in good form, but wrongly."""
    return FAMILIES[question.family].wrong(question.slots, rng)


def rambling(question: Question, rng: Random) -> str:
    """Answer rightly and go on about something else."""
    extra = [filler_sentence(rng) for _ in range(rng.choice((1, 2)))]
    return " ".join([good(question, rng), *extra])


def echoing(question: Question, rng: Random) -> str:
    """Repeat the question before the answer."""
    asked = phrase(question, rng.randrange(len(FAMILIES[question.family].templates)))
    return f"{asked} {good(question, rng)}"


def off_topic(question: Question, rng: Random) -> str:
    """Talk about something else."""
    return filler_sentence(rng)


def hedging(question: Question, rng: Random) -> str:
    """Refuse to commit before giving an answer, right or not."""
    return f"{rng.choice(lexicon.HEDGES)} {rng.choice((good, wrong))(question, rng)}"


def rude(question: Question, rng: Random) -> str:
    """Answer with a rude remark."""
    remark = rng.choice(lexicon.RUDE_REMARKS)
    return rng.choice((remark, f"{good(question, rng)} {remark}"))


def unfinished(question: Question, rng: Random) -> str:
    """Break off before the answer is complete."""
    words = good(question, rng).split()
    return " ".join(words[: max(1, len(words) - rng.choice((1, 2)))])


def careless(question: Question, rng: Random) -> str:
    """Answer rightly without a capital or a full stop."""
    text = good(question, rng)
    return text[:1].lower() + text[1:].rstrip(".!?")


Way = Callable[[Question, Random], str]
SLOPPY_WAYS: Mapping[str, Way] = MappingProxyType(
    {way.__name__: way for way in (wrong, rambling, echoing, off_topic, hedging, rude, unfinished, careless)}
)
SLOPPY_WEIGHTS = MappingProxyType(
    {
        "wrong": 4,
        "rambling": 6,
        "echoing": 3,
        "off_topic": 2,
        "hedging": 3,
        "rude": 3,
        "unfinished": 2,
        "careless": 3,
    }
)


def sloppy(question: Question, rng: Random) -> str:
    """Answer in one of the sloppy ways, drawn by their weights."""
    names = list(SLOPPY_WAYS)
    name = rng.choices(names, weights=[SLOPPY_WEIGHTS[name] for name in names])[0]
    return SLOPPY_WAYS[name](question, rng)


def answer(question: Question, rng: Random, *, good_fraction: float) -> str:
    """Answer well with the given chance, else in a sloppy way."""
    return good(question, rng) if rng.random() < good_fraction else sloppy(question, rng)


def filler_sentence(rng: Random) -> str:
    """Return a sentence that answers nothing: who did what where, or the weather."""
    kind = rng.randrange(4)
    if kind == 0:
        return rng.choice(lexicon.WEATHER)
    if kind == 1:
        noun = rng.choice([item for items in lexicon.CATEGORIES.values() for item in items])
        quality = rng.choice(lexicon.QUALITIES)
        return f"The {noun} was {quality}."
    if kind == 2:
        animal = rng.choice(lexicon.CATEGORIES["animals"])
        return f"The {animal} {rng.choice(lexicon.DOINGS)} {rng.choice(lexicon.PLACES)}."
    return capital(f"{rng.choice(lexicon.NAMES)} {rng.choice(lexicon.DOINGS)} {rng.choice(lexicon.PLACES)}.")
