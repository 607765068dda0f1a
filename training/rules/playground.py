"""The playground: conversations are started, prompts sent, replies stopped and asked for again.

Who can be talked to stands in `playground_policies`, what a worker does in `playground_writing`, votes in
`playground_votes`.
"""

import secrets
import uuid
from collections.abc import Sequence
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Max, Q, QuerySet
from django.utils import timezone

from labeling.errors import Conflict, InvalidInput, NotFound, NotPermitted, TooMany
from labeling.models import AuditEvent, PromptNotice, PromptSource, User
from labeling.rules import audit
from labeling.rules.access import Action, ensure, labeler_of, sees_policies
from labeling.rules.prompt_sources import current_notice, take_prompt
from labeling.rules.prompts import author_key_of
from labeling.rules.texts import check_text
from training.models import Conversation, Model, Reply, ReplyState, Side, Turn, Worker
from training.models.playground import SILENT_SECONDS
from training.rules.playground_policies import check_sampling, sides_of
from training.rules.workers import SILENT_SECONDS as WORKER_SILENT_SECONDS

QUEUE = "playground"
MAX_TURNS = 50


def start_conversation(
    *,
    owner: User,
    mode: str = Conversation.Mode.OPEN,
    models: Sequence[Model] = (),
    temperature: float = 1.0,
    top_p: float = 1.0,
    max_tokens: int | None = None,
    consent: int | None = None,
) -> Conversation:
    """Open a conversation with policies.

    models   which take part, as `playground_policies.sides_of` reads them. People who may not know policies
             talk blind, to two that are drawn
    consent  the version of the notice that the owner agrees to. None keeps nothing: prompts do not enter
             intake and the words go after some hours; only who may know policies may do without
    raises   NotPermitted, InvalidInput with the field that is wrong, Conflict where the notice is another
    """
    ensure(owner, Action.USE_PLAYGROUND)
    tells_names = sees_policies(owner) and mode != Conversation.Mode.BLIND
    if not sees_policies(owner):
        if mode != Conversation.Mode.BLIND or models:
            raise NotPermitted("You talk to policies whose names are hidden, drawn for you.")
        if consent is None:
            raise InvalidInput("Agree to the notice first.", fields={"consent": "required"})
    chosen = sides_of(mode, models)
    tokens = check_sampling(
        models=chosen, temperature=temperature, top_p=top_p, max_tokens=max_tokens, tells_names=tells_names
    )
    notice = _notice_for(consent)
    with transaction.atomic():
        lock_person(owner)
        conversation = Conversation.objects.create(
            owner=owner, author=author_of(owner), mode=mode, notice=notice, temperature=temperature,
            top_p=top_p, max_tokens=tokens, seed=secrets.randbelow(2**31),
        )  # fmt: skip
        Side.objects.bulk_create(
            Side(conversation=conversation, position=at, model=model) for at, model in enumerate(chosen)
        )
        audit.record(actor=owner, action="start_conversation", obj=conversation, mode=mode, consent=consent)
    return conversation


def send_prompt(*, conversation: Conversation, text: str, by: User, number: int | None = None) -> Turn:
    """Send the next prompt to every side, and take it into intake where its author agreed to that.

    `number` is which turn this is meant to be, so that a form sent twice asks once. What intake refuses is
    answered all the same; the turn says why. Wake a worker with `training.tasks.enqueue_turn`. Do not call
    this inside a transaction: the count of a refusal stays.
    Raises InvalidInput for an empty or too long text, Conflict where a reply is not finished, the words were
    erased or the notice has changed since, TooMany beyond this person's rate or with a full queue.
    """
    ensure(by, Action.USE_PLAYGROUND)
    if conversation.owner_id != by.pk:
        raise NotFound("There is no such conversation of yours.")
    text = check_text(text, field="prompt").strip()
    if not text:
        raise InvalidInput("Write a prompt first.", fields={"prompt": "is empty"})
    if len(text) > settings.PLAYGROUND_PROMPT_CHARACTERS:
        said = f"has {len(text)} characters, at most {settings.PLAYGROUND_PROMPT_CHARACTERS} are allowed"
        raise InvalidInput(f"The prompt {said}.", fields={"prompt": said})
    with transaction.atomic():
        lock_person(by)
        turn = _add_turn(Conversation.objects.select_related("notice").get(pk=conversation.pk), text, number)
        audit.record(actor=by, action="send_prompt", obj=conversation, turn=turn.number)
    _take_in(turn)
    return turn


