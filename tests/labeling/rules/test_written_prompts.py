"""Prompt writing: what becomes of plain, few-shot and user-based prompts."""

from typing import Any

import pytest

from labeling.errors import Conflict, InvalidInput
from labeling.models import (
    Batch,
    Demonstration,
    Intake,
    Prompt,
    PromptKind,
    PromptSource,
    Role,
    TaskKind,
    WrittenPrompt,
)
from labeling.rules import assignments, batches, revisions, use_cases, written_prompts
from labeling.rules.prompts import split_of
from labeling.rules.written_prompts import Pair, few_shot_texts, submit_written_prompt
from tests.factories import UserFactory, claimed, qualified_labeler

pytestmark = pytest.mark.django_db

PAIRS = [
    Pair("The food was cold.", "negative"),
    Pair("I would come back any day.", "positive"),
    Pair("It was a restaurant.", "neutral"),
]
INSTRUCTION = "Say whether the review is positive, negative or neutral."


def prompt_batch(count: int = 3, **fields: Any) -> Batch:
    batch = batches.create_batch(name="Prompts", kind=TaskKind.PROMPT)
    written_prompts.add_prompt_tasks(batch=batch, count=count, **fields)
    return batches.open_batch(batch=batch)


def test_plain_prompt_becomes_one_prompt_of_the_labeler() -> None:
    prompt_batch()
    alice = qualified_labeler()
    slot = claimed(alice, TaskKind.PROMPT)
    receipt = submit_written_prompt(
        assignment=slot, text="Plan a walk through Lisbon.", idempotency_key="a", typing={"typed": 27}
    )
    written = WrittenPrompt.objects.get()
    prompt = written.prompts.get()
    assert (prompt.text, prompt.source, prompt.kind) == (
        "Plan a walk through Lisbon.", PromptSource.LABELER, PromptKind.PLAIN,
    )  # fmt: skip
    assert prompt.author_key == written_prompts.author_key(alice)
    assert prompt.split == split_of(prompt.author_key)
    assert written.guideline == slot.batch.guideline
    assert written.typing == {"typed": 27}
    assert receipt.content == {"text": "Plan a walk through Lisbon.", "pairs": []}
    assert not Demonstration.objects.exists()


def test_k_pairs_become_k_siblings_each_with_the_other_pairs_and_a_demonstration() -> None:
    prompt_batch(prompt_kind=PromptKind.FEW_SHOT)
    slot = claimed(qualified_labeler(), TaskKind.PROMPT)
    submit_written_prompt(assignment=slot, text=INSTRUCTION, pairs=PAIRS, idempotency_key="a")
    prompts = list(WrittenPrompt.objects.get().prompts.order_by("pk"))
    assert [prompt.text for prompt in prompts] == few_shot_texts(INSTRUCTION, PAIRS)
    first, *others = prompts
    assert first.parent is None
    assert {prompt.parent for prompt in others} == {first}
    assert len({prompt.split for prompt in prompts}) == 1
    for prompt, pair in zip(prompts, PAIRS, strict=True):
        assert prompt.text.endswith(f"Input: {pair.query}\nOutput:")
        assert f"Output: {pair.response}" not in prompt.text
        assert Demonstration.objects.get(prompt=prompt).text == pair.response


def test_a_prompt_that_stands_already_is_refused_counted_and_kept_as_draft() -> None:
    prompt_batch()
    submit_written_prompt(
        assignment=claimed(qualified_labeler(), TaskKind.PROMPT), text="Sing.", idempotency_key="a"
    )
    slot = claimed(qualified_labeler(), TaskKind.PROMPT)
    with pytest.raises(InvalidInput, match="stands already"):
        submit_written_prompt(assignment=slot, text=" Sing. ", idempotency_key="b")
    slot.refresh_from_db()
    assert slot.draft.payload["text"] == " Sing. "
    intake = Intake.objects.get(what=written_prompts.WHAT)
    assert intake.counts == {"accepted": 1, "duplicate": 1}
    assert intake.read == 2
    assert intake.refusals.get().reason == "duplicate"


def test_a_prompt_that_begins_like_another_is_refused() -> None:
    prompt_batch()
    beginning = "word " * 60
    submit_written_prompt(
        assignment=claimed(qualified_labeler(), TaskKind.PROMPT), text=f"{beginning} one", idempotency_key="a"
    )
    with pytest.raises(InvalidInput, match="same long beginning"):
        submit_written_prompt(
            assignment=claimed(qualified_labeler(), TaskKind.PROMPT),
            text=f"{beginning} two",
            idempotency_key="b",
        )


