"""Conversations in the playground, in each state that a page can show."""

from labeling.models import User
from labeling.rules.prompt_sources import current_notice, publish_notice
from training.models import Conversation, Model, Reply, ReplyState
from training.rules import playground
from training.rules.playground_policies import talkers
from training.rules.playground_votes import vote

NOTICE = "What you write here may be read by people, and used to **train** models.\n\n- Leave out names."
LONG = "A very long reply goes on and on, with `code`, **bold words** and\n\n- a list\n- of things\n\n" * 40
HOSTILE = "<script>alert('no')</script> " + "unbroken" * 60 + " \u202e turned around"


def add_talks(owner: User) -> dict[str, Conversation]:
    """Talk side by side, wait without a worker, fail, and vote blind, before and after."""
    notice = current_notice() or publish_notice(by=owner, body=NOTICE)
    pair = list(talkers()[:2])
    talks = {
        "playground-side-by-side": _talk(owner, pair, consent=notice.version),
        "playground-failed": _talk(owner, pair[:1]),
        "playground-blind": _talk(owner, pair, mode=Conversation.Mode.BLIND),
        "playground-voted": _talk(owner, pair, mode=Conversation.Mode.BLIND),
        "playground-waiting": _talk(owner, pair),
    }
    _ask(talks["playground-side-by-side"], "Why is the *sky* blue?", ReplyState.DONE, "Because.", LONG)
    _ask(talks["playground-side-by-side"], "Shorter, please: " + "very " * 200, ReplyState.CUT, HOSTILE, "")
    _ask(talks["playground-failed"], "Name a bird.", ReplyState.FAILED, "A rob", reason="Its worker stopped.")
    for name in ("playground-blind", "playground-voted"):
        _ask(talks[name], "Name a tree.", ReplyState.DONE, "An oak.", "A tall old oak by the river.")
    vote(conversation=talks["playground-voted"], choice="B", by=owner)
    playground.send_prompt(conversation=talks["playground-waiting"], text="Anybody there?", by=owner)
    return talks


def _talk(owner: User, models: list[Model], **fields: object) -> Conversation:
    return playground.start_conversation(owner=owner, models=models, **fields)  # type: ignore[arg-type]


def _ask(given: Conversation, text: str, state: ReplyState, *replies: str, reason: str = "") -> None:
    turn = playground.send_prompt(conversation=given, text=text, by=given.owner)
    for reply, said in zip(turn.replies.order_by("side__position"), replies, strict=True):
        Reply.objects.filter(pk=reply.pk).update(
            state=state, text=said, tokens=len(said.split()), reason=reason, attempt=1,
            first_text_at=reply.queued_at, finished_at=reply.queued_at,
        )  # fmt: skip