def cancel_replies(*, conversation: Conversation, by: User | None) -> int:
    """Stop what is being written in a conversation; the words so far stay. Returns how many were stopped."""
    stopped = (
        Reply.objects.unfinished()
        .filter(turn__in=conversation.turns.all())
        .update(state=ReplyState.CANCELLED, finished_at=timezone.now(), phase="")
    )
    if stopped:
        audit.record(actor=by, action="stop_replies", obj=conversation, replies=stopped)
    return stopped


def retry_reply(*, reply: Reply, by: User) -> Turn:
    """Ask for a reply again that failed, was stopped, or whose worker went silent; it begins anew.

    Raises Conflict for any other and for a turn that is not the last, TooMany as for a new prompt.
    """
    ensure(by, Action.USE_PLAYGROUND)
    turn = reply.turn
    with transaction.atomic():
        lock_person(by)
        conversation = Conversation.objects.get(pk=turn.conversation_id)
        _ensure_open(conversation)
        if turn.number != last_number(conversation):
            raise Conflict("Only replies to the newest prompt can be asked for again.", code="not_the_last")
        ensure_room(by, replies=1)
        now = timezone.now()
        ended = Q(state__in=(ReplyState.FAILED, ReplyState.CANCELLED))
        silent = Q(state=ReplyState.WRITING, heartbeat_at__lt=now - timedelta(seconds=SILENT_SECONDS))
        moved = Reply.objects.filter(ended | silent, pk=reply.pk).update(
            state=ReplyState.QUEUED, reason="", phase="", queued_at=now, finished_at=None
        )
        if moved != 1:
            raise Conflict("Only a reply that failed or was stopped is asked for again.", code="reply_state")
        Turn.objects.filter(pk=turn.pk).update(sent_at=None)
        audit.record(actor=by, action="retry_reply", obj=reply, turn=turn.number)
    return turn


def agree(*, conversation: Conversation, consent: int, by: User) -> Conversation:
    """Agree to the notice as it is now, so that the next prompts are kept under it. Raises Conflict."""
    notice = _notice_for(consent)
    Conversation.objects.filter(pk=conversation.pk).update(notice=notice)
    audit.record(actor=by, action="agree_to_notice", obj=conversation, version=consent)
    conversation.refresh_from_db()
    return conversation


def erase_conversations(rows: QuerySet[Conversation], *, by: User | None) -> int:
    """Delete the words of conversations; rows and votes stay. Returns how many there were."""
    found = list(rows.filter(erased_at=None))
    for conversation in found:
        with transaction.atomic():
            cancel_replies(conversation=conversation, by=by)
            Turn.objects.filter(conversation=conversation).update(text="", intake_note="")
            Reply.objects.filter(turn__conversation=conversation).update(text="", reason="")
            Conversation.objects.filter(pk=conversation.pk).update(erased_at=timezone.now())
            audit.record(actor=by, action="erase_conversation", obj=conversation)
    return len(found)


def erase_conversations_of(author_key: str, *, by: User | None) -> int:
    """Delete the words of every conversation of an author of prompts. Returns how many there were."""
    authors = Conversation.objects.order_by().values_list("author", flat=True).distinct()
    mine = [author for author in authors if author_key_of(author) == author_key]
    return erase_conversations(Conversation.objects.filter(author__in=mine), by=by)


def forget_conversations() -> int:
    """Delete the words of conversations that nobody agreed to keep, some hours after their last prompt."""
    old = timezone.now() - timedelta(hours=settings.PLAYGROUND_UNKEPT_HOURS)
    return erase_conversations(Conversation.objects.filter(notice=None, used_at__lt=old), by=None)


def conversation_of(user: User, code: uuid.UUID) -> Conversation:
    """Return a conversation of this person. Raises NotFound for everybody else's."""
    rows = Conversation.objects.select_related("notice", "vote__winner")
    found = rows.filter(owner=user, code=code).first()
    if found is None:
        raise NotFound("There is no such conversation of yours.")
    return found


def reply_of(user: User, code: uuid.UUID) -> Reply:
    """Return a reply in a conversation of this person. Raises NotFound for everybody else's."""
    rows = Reply.objects.select_related("turn__conversation", "side")
    found = rows.filter(turn__conversation__owner=user, code=code).first()
    if found is None:
        raise NotFound("There is no such reply in a conversation of yours.")
    return found


def shows_names(conversation: Conversation, user: User) -> bool:
    """Return whether this person may see, by now, which policy stands behind which letter."""
    return sees_policies(user) and (not conversation.is_blind or hasattr(conversation, "vote"))


def has_newer_notice(conversation: Conversation) -> bool:
    """Return whether the notice has changed since the owner agreed to it."""
    newest = current_notice()
    return conversation.notice_id is not None and newest is not None and newest.pk != conversation.notice_id


