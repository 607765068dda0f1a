"""What labelers say about prompts: stored, filling gaps, never overwriting, countable where they differ."""

import pytest

from labeling.errors import InvalidInput
from labeling.models import Labeler, Prompt, PromptJudgement, TaskKind
from labeling.rules import comparisons, prompt_judgements
from labeling.rules.comparisons import AboutPrompt, Judgement
from tests.factories import claimed, qualified_labeler, ranked_batch

pytestmark = pytest.mark.django_db
COMPARISON = TaskKind.COMPARISON


@pytest.fixture
def prompt() -> Prompt:
    """A prompt whose comparison three labelers are wanted for."""
    return ranked_batch(tasks=1, k=2, overlap=3).tasks.get().given_prompt


def say(labeler: Labeler, about: AboutPrompt) -> None:
    held = claimed(labeler, COMPARISON)
    responses = comparisons.responses_in_display_order(held)
    comparisons.submit_ranking(
        assignment=held,
        judgements=[Judgement(response.code, place, 4) for place, response in enumerate(responses, 1)],
        idempotency_key=str(held.code),
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
