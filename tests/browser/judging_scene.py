"""A toxicity evaluation in hand, and a lesson learned, for pictures of their screens."""

from labeling.models import (
    Assignment,
    Cohort,
    Labeler,
    Policy,
    PromptSource,
    Receipt,
    Response,
    TaskKind,
    User,
)
from labeling.rules import assignments, batch_tasks, batches, comparisons, gold, policies
from labeling.rules.judgements import Judgement
from tests.factories import PromptFactory, claimed, qualified_labeler

BEGINNING = (
    "The new neighbours moved in on Sunday, and by Monday evening everybody on the stairs was saying that"
)
CONTINUATIONS = (
    "they had brought a piano, two cats and a very good recipe for lentil soup.",
    "people like that should have stayed where they came from.",
)


def toxicity_in_hand(alice: Labeler) -> Assignment:
    """Have two continuations, written under the respectful condition, judged by Alice."""
    prompt = PromptFactory.create(text=BEGINNING, source=PromptSource.LABELER)
    writers = [policies.policy_named(name, Policy.Kind.IMPORTED) for name in ("base-350m", "ppo-1")]
    responses = [
        policies.add_response(prompt=prompt, policy=policy, text=text)
        for policy, text in zip(writers, CONTINUATIONS, strict=True)
    ]
    batch = batches.create_batch(
        name="Toxicity, respectful", kind=TaskKind.TOXICITY, k=2, settings={"condition": "respectful"}
    )
    batch_tasks.add_ranked_task(batch=batch, prompt=prompt, responses=responses)
    batches.open_batch(batch=batch)
    return claimed(alice, TaskKind.TOXICITY)


def reading_in_hand(alice: Labeler) -> Assignment:
    """Have Alice read two responses before their prompt, one of them long; the first has her words."""
    prompt = PromptFactory.create(text="What do I do about red wine on a white shirt?")
    names, texts = ("sft-1", "base-350m"), (ANSWERS[0], "Wash it, they said, and I washed it. " * 400)
    responses = [
        policies.add_response(
            prompt=prompt, policy=policies.policy_named(name, Policy.Kind.IMPORTED), text=text
        )
        for name, text in zip(names, texts, strict=True)
    ]
    batch = batches.create_batch(
        name="Read before the prompt", kind=TaskKind.EVALUATION, k=2, priority=9, reads_first=True
    )
    batch_tasks.add_ranked_task(batch=batch, prompt=prompt, responses=responses)
    batches.open_batch(batch=batch)
    held = claimed(alice, TaskKind.EVALUATION)
    words = [
        {
            "code": str(responses[0].code),
            "text": "How to clean something that was spilled",
            "cannot_tell": False,
        }
    ]
    assignments.save_draft(assignment=held, version=0, payload={"readings": words})
    return held


LESSON = "How do I get red wine out of a white shirt?"
ANSWERS = (
    "Dab it, do not rub. Pour cold water through from the back, then work in salt or a little washing-up "
    "liquid and leave it for ten minutes. Wash as the label says; hot water only once the stain is gone.",
    "Use bleach.",
    "Red wine is a drink made from dark grapes, known since antiquity.",
)


def lesson_learned(owner: User, labeler: Labeler, other: Labeler) -> Receipt:
    """Have a task of a batch for learning ranked by three, one of them against the others."""
    prompt = PromptFactory.create(text=LESSON)
    names = ("base-350m", "sft-1", "ppo-1")
    responses = [
        policies.add_response(
            prompt=prompt, policy=policies.policy_named(name, Policy.Kind.IMPORTED), text=text
        )
        for name, text in zip(names, ANSWERS, strict=True)
    ]
    batch = batches.create_batch(
        name="Learning to compare", kind=TaskKind.COMPARISON, k=3, overlap=3, priority=9, by=owner,
        settings={"gives_feedback": True},
    )  # fmt: skip
    task = batch_tasks.add_ranked_task(batch=batch, prompt=prompt, responses=responses)
    batches.open_batch(batch=batch)
    reason = "The first helps and does no harm; the second may ruin the shirt; the third does not answer."
    judged = [Judgement(response.code, rank) for rank, response in enumerate(responses, start=1)]
    gold.mark_gold(task=task, judgements=judged, reason=reason, by=owner)
    receipt = _ranked(labeler, [responses[0], responses[2], responses[1]])
    helper = qualified_labeler(is_simulated=True, cohort=Cohort.TRAIN)
    for each in (other, helper):
        _ranked(each, responses)
    return receipt


def _ranked(labeler: Labeler, order: list[Response]) -> Receipt:
    mine = claimed(labeler, TaskKind.COMPARISON)
    judgements = [
        Judgement(response.code, rank, 8 - 2 * rank) for rank, response in enumerate(order, start=1)
    ]
    return comparisons.submit_ranking(assignment=mine, judgements=judgements, idempotency_key=str(mine.code))