def has_worker() -> bool:
    """Return whether a worker that writes replies is alive."""
    heard = timezone.now() - timedelta(seconds=WORKER_SILENT_SECONDS)
    queues = Worker.objects.filter(stopped_at=None, seen_at__gt=heard).values_list("queues", flat=True)
    return any(QUEUE in each for each in queues)


def last_number(conversation: Conversation) -> int:
    """Return the number of the newest turn, 0 before the first."""
    return int(conversation.turns.aggregate(last=Max("number"))["last"] or 0)


def author_of(user: User) -> str:
    """Return the id under which intake knows a person: the labeler's, else one that tells nothing."""
    labeler = labeler_of(user)
    if labeler is not None:
        return f"labeler:{labeler.code}"
    known = Conversation.objects.filter(owner=user).order_by("pk").values_list("author", flat=True).first()
    return known or f"playground:{uuid.uuid4()}"


def lock_person(user: User) -> None:
    """Let one request of a person at a time change what counts for that person's limits."""
    User.objects.select_for_update().get(pk=user.pk)


def ensure_room(user: User, *, replies: int) -> None:
    """Raise TooMany where this person asks too often, or where too much waits for the workers already."""
    recently = timezone.now() - timedelta(minutes=1)
    sent = Turn.objects.filter(conversation__owner=user, created_at__gt=recently).count()
    retried = AuditEvent.objects.filter(object_type="reply", action="retry_reply", actor=user)
    again = retried.filter(created_at__gt=recently).count()  # a reply's own row knows only of the last time
    if sent + again >= settings.PLAYGROUND_PER_MINUTE:
        raise TooMany(
            f"At most {settings.PLAYGROUND_PER_MINUTE} prompts a minute are allowed; wait a little.",
            code="rate_limited",
        )
    if Reply.objects.unfinished().count() + replies > settings.PLAYGROUND_QUEUE:
        raise TooMany("Too many replies wait for a worker already; try again soon.", code="queue_full")


def transcript(side: Side, turn: Turn) -> list[str]:
    """Return what a side reads: prompt, reply, prompt, … up to the prompt of this turn.

    Turns to which this side said nothing are left out.
    """
    said = Reply.objects.filter(side=side, turn__number__lt=turn.number).exclude(text="")
    parts: list[str] = []
    for reply in said.select_related("turn").order_by("turn__number"):
        parts += [reply.turn.text, reply.text]
    return [*parts, turn.text]


def _add_turn(conversation: Conversation, text: str, number: int | None) -> Turn:
    _ensure_open(conversation)
    if has_newer_notice(conversation):
        raise Conflict("The notice has changed since you agreed to it; read it again.", code="notice_changed")
    last = last_number(conversation)
    if number is not None and number != last + 1:
        raise Conflict("This prompt was sent already, here or in another window.", code="sent_already")
    if last >= MAX_TURNS:
        raise Conflict(f"A conversation has at most {MAX_TURNS} prompts; start another.", code="too_long")
    if Reply.objects.unfinished().filter(turn__conversation=conversation).exists():
        raise Conflict("A reply is still being written; wait for it or stop it.", code="unfinished")
    sides = list(conversation.sides.all())
    ensure_room(conversation.owner, replies=len(sides))
    now = timezone.now()
    turn = Turn.objects.create(conversation=conversation, number=last + 1, text=text, created_at=now)
    Reply.objects.bulk_create(Reply(turn=turn, side=side, queued_at=now) for side in sides)
    Conversation.objects.filter(pk=conversation.pk).update(used_at=now)
    return turn


def _take_in(turn: Turn) -> None:
    """Take a prompt into intake: the first as it is, a later one with what it follows on.

    A later prompt says little alone, so it goes as the first side reads it.
    """
    conversation = turn.conversation
    if conversation.notice is None:
        return
    text = "\n\n".join(transcript(conversation.sides.all()[0], turn))
    try:
        turn.prompt = take_prompt(
            text=text,
            author=conversation.author,
            source=PromptSource.PLAYGROUND,
            consent=conversation.notice.version,
        )
    except (InvalidInput, Conflict) as refusal:
        turn.intake_note = refusal.message[:300]
    Turn.objects.filter(pk=turn.pk).update(prompt=turn.prompt, intake_note=turn.intake_note)


def _ensure_open(conversation: Conversation) -> None:
    if conversation.erased_at is not None:
        raise Conflict("The words of this conversation were deleted; start another.", code="erased")


def _notice_for(consent: int | None) -> PromptNotice | None:
    if consent is None:
        return None
    notice = current_notice()
    if notice is None:
        raise Conflict("No notice is published yet, so nobody can agree to it.", code="no_notice")
    if notice.version != consent:
        raise Conflict(
            f"You agreed to version {consent} of the notice; version {notice.version} is the current one.",
            code="notice_changed",
        )
    return notice
