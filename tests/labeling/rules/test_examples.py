"""Approved examples: graded well, finished, without names; never a pending answer."""

import pytest
from django.test import Client

from labeling.errors import NotPermitted
from labeling.models import Demonstration, Labeler, Prompt, TaskKind, User
from labeling.rules import reviews
from labeling.rules.demonstrations import submit_demonstration
from labeling.rules.examples import examples_for
from tests.factories import claimed, qualified_labeler, writing_batch

pytestmark = pytest.mark.django_db
KIND = TaskKind.DEMONSTRATION


def written(labeler: Labeler, by: User, *, text: str, grade: int) -> Demonstration:
    mine = claimed(labeler, KIND)
    submit_demonstration(assignment=mine, text=text, idempotency_key=str(mine.code))
    demonstration = Demonstration.objects.newest().get(assignment=mine)
    reviews.review_demonstration(demonstration=demonstration, decision="accepted", grade=grade, by=by)
    return demonstration


def test_only_what_was_graded_well_is_an_example(alice: Labeler, dana: User, client: Client) -> None:
    writing_batch(tasks=3)
    good = written(alice, dana, text="Blue light bounces most.", grade=6)
    written(alice, dana, text="It just is.", grade=3)
    mine = claimed(alice, KIND)
    submit_demonstration(assignment=mine, text="Not reviewed yet.", idempotency_key="x")
    assert list(examples_for(alice)) == [good]
    assert list(examples_for(alice, words="bounces BLUE")) == [good]
    assert list(examples_for(alice, words="green")) == []
    client.force_login(qualified_labeler().user)
    page = client.get("/work/examples/?q=blue").content.decode()
    assert "Blue light bounces most." in page
    assert alice.pseudonym not in page


def test_a_prompt_that_somebody_is_yet_to_answer_gives_no_example(alice: Labeler, dana: User) -> None:
    writing_batch(tasks=1, overlap=2)
    good = written(alice, dana, text="Blue light bounces most.", grade=7)
    other = qualified_labeler()
    assert list(examples_for(other)) == []
    mine = claimed(other, KIND)
    assert list(examples_for(other)) == []
    submit_demonstration(assignment=mine, text="So be it.", idempotency_key="x")
    assert list(examples_for(other)) == [good]


def test_test_prompts_and_personal_data_give_none(alice: Labeler, dana: User) -> None:
    writing_batch(tasks=1)
    written(alice, dana, text="Yes.", grade=7)
    Prompt.objects.update(has_pii=True)
    assert list(examples_for(alice)) == []
    Prompt.objects.update(has_pii=False, split="test")
    assert list(examples_for(alice)) == []


def test_examples_are_for_those_who_write(bob: Labeler, client: Client) -> None:
    with pytest.raises(NotPermitted):
        examples_for(bob)
    client.force_login(bob.user)
    assert client.get("/work/examples/")["Location"] == "/work/"
