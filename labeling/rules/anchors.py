"""Anchors: sets of fixed comparisons, made from prompts that two policies have answered, retired when old."""

import random

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from labeling.errors import Conflict, InvalidInput
from labeling.models import Anchor, AnchorResponse, AnchorSet, Policy, Prompt, Response, Split, TaskKind, User
from labeling.rules import audit
from labeling.rules.access import Action, ensure
from labeling.rules.texts import check_text

MAX_ANCHORS = 200


def prompts_for(*, kind: str, watched: Policy, against: Policy) -> QuerySet[Prompt]:
    """Return the prompts both policies have answered and labelers of this kind may see."""
    prompts = Prompt.objects.usable().filter(has_pii=False)
    if not TaskKind(kind).is_evaluation:
        prompts = prompts.exclude(split=Split.TEST)
    for policy in (watched, against):
        prompts = prompts.filter(Exists(Response.objects.filter(prompt=OuterRef("pk"), policy=policy)))
    return prompts


@transaction.atomic
def make_anchor_set(
    *,
    name: str,
    watched: Policy,
    against: Policy,
    count: int,
    by: User,
    kind: str = TaskKind.COMPARISON,
    description: str = "",
    seed: int = 0,
) -> AnchorSet:
    """Draw prompts that two policies answered and fix one response of each, for instance SFT and a reference.

    The first policy's is the one whose win share is watched. Raises InvalidInput naming what does not fit,
    and where fewer prompts have both responses than are wanted.
    """
    ensure(by, Action.MANAGE_BATCHES)
    name = check_text(name, field="name").strip()
    faults: dict[str, str] = {}
    if not 1 <= len(name) <= 120:
        faults["name"] = f"has {len(name)} characters, 1 to 120 are allowed"
    elif AnchorSet.objects.filter(name=name).exists():
        faults["name"] = "is taken; choose another"
    if kind not in TaskKind.values or not TaskKind(kind).is_ranked:
        faults["kind"] = "must be one whose responses are ranked"
    if watched == against:
        faults["against"] = "is the same policy; a comparison needs two"
    if not 1 <= count <= MAX_ANCHORS:
        faults["count"] = f"is {count}, must be 1 to {MAX_ANCHORS}"
    if not faults:
        ids = list(
            prompts_for(kind=kind, watched=watched, against=against)
            .order_by("pk")
            .values_list("pk", flat=True)
        )
        if len(ids) < count:
            faults["count"] = f"is {count}, but only {len(ids)} prompts have a response of both"
    if faults:
        sentence = "; ".join(f"{field} {fault}" for field, fault in faults.items())
        raise InvalidInput(f"These anchors cannot be made: {sentence}.", fields=faults)
    chosen = random.Random(seed).sample(ids, count)
    made = AnchorSet.objects.create(
        name=name, kind=kind, description=check_text(description, field="description")[:300], created_by=by
    )
    for prompt in Prompt.objects.filter(pk__in=chosen).order_by("pk"):
        anchor = Anchor.objects.create(anchor_set=made, prompt=prompt)
        for position, policy in enumerate((watched, against)):
            response = prompt.responses.filter(policy=policy).order_by("index", "pk").first()
            assert response is not None  # the prompt was chosen for having one
            AnchorResponse.objects.create(anchor=anchor, response=response, position=position)
    audit.record(
        actor=by, action="make_anchors", obj=made, name=name, anchors=count, watched=watched.name,
        against=against.name,
    )  # fmt: skip
    return made


@transaction.atomic
def retire_anchor_set(*, anchor_set: AnchorSet, by: User) -> None:
    """Offer a set for no further batch. Raises Conflict if that was done already."""
    ensure(by, Action.MANAGE_BATCHES)
    if AnchorSet.objects.current().filter(pk=anchor_set.pk).update(retired_at=timezone.now()) != 1:
        raise Conflict("These anchors were retired already.", code="anchors_retired")
    audit.record(actor=by, action="retire_anchors", obj=anchor_set, name=anchor_set.name)
