"""Conversations: who may start them, what enters intake, and what is refused."""

import random
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from labeling.errors import Conflict, InvalidInput, NotFound, NotPermitted, TooMany
from labeling.models import AuditEvent, AuthorCap, Cohort, Intake, Prompt, PromptNotice, PromptSource
from labeling.rules.access import Action, can
from labeling.rules.prompts import author_key_of
from tests.factories import UserFactory, qualified_labeler
from tests.training.talks import answered, asked, conversation, notice, policy, researcher, trained_pair
from training.models import Conversation, Model, ModelKind, Reply, ReplyState, Turn, Worker
from training.rules import playground
from training.rules.erasure import erase_prompts_of
from training.rules.model_keeping import delete_weights
from training.rules.playground_policies import before_of, newest_pair, talkers

pytestmark = pytest.mark.django_db


def test_a_conversation_keeps_its_policies_in_the_order_chosen() -> None:
    before, after = trained_pair()
    given = conversation(researcher(), after, before)
    assert [(side.letter, side.model) for side in given.sides.all()] == [("A", after), ("B", before)]


def test_reward_models_archived_ones_and_those_without_weights_cannot_be_talked_to() -> None:
    before, after = trained_pair()
    reward = Model.objects.create(name="rm", kind=ModelKind.REWARD, folder="models/rm")
    delete_weights(model=before, reason="space is needed")
    assert list(talkers()) == [after]
    for model in (reward, Model.objects.get(pk=before.pk)):
        with pytest.raises(InvalidInput, match="cannot be talked to"):
            conversation(researcher(), model)


@pytest.mark.parametrize("count", [0, 5])
def test_one_to_four_policies_take_part(count: int) -> None:
    models = [policy(f"p{at}") for at in range(count)]
    with pytest.raises(InvalidInput, match=f"{count} are chosen"):
        conversation(researcher(), *models)


def test_nobody_takes_part_twice() -> None:
    model = policy("p")
    with pytest.raises(InvalidInput, match="once"):
        conversation(researcher(), model, model)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("temperature", value) for value in (-0.1, 2.1)),
        *(("top_p", value) for value in (0, 1.01)),
        *(("max_tokens", value) for value in (0, 128)),
    ],
)
def test_sampling_beyond_its_limits_is_refused_by_name(field: str, value: float) -> None:
    asked: dict[str, Any] = {field: value}
    with pytest.raises(InvalidInput) as refusal:
        conversation(researcher(), policy("p"), **asked)
    assert list(refusal.value.fields) == [field]
    assert "allowed" in refusal.value.message


def test_a_reply_takes_half_of_what_the_policy_reads_by_itself() -> None:
    assert conversation(researcher(), policy("p"), max_tokens=None).max_tokens == 64


def test_before_and_after_are_the_newest_ppo_and_its_supervised_ancestor() -> None:
    before, first = trained_pair()
    second = policy("ppo-2", ModelKind.PPO, parent=first)
    policy("lonely", ModelKind.PPO)
    assert newest_pair() == (before, second)
    assert before_of(first) == before
    given = conversation(researcher(), mode=Conversation.Mode.BEFORE_AFTER)
    assert [side.model for side in given.sides.all()] == [before, second]


def test_before_and_after_needs_a_supervised_ancestor() -> None:
    with pytest.raises(InvalidInput, match="supervised"):
        conversation(researcher(), policy("ppo", ModelKind.PPO), mode=Conversation.Mode.BEFORE_AFTER)


