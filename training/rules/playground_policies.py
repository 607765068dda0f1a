"""Who can be talked to in the playground: registered policies and pairs of them, and how they may sample."""

import random
from collections.abc import Sequence

from django.conf import settings

from labeling.errors import InvalidInput
from training.models import Conversation, Model, ModelKind, ModelStatus
from training.models.models import ModelQuerySet
from training.rules.run_lengths import context_of

MAX_SIDES = 4
MAX_TEMPERATURE = 2.0
USUAL_TOKENS = 256


def talkers() -> ModelQuerySet:
    """Return the policies that can be talked to, newest first: their weights are there and not archived."""
    return Model.objects.usable().policies().order_by("-pk")


def before_of(model: Model) -> Model | None:
    """Return the supervised policy that a policy was trained from, by its lineage, if it can be talked to."""
    ancestor, seen = model.parent, {model.pk}
    while ancestor is not None and ancestor.pk not in seen:
        seen.add(ancestor.pk)
        if ancestor.kind == ModelKind.SFT:
            return ancestor if ancestor.weights_deleted_at is None and is_usable(ancestor) else None
        ancestor = ancestor.parent
    return None


def is_usable(model: Model) -> bool:
    """Return whether a policy can be talked to."""
    gone = model.weights_deleted_at is not None or model.status == ModelStatus.ARCHIVED
    return not gone and model.policy_id is not None


def newest_pair() -> tuple[Model, Model] | None:
    """Return the newest policy trained by PPO and the supervised one it came from; None without any."""
    for after in talkers().of_kind(ModelKind.PPO).select_related("parent")[:20]:
        before = before_of(after)
        if before is not None:
            return before, after
    return None


def sides_of(mode: str, wanted: Sequence[Model]) -> list[Model]:
    """Return the policies of a conversation in the order of its sides.

    open: one to four as they are wanted. before_after: the supervised ancestor of the one wanted, or of the
    newest, then that one. blind: the two wanted, or two drawn, in an order that is drawn too.
    Raises InvalidInput where there are too many or too few, twice the same, or one that cannot be talked to.
    """
    if mode not in Conversation.Mode.values:
        raise InvalidInput(
            f"mode is {mode!r}; allowed is one of {', '.join(Conversation.Mode.values)}.",
            fields={"mode": "unknown"},
        )
    if gone := [model.name for model in wanted if not is_usable(model)]:
        raise _wrong(f"{', '.join(gone)} cannot be talked to: archived, without weights, or no policy")
    if len({model.pk for model in wanted}) < len(wanted):
        raise _wrong("each policy can take part once")
    if mode == Conversation.Mode.BEFORE_AFTER:
        return _before_and_after(wanted)
    if mode == Conversation.Mode.BLIND:
        return _drawn(wanted)
    if not 1 <= len(wanted) <= MAX_SIDES:
        raise _wrong(f"choose 1 to {MAX_SIDES} policies; {len(wanted)} are chosen")
    return list(wanted)


def _before_and_after(wanted: Sequence[Model]) -> list[Model]:
    if len(wanted) > 1:
        raise _wrong(f"before and after takes the later policy alone; {len(wanted)} are chosen")
    if not wanted:
        pair = newest_pair()
        if pair is None:
            raise _wrong("no policy here was trained from a supervised one that still has its weights")
        return list(pair)
    before = before_of(wanted[0])
    if before is None:
        raise _wrong(f"{wanted[0]} was not trained from a supervised policy that still has its weights")
    return [before, wanted[0]]


def _drawn(wanted: Sequence[Model]) -> list[Model]:
    if len(wanted) not in (0, 2):
        raise _wrong(f"a blind vote is between two policies, or two that are drawn; {len(wanted)} are chosen")
    chosen = list(wanted)
    if not chosen:
        keys = list(talkers().exclude(kind=ModelKind.BASE).values_list("pk", flat=True))
        if len(keys) < 2:
            raise _wrong("a blind vote needs two trained policies with their weights")
        chosen = list(Model.objects.filter(pk__in=random.sample(keys, 2)))
    random.shuffle(chosen)
    return chosen


def check_sampling(
    *, models: Sequence[Model], temperature: float, top_p: float, max_tokens: int | None, tells_names: bool
) -> int:
    """Return how many tokens a reply may have; None asks for what fits. Raises InvalidInput by field."""
    if not 0 <= temperature <= MAX_TEMPERATURE:
        text = f"temperature is {temperature:g}; allowed is 0 (the likeliest word) to {MAX_TEMPERATURE:g}."
        raise InvalidInput(text, fields={"temperature": text})
    if not 0 < top_p <= 1:
        text = f"top_p is {top_p:g}; allowed is more than 0, at most 1."
        raise InvalidInput(text, fields={"top_p": text})
    contexts = [(context, model) for model in models if (context := context_of(model)) is not None]
    most, why = settings.PLAYGROUND_MAX_TOKENS, ""
    if contexts:
        smallest, reader = min(contexts, key=lambda pair: pair[0])
        if smallest <= most:
            most = smallest - 1
            why = f", as {reader if tells_names else 'a policy here'} reads {smallest}"
    if max_tokens is None:
        return max(1, min(USUAL_TOKENS, (most + 1) // 2))
    if not 1 <= max_tokens <= most:
        text = f"max_tokens is {max_tokens}; allowed is 1 to {most}{why}."
        raise InvalidInput(text, fields={"max_tokens": text})
    return max_tokens


def _wrong(reason: str) -> InvalidInput:
    return InvalidInput(f"{reason[0].upper()}{reason[1:]}.", fields={"models": reason})
