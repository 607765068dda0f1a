"""What the showcase has of prompt writing, questions, second thoughts and skips."""

from collections.abc import Sequence
from dataclasses import dataclass

from labeling.models import (
    Assignment,
    Guideline,
    Labeler,
    PromptKind,
    Question,
    Skip,
    TaskKind,
    UseCase,
    User,
)
from labeling.rules import assignments, batches, guidelines, questions, use_cases
from labeling.rules.written_prompts import add_prompt_tasks
from tests.factories import claimed

PAIRS = [
    {"query": "The soup was cold, the waiter was not.", "response": "mixed"},
    {"query": "I would drive two hours for that bread.", "response": "good"},
    {"query": "Never again.", "response": ""},
]


@dataclass(frozen=True)
class WorkScene:
    """Where Alice can go on writing, and what she can read."""

    few_shot: Assignment
    user_based: Assignment
    question: Question
    guideline: Guideline


def add_work_scene(owner: User, alice: Labeler, bob: Labeler) -> WorkScene:
    """Give Alice two prompts to write and an answer to read; make skips, use cases and a newer guideline."""
    _skips(bob)
    texts = ("A small shop that answers questions about its plants.", "A club that plans trips by train.")
    cases = [use_cases.add_use_case(text=text, by=owner) for text in texts]
    _prompt_batch(PromptKind.FEW_SHOT, priority=9)
    _prompt_batch(PromptKind.USER_BASED, priority=8, cases=cases)
    few_shot = claimed(alice, TaskKind.PROMPT)
    payload = {"text": "Say whether the guest was happy: good, bad or mixed.", "pairs": PAIRS}
    assignments.save_draft(assignment=few_shot, version=0, payload=payload)
    user_based = assignments.prepare_next(labeler=alice, kind=TaskKind.PROMPT)
    assert user_based is not None
    question = questions.ask(
        by=alice.user,
        title="May a response be a list when the prompt does not ask for one?",
        body="The guideline says *no longer than needed*. A list is shorter:\n\n- like this\n- and this",
        kind=TaskKind.DEMONSTRATION,
    )
    questions.answer(question=question, text="Yes, **where it is easier to read**.", by=owner)
    waiting = questions.ask(by=bob.user, title="What if the prompt is in two languages?")
    duplicate = questions.ask(by=bob.user, title="Are bullet points fine?")
    questions.merge(question=duplicate, into=question, by=owner)
    questions.pin(question=waiting, is_pinned=True, by=owner)
    current = guidelines.current_guideline(TaskKind.PROMPT)
    newer = guidelines.publish_guideline(
        kind=TaskKind.PROMPT,
        title=current.title,
        body=current.body.replace("no real names", "no names, real or invented,") + "\nAsk when in doubt.",
        by=owner,
    )
    return WorkScene(few_shot, user_based, question, newer)


def _prompt_batch(kind: PromptKind, *, priority: int, cases: Sequence[UseCase] = ()) -> None:
    batch = batches.create_batch(
        name=f"Prompts, {kind.label.lower()}", kind=TaskKind.PROMPT, priority=priority
    )
    add_prompt_tasks(batch=batch, count=1, prompt_kind=kind, use_cases=cases)
    batches.open_batch(batch=batch)


def _skips(bob: Labeler) -> None:
    for reason, note in ((Skip.Reason.BROKEN, "Nothing but dots."), (Skip.Reason.UNCLEAR, "")):
        slot = claimed(bob, TaskKind.DEMONSTRATION)
        assignments.skip(assignment=slot, reason=reason, note=note)
