"""A policy's answers to the same prompts at several steps, side by side, with what changed between two."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from labeling.rules.text_changes import Part, changes_between
from training.models import Run

COMPARED_CHARACTERS = 2000
"""Longer answers are compared by their beginning: finding what changed takes longer than linear time."""


@dataclass(frozen=True)
class Answer:
    """What the policy said at a step, and its score where there is a reward model."""

    step: int
    text: str
    score: float | None


@dataclass(frozen=True)
class Watched:
    """One prompt with an answer for each of the two steps (None where there is none), and the changes."""

    prompt: str
    earlier: Answer | None
    later: Answer | None
    changes: list[Part]
    answers: list[Answer]


def steps_sampled(run: Run) -> list[int]:
    """Return the steps at which texts were sampled."""
    return sorted({int(sample["step"]) for sample in run.samples if isinstance(sample.get("step"), int)})


def watched_prompts(run: Run, earlier: int, later: int) -> list[Watched]:
    """Return each sampled prompt with its answers at two steps and at all."""
    by_prompt: dict[str, dict[int, Answer]] = {}
    for sample in run.samples:
        answer = _answer(sample)
        if answer is not None:
            by_prompt.setdefault(str(sample.get("prompt") or ""), {})[answer.step] = answer
    found = []
    for prompt, answers in by_prompt.items():
        one, other = answers.get(earlier), answers.get(later)
        if one is None and other is None:
            continue
        parts = _changes(one, other) if one and other and one != other else []
        found.append(Watched(prompt, one, other, parts, [answers[step] for step in sorted(answers)]))
    return found


def chosen_steps(steps: Sequence[int], earlier: str, later: str) -> tuple[int, int]:
    """Return the two steps an address asks for; else the first and the newest."""
    known = {str(step): step for step in steps}
    return known.get(earlier, steps[0]), known.get(later, steps[-1])


def _changes(one: Answer, other: Answer) -> list[Part]:
    return changes_between(one.text[:COMPARED_CHARACTERS], other.text[:COMPARED_CHARACTERS])


def _answer(sample: dict[str, Any]) -> Answer | None:
    step, score = sample.get("step"), sample.get("score")
    if not isinstance(step, int):
        return None
    return Answer(
        step, str(sample.get("response") or ""), float(score) if isinstance(score, int | float) else None
    )
