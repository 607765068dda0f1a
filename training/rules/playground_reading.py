"""What a conversation looks like to its reader, by now: for the page and the API alike.

The one place that decides what is hidden while a vote is blind: names, and what could tell them apart.
"""

import uuid
from collections import defaultdict
from dataclasses import dataclass

from django.db.models import OuterRef, QuerySet, Subquery

from labeling.models import User
from training.models import Conversation, Model, Reply, ReplyState, Side, Turn
from training.rules.playground import has_worker, shows_names

HIDDEN_FAILURE = "This reply failed. Try again."


@dataclass(frozen=True)
class SeenSide:
    """A side by its letter; its model is None while it is hidden."""

    letter: str
    model: Model | None


@dataclass(frozen=True)
class SeenReply:
    """A reply as its reader may see it. What a machine measured is None while it is hidden."""

    code: uuid.UUID
    letter: str
    name: str
    state: str
    label: str
    attempt: int
    text: str
    reason: str
    is_ended: bool
    is_silent: bool
    may_retry: bool
    is_context_cut: bool
    tokens: int | None
    first_text_seconds: float | None
    seconds: float | None


@dataclass(frozen=True)
class SeenTurn:
    """A prompt, what intake made of it, and the replies side by side."""

    number: int
    text: str
    intake: str
    replies: list[SeenReply]
    is_last: bool


@dataclass(frozen=True)
class SeenConversation:
    """All of a conversation that its owner may see now."""

    conversation: Conversation
    sides: list[SeenSide]
    turns: list[SeenTurn]
    shows_names: bool
    is_moving: bool
    may_vote: bool
    note: str
    verdict: str


def look_at(conversation: Conversation, user: User) -> SeenConversation:
    """Return a conversation as its owner sees it now. Reads only."""
    knows = shows_names(conversation, user)
    sides = list(conversation.sides.select_related("model"))
    by_turn: dict[int, list[Reply]] = defaultdict(list)
    rows = Reply.objects.filter(turn__conversation=conversation).select_related("side__model")
    for reply in rows.order_by("turn__number", "side__position"):
        by_turn[reply.turn_id].append(reply)
    turns = list(conversation.turns.select_related("prompt"))
    shown = [
        SeenTurn(
            number=turn.number,
            text=turn.text,
            intake=_intake_of(conversation, turn),
            replies=[_seen(reply, turn is turns[-1], knows) for reply in by_turn[turn.pk]],
            is_last=turn is turns[-1],
        )
        for turn in turns
    ]
    last = by_turn[turns[-1].pk] if turns else []
    has_voted = hasattr(conversation, "vote")
    are_there = all(reply.state in (ReplyState.DONE, ReplyState.CUT) for reply in last)
    return SeenConversation(
        conversation=conversation,
        sides=[SeenSide(side.letter, side.model if knows else None) for side in sides],
        turns=shown,
        shows_names=knows,
        is_moving=any(not reply.is_ended for reply in last),
        may_vote=conversation.is_blind and not has_voted and bool(last) and are_there
        and conversation.erased_at is None,
        note=waiting_note(last),
        verdict=_verdict(conversation, sides) if has_voted else "",
    )  # fmt: skip


def waiting_note(replies: list[Reply]) -> str:
    """Say what replies that wait are waiting for; empty where none waits."""
    queued = [reply for reply in replies if reply.state == ReplyState.QUEUED]
    if not queued:
        return ""
    if not has_worker():
        return (
            "No worker for the playground is alive. Start one (make run does, or celery with --queues "
            "playground); this page goes on by itself."
        )
    before = Reply.objects.unfinished().filter(queued_at__lt=min(reply.queued_at for reply in queued)).count()
    return f"Waiting for a worker; {before} before it." if before else "Waiting for a worker."


def conversations_of(user: User) -> QuerySet[Conversation]:
    """Return a person's conversations in which something was asked, newest first; `opening` is that."""
    first = Turn.objects.filter(conversation=OuterRef("pk"), number=1).values("text")[:1]
    rows = Conversation.objects.filter(owner=user).select_related("vote").prefetch_related("sides__model")
    return rows.annotate(opening=Subquery(first)).filter(opening__isnull=False)


def _seen(reply: Reply, is_last: bool, knows: bool) -> SeenReply:
    is_silent = reply.is_silent()
    label = "Its worker has gone silent" if is_silent else reply.get_state_display()
    if reply.state == ReplyState.WRITING and reply.phase == "loading" and not is_silent:
        label = "Loading the policy"
    started, finished = reply.queued_at, reply.finished_at
    has_failed = reply.state == ReplyState.FAILED
    return SeenReply(
        code=reply.code,
        letter=reply.side.letter,
        name=reply.side.model.name if knows else "",
        state=reply.state,
        label=label,
        attempt=reply.attempt,
        text=reply.text,
        reason=reply.reason if knows or not has_failed else HIDDEN_FAILURE,
        is_ended=reply.is_ended,
        is_silent=is_silent,
        may_retry=is_last and (is_silent or reply.state in (ReplyState.FAILED, ReplyState.CANCELLED)),
        is_context_cut=reply.is_context_cut and knows,
        tokens=reply.tokens if knows else None,
        first_text_seconds=(reply.first_text_at - started).total_seconds()
        if knows and reply.first_text_at
        else None,
        seconds=(finished - started).total_seconds() if knows and finished else None,
    )


def _intake_of(conversation: Conversation, turn: Turn) -> str:
    if turn.prompt is not None:
        return "Kept, and held back over the cap." if turn.prompt.held_reason else "Kept as a prompt."
    if turn.intake_note:
        return f"Not kept. {turn.intake_note}"
    return ""


def _verdict(conversation: Conversation, sides: list[Side]) -> str:
    winner = conversation.vote.winner_id
    letter = next((side.letter for side in sides if side.pk == winner), "")
    return (
        f"You found {letter} better."
        if letter
        else f"You voted: {conversation.vote.get_verdict_display().lower()}."
    )