def test_blind_sides_are_drawn_in_either_order(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = trained_pair()
    orders = set()
    for seed in range(8):
        random.seed(seed)
        given = conversation(researcher(), *pair, mode=Conversation.Mode.BLIND)
        orders.add(tuple(side.model.name for side in given.sides.all()))
    assert orders == {("sft-1", "ppo-1"), ("ppo-1", "sft-1")}


def test_a_blind_refusal_names_no_policy() -> None:
    trained_pair()
    with pytest.raises(InvalidInput) as refusal:
        conversation(researcher(), mode=Conversation.Mode.BLIND, max_tokens=500)
    assert "ppo" not in refusal.value.message
    assert "a policy here reads 128" in refusal.value.message


def test_prompts_enter_intake_with_the_notice_agreed_to() -> None:
    notice()
    owner = researcher()
    given = conversation(owner, policy("p"), consent=1)
    turn = asked(given, "  Write a poem about the red sun.  ")
    prompt = Prompt.objects.get()
    assert turn.prompt == prompt
    assert (prompt.source, prompt.text) == (PromptSource.PLAYGROUND, "Write a poem about the red sun.")
    assert prompt.notice_id == given.notice_id
    assert prompt.author_key == author_key_of(given.author)
    assert str(owner.pk) not in given.author.split(":")
    assert Intake.objects.get().counts == {"accepted": 1}


def test_one_person_is_one_author_in_every_conversation_and_a_labeler_the_labeler() -> None:
    notice()
    owner, labeler = researcher(), qualified_labeler()
    model = policy("p")
    assert conversation(owner, model).author == conversation(owner, model).author
    assert conversation(researcher(), model).author != conversation(owner, model).author
    assert playground.author_of(labeler.user) == f"labeler:{labeler.code}"


def test_personal_data_and_the_cap_are_treated_as_in_any_intake() -> None:
    notice()
    AuthorCap.objects.create(cap=1)
    given = conversation(researcher(), policy("p"), consent=1)
    answered(given, "Mail me at jane.doe@example.org about the moon.")
    answered(conversation(given.owner, policy("q"), consent=1), "Name three colors of birds.")
    first, second = Prompt.objects.order_by("pk")
    assert (first.has_pii, first.held_reason) == (True, "")
    assert second.held_reason == "over_cap"


def test_a_refusal_of_intake_is_counted_and_said_and_the_prompt_answered_all_the_same() -> None:
    notice()
    model = policy("p")
    answered(conversation(researcher(), model, consent=1), "Say the very same words.")
    turn = asked(conversation(researcher(), model, consent=1), "Say the very same words.")
    assert turn.prompt is None
    assert "the same text" in turn.intake_note
    assert Intake.objects.get().counts == {"accepted": 1, "duplicate": 1}
    assert turn.replies.count() == 1


def test_a_later_prompt_enters_with_what_it_follows_on() -> None:
    notice()
    given = conversation(researcher(), policy("p"), consent=1)
    answered(given, "Name a color.", ("Red.",))
    turn = asked(given, "Why that one?")
    assert turn.prompt is not None
    assert turn.prompt.text == "Name a color.\n\nRed.\n\nWhy that one?"
    assert playground.transcript(given.sides.all()[0], turn) == ["Name a color.", "Red.", "Why that one?"]


def test_each_side_reads_its_own_replies() -> None:
    given = conversation(researcher(), *trained_pair())
    answered(given, "Name a color.", ("Red.", ""))
    turn = asked(given, "Why?")
    assert [playground.transcript(side, turn) for side in given.sides.all()] == [
        ["Name a color.", "Red.", "Why?"],
        ["Why?"],
    ]


def test_without_consent_nothing_enters_intake_and_the_words_go_after_a_day(settings: Any) -> None:
    notice()
    kept, unkept = (conversation(researcher(), policy(n), consent=c) for n, c in (("p", 1), ("q", None)))
    answered(kept, "Keep this sentence about trees.")
    answered(unkept, "Forget this sentence about trees.")
    assert Prompt.objects.count() == 1
    assert playground.forget_conversations() == 0
    Conversation.objects.update(used_at=timezone.now() - timedelta(hours=25))
    assert playground.forget_conversations() == 1
    assert sorted(Turn.objects.values_list("text", flat=True)) == ["", "Keep this sentence about trees."]
    assert sorted(Reply.objects.values_list("text", flat=True)) == ["", "Reply 0."]
    with pytest.raises(Conflict, match="deleted"):
        asked(Conversation.objects.get(pk=unkept.pk))


def test_consent_is_to_the_current_notice_only() -> None:
    model = policy("p")
    with pytest.raises(Conflict, match="No notice"):
        conversation(researcher(), model, consent=1)
    notice()
    given = conversation(researcher(), model, consent=1)
    PromptNotice.objects.create(version=2, body="Something else.")
    with pytest.raises(Conflict, match="version 2"):
        conversation(researcher(), model, consent=1)
    with pytest.raises(Conflict, match="has changed"):
        asked(given)
    given = playground.agree(conversation=given, consent=2, by=given.owner)
    assert asked(given).prompt is not None


@pytest.mark.parametrize(
    ("text", "said"), [(" \n", "Write"), ("x" * 101, "101 characters"), ("a\x00b", "NUL")]
)
def test_empty_long_and_unstorable_prompts_are_refused(settings: Any, text: str, said: str) -> None:
    settings.PLAYGROUND_PROMPT_CHARACTERS = 100
    with pytest.raises(InvalidInput, match=said):
        asked(conversation(researcher(), policy("p")), text)


def test_the_next_prompt_waits_for_the_replies_and_a_form_sent_twice_asks_once() -> None:
    given = conversation(researcher(), policy("p"))
    turn = playground.send_prompt(conversation=given, text="One.", by=given.owner, number=1)
    with pytest.raises(Conflict, match="still being written"):
        asked(given, "Two.")
    Reply.objects.update(state=ReplyState.DONE)
    with pytest.raises(Conflict, match="sent already"):
        playground.send_prompt(conversation=given, text="One.", by=given.owner, number=1)
    assert Turn.objects.get() == turn


def test_a_person_has_a_rate_that_others_do_not_use_up(settings: Any) -> None:
    settings.PLAYGROUND_PER_MINUTE = 2
    model, owner = policy("p"), researcher()
    for _ in range(2):
        answered(conversation(owner, model))
    with pytest.raises(TooMany, match="2 prompts a minute"):
        asked(conversation(owner, model))
    asked(conversation(researcher(), model))
    earlier = timezone.now() - timedelta(seconds=61)
    Turn.objects.update(created_at=earlier)
    Reply.objects.update(queued_at=earlier)
    asked(conversation(owner, model))


def test_trying_again_counts_against_the_rate(settings: Any) -> None:
    settings.PLAYGROUND_PER_MINUTE = 3
    given = conversation(researcher(), policy("p"))
    reply = asked(given).replies.get()
    for _ in range(2):
        playground.cancel_replies(conversation=given, by=given.owner)
        playground.retry_reply(reply=reply, by=given.owner)
    playground.cancel_replies(conversation=given, by=given.owner)
    with pytest.raises(TooMany):
        playground.retry_reply(reply=reply, by=given.owner)
    AuditEvent.objects.update(created_at=timezone.now() - timedelta(seconds=61))
    playground.retry_reply(reply=reply, by=given.owner)


def test_a_full_queue_asks_people_to_come_back(settings: Any) -> None:
    settings.PLAYGROUND_QUEUE = 3
    pair = trained_pair()
    asked(conversation(researcher(), *pair))
    with pytest.raises(TooMany) as refusal:
        asked(conversation(researcher(), *pair))
    assert refusal.value.reason_code == "queue_full"


def test_stopping_keeps_the_words_so_far_and_trying_again_begins_anew() -> None:
    given = conversation(researcher(), policy("p"))
    reply = asked(given).replies.get()
    Reply.objects.update(state=ReplyState.WRITING, text="So far", attempt=1, heartbeat_at=timezone.now())
    assert playground.cancel_replies(conversation=given, by=given.owner) == 1
    assert playground.cancel_replies(conversation=given, by=given.owner) == 0
    assert (Reply.objects.get().state, Reply.objects.get().text) == (ReplyState.CANCELLED, "So far")
    playground.retry_reply(reply=reply, by=given.owner)
    assert Reply.objects.get().state == ReplyState.QUEUED
    with pytest.raises(Conflict, match="failed or was stopped"):
        playground.retry_reply(reply=reply, by=given.owner)


def test_only_replies_to_the_last_prompt_are_asked_for_again() -> None:
    given = conversation(researcher(), policy("p"))
    reply = asked(given).replies.get()
    playground.cancel_replies(conversation=given, by=given.owner)
    asked(given, "Another.")
    with pytest.raises(Conflict, match="newest prompt"):
        playground.retry_reply(reply=reply, by=given.owner)


def test_conversations_do_not_exist_for_others() -> None:
    given = conversation(researcher(), policy("p"))
    reply = asked(given).replies.get()
    other = researcher()
    with pytest.raises(NotFound):
        playground.conversation_of(other, given.code)
    with pytest.raises(NotFound):
        playground.reply_of(other, reply.code)
    with pytest.raises(NotFound):
        playground.send_prompt(conversation=given, text="Mine?", by=other)


def test_labelers_talk_only_where_a_setting_lets_them_and_then_blind(settings: Any) -> None:
    notice()
    pair = trained_pair()
    labeler, held_out = qualified_labeler(), qualified_labeler(cohort=Cohort.HELD_OUT)
    assert not can(labeler.user, Action.USE_PLAYGROUND)
    with pytest.raises(NotPermitted):
        conversation(labeler.user, mode=Conversation.Mode.BLIND, consent=1)
    settings.PLAYGROUND_FOR_LABELERS = True
    assert not can(held_out.user, Action.USE_PLAYGROUND)
    assert not can(UserFactory.create(), Action.USE_PLAYGROUND)
    with pytest.raises(NotPermitted):
        conversation(labeler.user, *pair, mode=Conversation.Mode.BLIND, consent=1)
    with pytest.raises(NotPermitted):
        conversation(labeler.user, consent=1)
    with pytest.raises(InvalidInput, match="Agree"):
        conversation(labeler.user, mode=Conversation.Mode.BLIND)
    given = conversation(labeler.user, mode=Conversation.Mode.BLIND, consent=1)
    assert not playground.shows_names(given, labeler.user)


def test_erasing_an_author_reaches_the_conversations() -> None:
    notice()
    given = conversation(researcher(), policy("p"), consent=1)
    answered(given, "Remember the blue bird for me.")
    other = conversation(researcher(), policy("q"), consent=1)
    answered(other, "Another person wrote these words.")
    erase_prompts_of(author_key=author_key_of(given.author), by=None, reason="asked for")
    assert {t.text for t in Turn.objects.all()} == {"", "Another person wrote these words."}


def test_a_worker_is_alive_only_while_it_says_so() -> None:
    assert not playground.has_worker()
    Worker.objects.create(name="gpu@here", queues=["gpu"])
    assert not playground.has_worker()
    Worker.objects.create(name="playground@here", queues=["playground"])
    assert playground.has_worker()
    Worker.objects.update(seen_at=timezone.now() - timedelta(minutes=2))
    assert not playground.has_worker()
