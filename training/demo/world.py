"""The demo's world as the product meets it: authors who write prompts, and demonstrations of mixed quality.

Everything is drawn from seeded generators, so a seed names a whole world. Prompts come as the rows
`import_prompts` takes; their authors differ in what they ask about and how they put it, so that train,
valid and test prompts, split by author, differ too.
"""

from random import Random
from typing import TypedDict

from training.demo import answers
from training.demo.asking import CLOSERS, OPENERS
from training.demo.families import FAMILIES, find_question, phrase
from training.demo.gold import gold_score

__all__ = ["PromptRow", "demonstrate", "gold_score", "write_prompts"]


class PromptRow(TypedDict):
    """One prompt in the form the intake takes."""

    id: str
    prompt: str
    user_id: str
    category: str


def write_prompts(*, authors: int, per_author: int, seed: int) -> list[PromptRow]:
    """Return prompts by that many authors, each with habits of their own, no text twice."""
    rows: list[PromptRow] = []
    seen: set[str] = set()
    for author in range(authors):
        rng = Random(f"author {seed} {author}")
        habits = _Habits(rng)
        for _ in range(per_author):
            text, category = habits.write(rng)
            while text in seen:
                text, category = habits.write(rng)
            seen.add(text)
            rows.append(
                PromptRow(
                    id=f"demo-{author:03d}-{len(rows):05d}",
                    prompt=text,
                    user_id=f"demo-user-{author:03d}",
                    category=category,
                )
            )
    return rows


class _Habits:
    """How one author asks: favourite families, two wordings of each, a few openers and closers."""

    def __init__(self, rng: Random) -> None:
        self.families = rng.sample(sorted(FAMILIES), 6)
        self.templates = {name: rng.sample(range(len(FAMILIES[name].templates)), 2) for name in self.families}
        self.openers = rng.sample(OPENERS, 3)
        self.closers = rng.sample(CLOSERS, 2)

    def write(self, rng: Random) -> tuple[str, str]:
        family = FAMILIES[rng.choice(self.families)]
        sentence = phrase(family.draw(rng), rng.choice(self.templates[family.name]))
        parts = (rng.choice(self.openers), sentence, rng.choice(self.closers))
        return " ".join(part for part in parts if part), family.category


def demonstrate(prompt: str, rng: Random, *, good_fraction: float) -> str:
    """Return what a labeler who answers well that often writes to a prompt; any prompt gets some answer."""
    question = find_question(prompt)
    if question is None:
        return answers.filler_sentence(rng)
    return answers.answer(question, rng, good_fraction=good_fraction)
