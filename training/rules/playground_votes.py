"""Blind votes: given once, before the names are shown, and counted by model when there are enough.

They stand apart from labels: no dataset, agreement or win rate reads them.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction

from labeling.errors import Conflict, InvalidInput, NotFound
from labeling.models import User
from labeling.rules import audit
from labeling.rules.access import Action, ensure
from training.models import Conversation, Model, ReplyState, Side, Vote
from training.rules.evaluations import clustered_share
from training.rules.playground import last_number, lock_person

TIE, BOTH_BAD = "tie", "both_bad"


@dataclass(frozen=True)
class Standing:
    """How a model fared in blind votes. Shares are None until there are enough votes.

    `share` counts a win as 1 and every tie, good or bad, as a half; votes of one person go together in the
    interval.
    """

    model: Model
    votes: int
    wins: int
    losses: int
    ties: int
    both_bad: int
    share: float | None
    low: float | None
    high: float | None


@transaction.atomic
def vote(*, conversation: Conversation, choice: str, by: User) -> Vote:
    """Record what the owner of a blind conversation found better: a letter, tie or both_bad.

    Raises Conflict where it is not blind, a vote was given, a reply to the last prompt is not finished or
    failed, or nothing was asked; InvalidInput for another choice.
    """
    ensure(by, Action.USE_PLAYGROUND)
    if conversation.owner_id != by.pk:
        raise NotFound("There is no such conversation of yours.")
    lock_person(by)
    conversation = Conversation.objects.get(pk=conversation.pk)
    if not conversation.is_blind:
        raise Conflict("Votes are given in blind conversations only.", code="not_blind")
    if Vote.objects.filter(conversation=conversation).exists():
        raise Conflict("You have voted on this conversation already.", code="voted_already")
    turn = conversation.turns.filter(number=last_number(conversation)).first()
    sides = list(conversation.sides.all())
    if turn is None or turn.replies.filter(state__in=(ReplyState.DONE, ReplyState.CUT)).count() < len(sides):
        raise Conflict("Vote when both replies to your last prompt are there.", code="unfinished")
    winner: Side | None = next((side for side in sides if side.letter == choice), None)
    if winner is None and choice not in (TIE, BOTH_BAD):
        allowed = ", ".join([*(side.letter for side in sides), TIE, BOTH_BAD])
        text = f"choice is {choice!r}; allowed is one of {allowed}."
        raise InvalidInput(text, fields={"choice": text})
    given = Vote.objects.create(
        conversation=conversation,
        turn=turn,
        verdict=Vote.Verdict.BETTER if winner else choice,
        winner=winner,
    )
    audit.record(actor=by, action="vote", obj=conversation)
    return given


def standings() -> list[Standing]:
    """Return every model with blind votes: those with enough first, by share, then those with fewer."""
    counts: dict[int, Counter[str]] = defaultdict(Counter)
    scores: dict[int, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    rows = Vote.objects.select_related("conversation").prefetch_related("conversation__sides")
    for each in rows:
        for side in each.conversation.sides.all():
            outcome = each.verdict
            if each.winner_id is not None:
                outcome = "win" if side.pk == each.winner_id else "loss"
            counts[side.model_id][outcome] += 1
            score = {"win": 1.0, "loss": 0.0}.get(outcome, 0.5)
            scores[side.model_id][each.conversation.owner_id].append(score)
    models = Model.objects.in_bulk(counts)
    found = [_standing(models[key], counts[key], list(scores[key].values())) for key in counts]
    return sorted(found, key=lambda row: (row.share is None, -(row.share or 0.0), -row.votes, row.model.name))


def _standing(model: Model, counts: Counter[str], clusters: list[list[float]]) -> Standing:
    votes = counts.total()
    is_enough = votes >= settings.PLAYGROUND_VOTES_SHOWN
    share, low, high = clustered_share(clusters) if is_enough else (None, None, None)
    return Standing(
        model, votes, counts["win"], counts["loss"], counts[Vote.Verdict.TIE], counts[Vote.Verdict.BOTH_BAD],
        share, low, high,
    )  # fmt: skip
