"""The text the demo's base model is pretrained on, and the ptx mix draws from.

Documents of four kinds: small stories, facts stated plainly, question lists nobody answers, and talks in
which questions are answered well or badly. A base model that has read them knows the words and the facts,
and continues a question with more questions, a story or some answer: what GPT-3 did before anybody showed
it what was wanted.
"""

from collections.abc import Iterator
from random import Random

from training.demo import answers
from training.demo.asking import ask, draw_question

GOOD_FRACTION = 0.5
"""Share of good answers in talks; the rest are sloppy in some way."""


def documents(*, count: int, seed: int) -> Iterator[dict[str, str]]:
    """Yield pretraining records {"id", "text", "corpus"}; the same seed gives the same text."""
    rng = Random(f"corpus {seed}")
    kinds = (story, facts, questions, talk)
    for place in range(count):
        kind = rng.choices(kinds, weights=(1, 2, 1, 10))[0]
        yield {"id": f"doc_{seed}_{place:06d}", "text": kind(rng), "corpus": f"demo-{kind.__name__}"}


def story(rng: Random) -> str:
    """Return a few sentences that answer nothing."""
    return " ".join(answers.filler_sentence(rng) for _ in range(rng.randint(3, 6)))


def facts(rng: Random) -> str:
    """Return right answers standing alone, as in a schoolbook."""
    return " ".join(answers.good(draw_question(rng), rng) for _ in range(rng.randint(4, 7)))


def questions(rng: Random) -> str:
    """Return a list of questions without answers."""
    return "\n\n".join(ask(draw_question(rng), rng) for _ in range(rng.randint(3, 5)))


def talk(rng: Random) -> str:
    """Return a few questions, each with some answer after it."""
    turns = []
    for _ in range(rng.randint(2, 4)):
        question = draw_question(rng)
        turns += [ask(question, rng), answers.answer(question, rng, good_fraction=GOOD_FRACTION)]
    return "\n\n".join(turns)
