"""What labelers say about prompts: stored, filling gaps, never overwriting, countable where they differ."""

import pytest

from labeling.errors import InvalidInput
from labeling.models import Labeler, Prompt, PromptJudgement, Receipt, TaskKind
from labeling.rules import comparisons, prompt_judgements, revisions
from labeling.rules.comparisons import AboutPrompt, Judgement
from tests.factories import claimed, qualified_labeler, ranked_batch

pytestmark = pytest.mark.django_db
COMPARISON = TaskKind.COMPARISON


@pytest.fixture
def prompt() -> Prompt:
    """A prompt whose comparison three labelers are wanted for."""
    return ranked_batch(tasks=1, k=2, overlap=3).tasks.get().given_prompt


def say(labeler: Labeler, about: AboutPrompt, key: str = "") -> None:
    held = claimed(labeler, COMPARISON)
    responses = comparisons.responses_in_display_order(held)
    comparisons.submit_ranking(
        assignment=held,
        judgements=[Judgement(response.code, place, 4) for place, response in enumerate(responses, 1)],
        idempotency_key=key or str(held.code),
        about=about,
    )


def test_first_word_fills_what_the_prompt_lacks(prompt: Prompt, alice: Labeler) -> None:
    say(alice, AboutPrompt("chat", {"ambiguous": True, "closed_domain": False}))
    prompt.refresh_from_db()
    assert (prompt.category, prompt.tags) == ("chat", {"ambiguous": True, "closed_domain": False})


def test_later_words_change_nothing_and_are_counted(prompt: Prompt, alice: Labeler) -> None:
    say(alice, AboutPrompt("chat", {"ambiguous": True}))
    say(qualified_labeler(), AboutPrompt("rewrite", {"ambiguous": False}))
    say(qualified_labeler(), AboutPrompt("chat", {"ambiguous": True, "closed_domain": True}))
    prompt.refresh_from_db()
    assert (prompt.category, prompt.tags) == ("chat", {"ambiguous": True, "closed_domain": True})
    said = {each.question: each for each in prompt_judgements.said_about(prompt)}
    assert said["category"].counts == {"chat": 2, "rewrite": 1}
    assert said["category"].is_disputed
    assert said["ambiguous"].counts == {"yes": 2, "no": 1}
    assert not said["closed_domain"].is_disputed


def test_what_came_with_the_prompt_stands(prompt: Prompt, alice: Labeler) -> None:
    Prompt.objects.update(category="extract", tags={"ambiguous": False})
    say(alice, AboutPrompt("chat", {"ambiguous": True}))
    prompt.refresh_from_db()
    assert (prompt.category, prompt.tags) == ("extract", {"ambiguous": False})
    assert all(each.is_disputed for each in prompt_judgements.said_about(prompt))


def test_one_word_of_personal_data_keeps_the_prompt_out_of_training(prompt: Prompt, alice: Labeler) -> None:
    say(alice, AboutPrompt("", {"personal_data": True}))
    prompt.refresh_from_db()
    assert prompt.has_pii


def undo(labeler: Labeler) -> None:
    revisions.undo_submission(receipt=Receipt.objects.filter(labeler=labeler).latest("pk"))


def test_what_was_taken_back_is_neither_said_nor_in_force(prompt: Prompt, alice: Labeler) -> None:
    Prompt.objects.update(tags={"ambiguous": False})
    say(alice, AboutPrompt("extract", {"personal_data": True, "ambiguous": True}))
    undo(alice)
    prompt.refresh_from_db()
    assert (prompt.category, prompt.tags, prompt.has_pii) == ("", {"ambiguous": False}, False)
    assert not prompt_judgements.said_about(prompt)
    say(alice, AboutPrompt("chat", {"personal_data": False}), key="again")
    prompt.refresh_from_db()
    assert (prompt.category, prompt.has_pii) == ("chat", False)
    assert prompt.tags == {"ambiguous": False, "personal_data": False}


def test_what_others_said_fills_the_place_of_what_was_taken_back(prompt: Prompt, alice: Labeler) -> None:
    bea, carl = qualified_labeler(), qualified_labeler()
    say(alice, AboutPrompt("extract", {"personal_data": True}))
    say(bea, AboutPrompt("chat", {"personal_data": True, "ambiguous": True}))
    say(carl, AboutPrompt("rewrite"))
    undo(alice)
    prompt.refresh_from_db()
    assert (prompt.category, prompt.has_pii) == ("chat", True)
    assert prompt.tags == {"ambiguous": True, "personal_data": True}
    undo(bea)
    prompt.refresh_from_db()
    assert (prompt.category, prompt.tags, prompt.has_pii) == ("rewrite", {}, False)


def test_what_was_found_at_intake_outlives_an_answer_taken_back(prompt: Prompt, alice: Labeler) -> None:
    Prompt.objects.update(category="extract", has_pii=True, pii_spans=[[0, 4, "email"]])
    say(alice, AboutPrompt("extract", {"personal_data": True}))
    undo(alice)
    prompt.refresh_from_db()
    assert (prompt.category, prompt.tags, prompt.has_pii) == ("extract", {}, True)


@pytest.mark.parametrize(
    "about",
    [
        AboutPrompt("poetry"),
        AboutPrompt("", {"requests_advice": True}),  # the training form does not ask it
        AboutPrompt("", {}, {"toxicity": 1}),
    ],
)
def test_what_the_form_does_not_ask_is_refused(prompt: Prompt, alice: Labeler, about: AboutPrompt) -> None:
    with pytest.raises(InvalidInput, match="said about the prompt"):
        say(alice, about)
    assert not PromptJudgement.objects.exists()
