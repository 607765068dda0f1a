"""What a worker does for a turn of the playground: claim its replies, have them written, keep every piece.

Safe at any point: a reply is claimed once, each write is the whole text so far and is refused once the reply
is no longer this worker's, and a worker that dies leaves a reply that says so.
"""

import logging
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db.models import F
from django.utils import timezone

from training.models import Conversation, Reply, ReplyState, Turn
from training.models.playground import SILENT_SECONDS
from training.rules import artifacts
from training.rules.playground import transcript
from training.rules.playground_policies import is_usable, talkers
from training.rules.playground_process import Writer, WriterGone, end_writer, warm_writer

log = logging.getLogger(__name__)

WRITE_SECONDS = 0.2
"""How often the text so far goes into the database: often enough to read along."""
SIGN_SECONDS = 1.0
TICK_SECONDS = 0.05
WAIT_SECONDS = 600
"""After so long without a worker a reply is given up; its owner can ask again."""
RESEND_SECONDS = 30
MACHINE_GONE = "The process that writes ended in the middle, perhaps for lack of memory. Try again."


@dataclass
class Draft:
    """A reply as it grows, and what of it the database does not have yet."""

    reply: Reply
    text: str = ""
    tokens: int = 0
    facts: dict[str, Any] = field(default_factory=dict)
    is_dirty: bool = False
    written_at: float = field(default_factory=time.monotonic)


def answer_turn(code: UUID, *, worker: str = "") -> int:
    """Write the replies of a turn that still wait. Returns how many; delivered twice, the second has none."""
    turn = Turn.objects.select_related("conversation").get(code=code)
    claimed = claim_replies(turn, worker=worker)
    if claimed:
        _Session(turn, claimed).run()
    return len(claimed)


def claim_replies(turn: Turn, *, worker: str) -> list[Reply]:
    """Take the replies of a turn that wait, each only where nobody else has."""
    claimed = []
    for reply in Reply.objects.queued().filter(turn=turn).order_by("pk"):
        now = timezone.now()
        taken = Reply.objects.queued().filter(pk=reply.pk).update(
            state=ReplyState.WRITING, attempt=F("attempt") + 1, worker=worker[:120], heartbeat_at=now,
            started_at=now, first_text_at=None, finished_at=None, phase="", text="", tokens=0,
            is_context_cut=False, reason="",
        )  # fmt: skip
        if taken == 1:
            claimed.append(Reply.objects.select_related("side__model").get(pk=reply.pk))
    return claimed


def update_claimed(reply: Reply, **values: Any) -> bool:
    """Write to a reply that this worker holds; returns False where it does not hold it any longer."""
    held = Reply.objects.writing().filter(pk=reply.pk, attempt=reply.attempt)
    return held.update(heartbeat_at=timezone.now(), **values) == 1


def recover_replies() -> list[Turn]:
    """Give up replies whose worker died or that nobody took; return the turns to wake a worker for again."""
    now = timezone.now()
    Reply.objects.writing().filter(heartbeat_at__lt=now - timedelta(seconds=SILENT_SECONDS)).update(
        state=ReplyState.FAILED, finished_at=now, phase="",
        reason="Its worker stopped in the middle. What it had written is kept; try again.",
    )  # fmt: skip
    Reply.objects.queued().filter(queued_at__lt=now - timedelta(seconds=WAIT_SECONDS)).update(
        state=ReplyState.FAILED, finished_at=now,
        reason=f"No worker took it in {WAIT_SECONDS // 60} minutes. Start one, then try again.",
    )  # fmt: skip
    if Reply.objects.writing().exists():
        return []  # workers are at it, so waiting is to be expected
    waiting = Turn.objects.filter(replies__state=ReplyState.QUEUED).distinct()
    late = now - timedelta(seconds=RESEND_SECONDS)
    return [turn for turn in waiting if turn.sent_at is None or turn.sent_at < late]


def mark_sent(turn: Turn) -> None:
    """Note that a worker is being woken for a turn."""
    Turn.objects.filter(pk=turn.pk).update(sent_at=timezone.now())


