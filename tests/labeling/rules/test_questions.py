"""The questions board: an answer reaches everybody until they have read it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from labeling.errors import Conflict, InvalidInput, NotPermitted
from labeling.models import AuditEvent, Guideline, Labeler, Question, TaskKind, User
from labeling.rules import guidelines, questions

pytestmark = pytest.mark.django_db


def asked(by: Labeler, title: str = "May a response be a list?", kind: str = "") -> Question:
    return questions.ask(by=by.user, title=title, kind=kind)


def test_an_answer_is_news_to_everybody_until_read(alice: Labeler, hana: Labeler, mia: User) -> None:
    question = asked(alice)
    assert not questions.unread(hana).exists()
    questions.answer(question=question, text="Yes, where it helps.", by=mia)
    assert list(questions.unread(alice)) == list(questions.unread(hana)) == [question]
    question.refresh_from_db()
    questions.mark_read(question=question, labeler=hana)
    assert not questions.unread(hana).exists()
    assert questions.unread(alice).exists()


def test_a_changed_answer_is_news_again(alice: Labeler, mia: User) -> None:
    question = questions.answer(question=asked(alice), text="Yes.", by=mia)
    questions.mark_read(question=question, labeler=alice)
    questions.answer(question=question, text="Yes, but short.", by=mia)
    assert list(questions.unread(alice)) == [question]
    actions = AuditEvent.objects.order_by("pk").values_list("action", flat=True)
    assert list(actions) == ["answer_question", "change_answer"]


def test_the_same_answer_saved_again_is_no_news(alice: Labeler, mia: User, dana: User) -> None:
    question = questions.answer(question=asked(alice), text="Yes.", by=mia)
    questions.mark_read(question=question, labeler=alice)
    questions.answer(question=question, text=" Yes. ", by=dana)
    assert not questions.unread(alice).exists()
    question.refresh_from_db()
    assert question.answered_by == mia
    assert AuditEvent.objects.count() == 1


def test_old_answers_are_no_news_to_newcomers_except_pinned_ones(
    alice: Labeler, hana: Labeler, mia: User
) -> None:
    old = questions.answer(question=asked(alice, "Old?"), text="Yes.", by=mia)
    pinned = questions.answer(question=asked(alice, "Pinned?"), text="Yes.", by=mia)
    questions.pin(question=pinned, is_pinned=True, by=mia)
    hana.created_at = timezone.now() + timedelta(seconds=1)
    hana.save()
    assert list(questions.unread(hana)) == [pinned]
    assert questions.board().first() == pinned
    assert old in questions.board()


def test_only_staff_answers_pins_and_merges(alice: Labeler, hana: Labeler) -> None:
    question, other = asked(alice), asked(hana, "Another?")
    with pytest.raises(NotPermitted):
        questions.answer(question=question, text="Yes.", by=alice.user)
    with pytest.raises(NotPermitted):
        questions.pin(question=question, is_pinned=True, by=alice.user)
    with pytest.raises(NotPermitted):
        questions.merge(question=question, into=other, by=alice.user)


def test_a_duplicate_leads_to_the_question_that_stands_for_it(
    alice: Labeler, hana: Labeler, mia: User
) -> None:
    first, second, third = asked(alice), asked(hana, "Are bullets fine?"), asked(hana, "Bullets?")
    questions.merge(question=third, into=second, by=mia)
    questions.merge(question=second, into=first, by=mia)
    assert questions.by_code(third.code) == first
    assert list(questions.board(words="bullets")) == [first]
    assert list(questions.board()) == [first]
    with pytest.raises(Conflict):
        questions.answer(question=second, text="Yes.", by=mia)
    with pytest.raises(InvalidInput):
        questions.merge(question=first, into=first, by=mia)


def test_the_board_is_searched_by_words_kind_and_state(alice: Labeler, mia: User) -> None:
    guidelines.ensure_defaults()
    guideline = Guideline.objects.get(kind=TaskKind.COMPARISON)
    about = questions.ask(by=alice.user, title="What is a tie?", guideline=guideline)
    other = asked(alice, "May I quote?", kind=TaskKind.DEMONSTRATION)
    questions.answer(question=other, text="With the source named.", by=mia)
    assert about.kind == TaskKind.COMPARISON
    assert list(questions.board(words="source named")) == [other]
    assert list(questions.board(kind="comparison")) == [about]
    assert list(questions.board(state="waiting")) == [about]
    assert list(questions.board(state="answered")) == [other]


def test_a_question_needs_a_title_and_a_known_kind(alice: Labeler) -> None:
    with pytest.raises(InvalidInput) as refusal:
        asked(alice, " ", kind="poetry")
    assert set(refusal.value.fields) == {"title", "kind"}
