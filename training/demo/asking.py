"""How people put a question: some greet or explain themselves first, some say thanks or ask for brevity."""

from random import Random

from training.demo.families import FAMILIES, phrase
from training.demo.family import Question

OPENERS = (
    "",
    "Hello!",
    "Hi there.",
    "Good day.",
    "Excuse me.",
    "A quick question.",
    "I have a question.",
    "Please help me.",
    "My friend wants to know.",
    "This is for school.",
)
CLOSERS = ("", "Thank you!", "Thanks.", "Please be brief.", "One sentence is enough.")


def draw_question(rng: Random) -> Question:
    """Draw a family, then a question of it."""
    return FAMILIES[rng.choice(list(FAMILIES))].draw(rng)


def ask(question: Question, rng: Random) -> str:
    """Put a question into one of its family's sentences, in half of the cases between other words."""
    sentence = phrase(question, rng.randrange(len(FAMILIES[question.family].templates)))
    if rng.random() < 0.5:
        return sentence
    return " ".join(part for part in (rng.choice(OPENERS), sentence, rng.choice(CLOSERS)) if part)