class _Session:
    """One turn being written, from the first request to the last verdict."""

    def __init__(self, turn: Turn, claimed: Sequence[Reply]) -> None:
        self.turn = turn
        self.drafts = {f"{reply.code}/{reply.attempt}": Draft(reply) for reply in claimed}

    def run(self) -> None:
        """Write until every reply has ended."""
        until = time.monotonic() + settings.PLAYGROUND_SECONDS
        try:
            writer = warm_writer()
            for name, draft in list(self.drafts.items()):
                self._ask(writer, name, draft)
            while self.drafts:
                event = writer.next_event(TICK_SECONDS)
                if event is not None:
                    self._take(event)
                self._flush(writer)
                if time.monotonic() > until:
                    self._fail_all(f"It took longer than {settings.PLAYGROUND_SECONDS} seconds. Try again.")
                    end_writer()
        except WriterGone:
            self._fail_all(MACHINE_GONE)
            end_writer()
        except Exception:
            log.exception("%s broke", self.turn)
            self._fail_all("The worker could not go on; its log says why. Try again.")
            end_writer()
            raise

    def _ask(self, writer: Writer, name: str, draft: Draft) -> None:
        conversation: Conversation = self.turn.conversation
        side = draft.reply.side
        try:
            if not is_usable(side.model):
                raise FileNotFoundError
            source = readable_folder(side.model.folder) if side.model.folder else side.model.source
        except OSError:
            self._end(name, ReplyState.FAILED, reason="The weights of this policy are not there any more.")
            return
        writer.ask(
            {
                "do": "answer",
                "id": name,
                "model": str(source),
                "turns": transcript(side, self.turn),
                "max_tokens": conversation.max_tokens,
                "temperature": conversation.temperature,
                "top_p": conversation.top_p,
                "seed": _seed_of(draft.reply, self.turn),
            }
        )

    def _take(self, event: dict[str, Any]) -> None:
        name = str(event.get("id"))
        draft = self.drafts.get(name)
        if draft is None:
            return  # stopped meanwhile, or of a turn before
        match event["event"]:
            case "loading":
                draft.facts["phase"] = "loading"
            case "started":
                draft.facts |= {"phase": "", "is_context_cut": event["is_cut"]}
            case "text":
                if not draft.text:
                    draft.facts |= {"phase": "", "first_text_at": timezone.now()}
                    draft.written_at = 0.0
                draft.text += event["text"]
                draft.tokens = event["tokens"]
            case "ended":
                draft.text, draft.tokens = event["text"], event["tokens"]
                self._end(name, ReplyState.DONE if event["ended"] else ReplyState.CUT)
                return
            case "failed":
                self._end(name, ReplyState.FAILED, reason=f"It could not be written: {event['reason']}"[:400])
                return
        draft.is_dirty = True

    def _flush(self, writer: Writer) -> None:
        now = time.monotonic()
        for name, draft in list(self.drafts.items()):
            if now - draft.written_at < (WRITE_SECONDS if draft.is_dirty else SIGN_SECONDS):
                continue
            is_held = update_claimed(
                draft.reply, text=storable(draft.text), tokens=draft.tokens, **draft.facts
            )
            draft.written_at, draft.is_dirty, draft.facts = now, False, {}
            if not is_held:  # stopped by its owner, or given up
                writer.stop(name)
                del self.drafts[name]

    def _end(self, name: str, state: ReplyState, **values: Any) -> None:
        draft = self.drafts.pop(name)
        facts = {**draft.facts, "phase": "", "text": storable(draft.text), "tokens": draft.tokens}
        update_claimed(draft.reply, state=state, finished_at=timezone.now(), **facts, **values)

    def _fail_all(self, reason: str) -> None:
        for name in list(self.drafts):
            self._end(name, ReplyState.FAILED, reason=reason)


def _seed_of(reply: Reply, turn: Turn) -> int:
    """Return another number for each side, turn and attempt: trying again may bring another reply."""
    return turn.conversation.seed + 1000 * turn.number + 10 * reply.attempt + reply.side.position


def readable_folder(name: str) -> Path:
    """Return a stored model's folder on this machine, brought here once where the store is elsewhere.

    Raises FileNotFoundError where nothing is stored under the name.
    """
    local = artifacts.local_folder(name)
    if local is not None:
        return local
    shelf = Path(settings.DATA_DIR) / "playground"
    kept = shelf / name
    if not kept.is_dir():
        _drop_deleted(shelf)
        draft = kept.with_name(f".{kept.name}-{uuid4().hex}")
        artifacts.place(name, draft)
        try:
            draft.rename(kept)
        except OSError:  # another worker of this machine was first
            shutil.rmtree(draft, ignore_errors=True)
    return kept


def _drop_deleted(shelf: Path) -> None:
    """Delete copies of models whose weights are not to be used any more."""
    wanted = {shelf / name for name in talkers().values_list("folder", flat=True)}
    for folder in (shelf / "models").glob("*"):
        if folder not in wanted:
            shutil.rmtree(folder, ignore_errors=True)


def storable(text: str) -> str:
    """Replace the character that no database stores."""
    return text.replace("\x00", "\ufffd")
