"""Policies and responses: one name, one writer; the same response once."""

import pytest

from labeling.errors import InvalidInput
from labeling.models import Policy
from labeling.rules.policies import add_response, people_policy, policy_named
from tests.factories import PromptFactory

pytestmark = pytest.mark.django_db


def test_policy_is_found_or_made_by_name() -> None:
    made = policy_named(" davinci ")
    assert (made.name, made.kind) == ("davinci", Policy.Kind.IMPORTED)
    assert policy_named("davinci", Policy.Kind.IMPORTED) == made
    assert people_policy() == people_policy()
    assert people_policy().kind == Policy.Kind.HUMAN


@pytest.mark.parametrize("name", ["", "  ", "x" * 121, "a\x00"])
def test_policy_needs_a_name(name: str) -> None:
    with pytest.raises(InvalidInput):
        policy_named(name)


def test_a_name_never_stands_for_two_kinds_of_writer() -> None:
    policy_named("sft-1", Policy.Kind.TRAINED)
    with pytest.raises(InvalidInput, match="exists as trained"):
        policy_named("sft-1", Policy.Kind.IMPORTED)


def test_same_response_is_recorded_once_and_empty_ones_count() -> None:
    prompt, policy = PromptFactory.create(), policy_named("m")
    first = add_response(prompt=prompt, policy=policy, text="", sampling={"temperature": 1.0})
    assert add_response(prompt=prompt, policy=policy, text="") == first
    assert add_response(prompt=prompt, policy=policy, text="", index=1) != first
    assert add_response(prompt=prompt, policy=policy, text=" ") != first
    with pytest.raises(InvalidInput):
        add_response(prompt=prompt, policy=policy, text="\x00")