@pytest.mark.parametrize(
    ("text", "pairs", "words"),
    [
        ("  ", PAIRS, "instruction is empty"),
        (INSTRUCTION, PAIRS[:1], "2 to 9 pairs"),
        (INSTRUCTION, [PAIRS[0], Pair("Only a query", " ")], "pair 2: response empty"),
        (INSTRUCTION, [PAIRS[0], Pair("The food was cold.", "bad")], "same query as pair 1"),
        ("long " * 1200, PAIRS, "not taken"),
    ],
)
def test_incomplete_few_shot_prompts_are_refused(text: str, pairs: list[Pair], words: str) -> None:
    prompt_batch(prompt_kind=PromptKind.FEW_SHOT)
    slot = claimed(qualified_labeler(), TaskKind.PROMPT)
    with pytest.raises(InvalidInput, match=words):
        submit_written_prompt(assignment=slot, text=text, pairs=pairs, idempotency_key="a")
    assert not WrittenPrompt.objects.exists()
    assert not Prompt.objects.exists()


def test_personal_data_is_flagged_as_everywhere() -> None:
    prompt_batch()
    submit_written_prompt(
        assignment=claimed(qualified_labeler(), TaskKind.PROMPT),
        text="Write to bob@example.org about the rent.",
        idempotency_key="a",
    )
    assert Prompt.objects.get().has_pii


def test_user_based_prompts_know_their_use_case() -> None:
    manager = UserFactory.create(role=Role.MANAGER)
    cases = [use_cases.add_use_case(text=text, by=manager) for text in ("A shop for plants", "A travel club")]
    prompt_batch(count=2, use_cases=cases, prompt_kind=PromptKind.USER_BASED)
    slot = claimed(qualified_labeler(), TaskKind.PROMPT)
    submit_written_prompt(assignment=slot, text="Which plant likes shade?", idempotency_key="a")
    written = WrittenPrompt.objects.get()
    assert written.kind == PromptKind.USER_BASED
    assert written.use_case in cases
    assert written.prompts.get().kind == PromptKind.USER_BASED
    assert slot.batch.tasks.count() == 4


def test_tasks_without_a_prompt_are_only_for_prompt_writing() -> None:
    batch = batches.create_batch(name="Writing", kind=TaskKind.DEMONSTRATION)
    with pytest.raises(InvalidInput, match="prompts already"):
        written_prompts.add_prompt_tasks(batch=batch, count=1)
    with pytest.raises(InvalidInput, match="need a use case"):
        prompt_batch(prompt_kind=PromptKind.USER_BASED)
    with pytest.raises(Conflict):
        written_prompts.add_prompt_tasks(batch=prompt_batch(), count=1)


def test_a_revision_takes_the_place_of_prompts_and_demonstrations() -> None:
    prompt_batch(prompt_kind=PromptKind.FEW_SHOT)
    slot = claimed(qualified_labeler(), TaskKind.PROMPT)
    receipt = submit_written_prompt(assignment=slot, text=INSTRUCTION, pairs=PAIRS, idempotency_key="a")
    reopened = revisions.reopen_submission(receipt=receipt)
    assert reopened.draft.payload["pairs"][0]["query"] == PAIRS[0].query
    changed = [*PAIRS[:2], Pair("Fine, thanks.", "positive")]
    second = submit_written_prompt(assignment=slot, text=INSTRUCTION, pairs=changed, idempotency_key="b")
    assert second.revision == 2
    newest = WrittenPrompt.objects.newest().get()
    assert newest.revision == 2
    assert WrittenPrompt.objects.count() == 2
    assert {prompt.text for prompt in newest.prompts.usable()} == set(few_shot_texts(INSTRUCTION, changed))
    assert Prompt.objects.filter(held_reason="superseded").count() == 3
    assert sorted(Demonstration.objects.newest().values_list("text", flat=True)) == [
        "negative", "positive", "positive",
    ]  # fmt: skip


def test_what_is_taken_back_counts_no_more_until_it_is_submitted_again() -> None:
    prompt_batch()
    alice = qualified_labeler()
    slot = claimed(alice, TaskKind.PROMPT)
    receipt = submit_written_prompt(assignment=slot, text="Hum a tune.", idempotency_key="a")
    revisions.undo_submission(receipt=receipt)
    assert not Prompt.objects.usable().exists()
    assert assignments.claim_next(labeler=alice, kind=TaskKind.PROMPT) == slot
    submit_written_prompt(assignment=slot, text="Hum a tune.", idempotency_key="b")
    assert Prompt.objects.usable().count() == 1
    assert not WrittenPrompt.objects.newest().get().is_surplus
