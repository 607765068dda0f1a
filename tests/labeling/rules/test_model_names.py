"""Responses that give away their writer stay out of comparisons."""

import pytest

from labeling.models import Policy, TaskKind
from labeling.rules import policies
from labeling.rules.model_names import names_its_model
from labeling.rules.selection import Choice, draw_samples
from tests.factories import PromptFactory


@pytest.mark.parametrize(
    "text",
    [
        "As ChatGPT, I cannot do that.",
        "I was trained by OpenAI.",
        "I'm Claude, made to help.",
        "GPT-4 here.",
        "I am Llama and glad to help.",
    ],
)
def test_who_names_a_model_gives_itself_away(text: str) -> None:
    assert names_its_model(text)


@pytest.mark.parametrize(
    "text",
    [
        "Claude Monet painted lilies.",
        "Gemini is a sign of the zodiac.",
        "I am happy to help.",
        "A llama spits.",
        "",
    ],
)
def test_ordinary_words_and_people_do_not(text: str) -> None:
    assert not names_its_model(text)


def test_what_the_prompt_brings_up_may_be_answered() -> None:
    assert not names_its_model("OpenAI is in San Francisco.", prompt="Where is OpenAI?")
    assert names_its_model("OpenAI made me.", prompt="Who made you?")


def test_a_policy_with_a_number_in_its_name_is_known_by_it() -> None:
    assert names_its_model("I am sft-12.", writer="sft-12")
    assert not names_its_model("People say so.", writer="people")


@pytest.mark.django_db
def test_prompts_without_enough_discreet_responses_are_passed_over() -> None:
    pair = [policies.policy_named(name, Policy.Kind.IMPORTED) for name in ("one", "two")]
    telling, fine = PromptFactory.create_batch(2)
    for prompt in (telling, fine):
        for policy in pair:
            text = "As ChatGPT, I decline." if prompt == telling and policy == pair[0] else f"By {policy.pk}"
            policies.add_response(prompt=prompt, policy=policy, text=text)
    choice = Choice(kind=TaskKind.COMPARISON, k=2, policies=tuple(policy.pk for policy in pair))
    for seed in range(4):
        assert [sample.prompt for sample in draw_samples(choice, 1, seed)] == [fine]
    assert len(draw_samples(choice, 2, seed=0)) == 1
