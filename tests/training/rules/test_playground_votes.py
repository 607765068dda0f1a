"""Blind votes: once, before the names, counted only when there are enough, and never labels."""

from typing import Any

import pytest

from labeling.errors import Conflict, InvalidInput, NotFound
from labeling.models import User
from tests.training.factories import sft_dataset
from tests.training.talks import answered, asked, conversation, policy, researcher, trained_pair
from training.models import Conversation, Model, Vote
from training.rules.datasets import freeze_dataset
from training.rules.playground_reading import look_at
from training.rules.playground_votes import standings, vote

pytestmark = pytest.mark.django_db

BLIND = Conversation.Mode.BLIND


def blind(owner: User, *pair: Model) -> Conversation:
    given = conversation(owner, *pair, mode=BLIND)
    answered(given)
    return given


def letter_of(given: Conversation, model: Model) -> str:
    return next(side.letter for side in given.sides.all() if side.model == model)


def test_a_vote_is_given_once_and_then_the_names_are_shown() -> None:
    pair, owner = trained_pair(), researcher()
    given = blind(owner, *pair)
    before = look_at(given, owner)
    assert [side.model for side in before.sides] == [None, None]
    assert all(reply.tokens is None and not reply.name for turn in before.turns for reply in turn.replies)
    assert before.may_vote
    vote(conversation=given, choice="A", by=owner)
    given = Conversation.objects.get(pk=given.pk)
    after = look_at(given, owner)
    assert {side.model for side in after.sides} == set(pair)
    assert (after.may_vote, after.verdict) == (False, "You found A better.")
    with pytest.raises(Conflict, match="already"):
        vote(conversation=given, choice="B", by=owner)
    assert Vote.objects.count() == 1


def test_votes_need_both_replies_a_blind_conversation_and_its_owner() -> None:
    pair, owner = trained_pair(), researcher()
    seen = conversation(owner, *pair)
    answered(seen)
    with pytest.raises(Conflict, match="blind"):
        vote(conversation=seen, choice="A", by=owner)
    given = conversation(owner, *pair, mode=BLIND)
    with pytest.raises(Conflict, match="both replies"):
        vote(conversation=given, choice="A", by=owner)
    asked(given)
    with pytest.raises(Conflict, match="both replies"):
        vote(conversation=given, choice="A", by=owner)
    with pytest.raises(NotFound):
        vote(conversation=given, choice="A", by=researcher())


def test_another_choice_is_refused_with_what_is_allowed() -> None:
    owner = researcher()
    with pytest.raises(InvalidInput, match="A, B, tie, both_bad"):
        vote(conversation=blind(owner, *trained_pair()), choice="C", by=owner)


def test_a_blind_failure_tells_nothing_about_the_policy() -> None:
    owner = researcher()
    given = blind(owner, *trained_pair())
    reply = given.turns.get().replies.all()[0]
    type(reply).objects.filter(pk=reply.pk).update(state="failed", reason="ppo-1 has no weights")
    seen = look_at(given, owner)
    assert [r.reason for r in seen.turns[0].replies].count("This reply failed. Try again.") == 1
    assert not seen.may_vote


def test_shares_come_with_enough_votes_and_ties_count_a_half(settings: Any) -> None:
    settings.PLAYGROUND_VOTES_SHOWN = 4
    settings.PLAYGROUND_PER_MINUTE = 100
    before, after = trained_pair()
    other = policy("other")
    people = [researcher() for _ in range(4)]
    for at, person in enumerate(people):
        given = blind(person, before, after)
        vote(conversation=given, choice="tie" if at == 0 else letter_of(given, after), by=person)
    lonely = blind(people[0], before, other)
    vote(conversation=lonely, choice="both_bad", by=people[0])
    rows = {row.model: row for row in standings()}
    won = rows[after]
    assert (won.votes, won.wins, won.losses, won.ties) == (4, 3, 0, 1)
    assert won.share == 3.5 / 4
    assert won.low is not None
    assert won.high is not None
    assert won.low < 3.5 / 4 <= won.high
    assert (rows[before].votes, rows[before].losses, rows[before].both_bad) == (5, 3, 1)
    assert rows[before].share == (0.5 + 0.5) / 5
    assert (rows[other].votes, rows[other].share) == (1, None)
    assert standings()[0].model == after


def test_votes_never_reach_a_dataset() -> None:
    first = sft_dataset()
    owner = researcher()
    given = blind(owner, *trained_pair())
    vote(conversation=given, choice="A", by=owner)
    assert freeze_dataset(kind="sft").hash == first.hash
