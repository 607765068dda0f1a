"""Families whose answer must be made from the prompt: comparing, listing, greeting, rewriting, continuing."""

from collections.abc import Sequence
from random import Random

from training.demo import lexicon
from training.demo.family import Family, Slots, another, capital, sentences_of, words_of


def _join_items(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def _by_size(slots: Slots) -> tuple[str, str]:
    less, more = sorted((slots["x"], slots["y"]), key=lexicon.NUMBERS.index)
    return less, more


def _bigger_right(slots: Slots, rng: Random) -> str:
    less, more = _by_size(slots)
    return f"{capital(more)} is bigger than {less}."


def _bigger_wrong(slots: Slots, rng: Random) -> str:
    less, more = _by_size(slots)
    return f"{capital(less)} is bigger than {more}."


def _bigger_content(slots: Slots, response: str) -> float:
    less, more = _by_size(slots)
    for sentence in sentences_of(response):
        words = words_of(sentence)
        named = [word for word in words if word in lexicon.NUMBERS]
        if named:
            first = less if {"smaller", "less"} & set(words) else more
            return float(named[0] == first and set(named) <= {less, more})
    return 0.0


LOWER_NAMES = tuple(name.lower() for name in lexicon.NAMES)
COUNTS = {"two": 2, "three": 3}


def _list_right(slots: Slots, rng: Random) -> str:
    return capital(_join_items(rng.sample(lexicon.CATEGORIES[slots["x"]], COUNTS[slots["n"]]))) + "."


def _list_wrong(slots: Slots, rng: Random) -> str:
    if rng.random() < 0.5:
        count = rng.choice([n for n in (1, 2, 3, 4) if n != COUNTS[slots["n"]]])
        return capital(_join_items(rng.sample(lexicon.CATEGORIES[slots["x"]], count))) + "."
    return _list_right({"n": slots["n"], "x": another(rng, lexicon.CATEGORIES, slots["x"])}, rng)


def _list_content(slots: Slots, response: str) -> float:
    """Return 1 for exactly the items asked for; less for too few, too many, repeated or foreign items."""
    wanted = lexicon.CATEGORIES[slots["x"]]
    foreign = {item for items in lexicon.CATEGORIES.values() for item in items} - set(wanted)
    first = next(iter(sentences_of(response)), "")
    named = [word for word in words_of(first) if word in wanted]
    spoiled = len(named) != len(set(named)) or bool(foreign & set(words_of(first)))
    missing = abs(len(set(named)) - COUNTS[slots["n"]])
    if not named or spoiled:
        return 0.2 if named else 0.0
    return max(0.0, 1.0 - 0.4 * missing)


def _greet_wrong(slots: Slots, rng: Random) -> str:
    name, time = slots["x"], slots["t"]
    if rng.random() < 0.5:
        name = another(rng, LOWER_NAMES, name)
    else:
        time = another(rng, lexicon.TIMES_OF_DAY, time)
    return f"Good {time}, {capital(name)}!"


def _greet_content(slots: Slots, response: str) -> float:
    words = words_of(response)
    names = set(LOWER_NAMES) & set(words)
    times = set(lexicon.TIMES_OF_DAY) & set(words)
    return 0.5 * (names == {slots["x"]}) + 0.5 * (
        times == {slots["t"]} and f"good {slots['t']}" in " ".join(words)
    )


def _polite_right(slots: Slots, rng: Random) -> str:
    return rng.choice(("Could you please {v} the {x}?", "Would you please {v} the {x}?")).format(**slots)


def _polite_wrong(slots: Slots, rng: Random) -> str:
    if rng.random() < 0.5:
        return f"{capital(slots['v'])} the {slots['x']} now!"
    other = {"v": slots["v"], "x": another(rng, lexicon.REQUEST_THINGS, slots["x"])}
    return _polite_right(other, rng)


def _polite_content(slots: Slots, response: str) -> float:
    words = words_of(response)
    asks = "please" in words and bool({"could", "would", "can"} & set(words))
    same = f"{slots['v']} the {slots['x']}" in " ".join(words)
    return 0.5 * same + 0.5 * asks if same else 0.2 * asks


def _pattern_wrong(slots: Slots, rng: Random) -> str:
    x, y = slots["x"], slots["y"]
    return rng.choice(
        (
            f"{capital(x)}, {x}.",
            f"{capital(y)}, {y}.",
            f"{capital(another(rng, lexicon.COLOUR_WORDS, x, y))}.",
        )
    )


def _pattern_content(slots: Slots, response: str) -> float:
    named = [word for word in words_of(response) if word in lexicon.COLOUR_WORDS]
    going_on = all(word == (slots["x"], slots["y"])[place % 2] for place, word in enumerate(named))
    return float(going_on and len(named) >= 2) if named[:1] == [slots["x"]] else 0.0


MADE_FAMILIES = (
    Family(
        name="bigger",
        category="classification",
        templates=(
            "Which is bigger, {x} or {y}?",
            "Is {x} bigger than {y}, or the other way round?",
            "Tell me the bigger number: {x} or {y}.",
            "Of {x} and {y}, which is more?",
        ),
        slots={"x": lexicon.NUMBERS, "y": lexicon.NUMBERS},
        right=_bigger_right,
        wrong=_bigger_wrong,
        content=_bigger_content,
        whole_words=4,
        patient_words=8,
    ),
    Family(
        name="list",
        category="brainstorming",
        templates=(
            "Name {n} {x}.",
            "Give me a list of {n} {x}.",
            "I need {n} {x} for a game.",
            "Can you think of {n} {x}?",
        ),
        slots={"n": tuple(COUNTS), "x": tuple(lexicon.CATEGORIES)},
        right=_list_right,
        wrong=_list_wrong,
        content=_list_content,
        whole_words=2,
        patient_words=8,
    ),
    Family(
        name="greet",
        category="chat",
        templates=(
            "Greet {x} in the {t}.",
            "How do I greet {x} in the {t}?",
            "It is {t} and {x} comes in. Say hello.",
            "Write a greeting for {x} in the {t}.",
        ),
        slots={"x": LOWER_NAMES, "t": lexicon.TIMES_OF_DAY},
        right=lambda slots, rng: f"Good {slots['t']}, {capital(slots['x'])}!",
        wrong=_greet_wrong,
        content=_greet_content,
        whole_words=3,
        patient_words=6,
    ),
    Family(
        name="polite",
        category="rewrite",
        templates=(
            "Ask politely: {v} the {x}.",
            "Make this polite: {v} the {x}!",
            "Rewrite so that it sounds polite: {v} the {x}.",
            "How do I politely say {v} the {x}?",
        ),
        slots={"v": lexicon.REQUEST_VERBS, "x": lexicon.REQUEST_THINGS},
        right=_polite_right,
        wrong=_polite_wrong,
        content=_polite_content,
        whole_words=5,
        patient_words=8,
    ),
    Family(
        name="pattern",
        category="generation",
        templates=(
            "Continue the pattern: {x}, {y}, {x}, {y}.",
            "Go on: {x}, {y}, {x}, {y}.",
            "How does this row go on? {x}, {y}, {x}, {y}",
            "My beads are {x}, {y}, {x}, {y}. Which two are next?",
        ),
        slots={"x": lexicon.COLOUR_WORDS, "y": lexicon.COLOUR_WORDS},
        right=lambda slots, rng: f"{capital(slots['x'])}, {slots['y']}.",
        wrong=_pattern_wrong,
        content=_pattern_content,
        whole_words=2,
        patient_words=5,
    ),
)
