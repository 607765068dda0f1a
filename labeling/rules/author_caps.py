"""The cap on the prompts of one customer: what is beyond it is kept and held, and freed by a higher cap.

Ouyang et al. 2022, sec. 3.2: about 200 prompts for each user of the API. Labelers are asked to write theirs,
so the cap is not for them.
"""

from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet, Window
from django.db.models.functions import RowNumber

from labeling.errors import Conflict, InvalidInput
from labeling.models import AuthorCap, Prompt, PromptSource, User
from labeling.models.prompts import PromptQuerySet
from labeling.rules import audit
from labeling.rules.access import Action, ensure
from labeling.rules.intake import let_one_import_write

OVER_CAP = "over_cap"
DEFAULT_CAP = 200
MAX_CAP = 1_000_000


@dataclass(frozen=True)
class CapChange:
    """How many prompts a cap holds that are in use, and how many it frees that are held."""

    held: int
    lifted: int


def current_cap() -> int:
    """Return the cap in force."""
    newest = AuthorCap.objects.order_by("-id").values_list("cap", flat=True).first()
    return DEFAULT_CAP if newest is None else newest


def applies_to(source: str) -> bool:
    """Return whether prompts of a source are counted against their author's cap."""
    return source != PromptSource.LABELER


def look_at_cap(cap: int) -> CapChange:
    """Count what a cap would hold and free."""
    return CapChange(held=_to_hold(cap).count(), lifted=_to_lift(cap).count())


@transaction.atomic
def change_author_cap(*, cap: int, by: User | None) -> CapChange:
    """Set the cap, hold each author's prompts beyond it and free those within it; nothing is lost.

    An import that runs meanwhile works by the new cap from its next chunk on. `by` is None for a command.
    """
    if by is not None:
        ensure(by, Action.IMPORT)
    if not 0 <= cap <= MAX_CAP:
        raise InvalidInput(f"The cap is {cap}; it must be 0 to {MAX_CAP}.", fields={"cap": "out of range"})
    let_one_import_write()
    before = current_cap()
    if by is not None and cap == before:
        raise Conflict(f"The cap is {cap} already; nothing was changed.")
    setting = AuthorCap.objects.create(cap=cap, set_by=by)
    change = apply_author_cap(cap)
    audit.record(
        actor=by,
        action="change_author_cap",
        obj=setting,
        cap=cap,
        before=before,
        held=change.held,
        lifted=change.lifted,
    )
    return change


@transaction.atomic
def apply_author_cap(cap: int) -> CapChange:
    """Hold each author's prompts beyond the first `cap` and free those within it, in two statements."""
    held = _to_hold(cap).update(held_reason=OVER_CAP)
    return CapChange(held=held, lifted=_to_lift(cap).update(held_reason=""))


def _to_hold(cap: int) -> PromptQuerySet:
    return Prompt.objects.filter(held_reason="", pk__in=_beyond(cap))


def _to_lift(cap: int) -> PromptQuerySet:
    return Prompt.objects.filter(held_reason=OVER_CAP).exclude(pk__in=_beyond(cap))


def _beyond(cap: int) -> QuerySet[Any, Any]:
    """Return the keys of all that a cap counts and that stand behind their author's oldest `cap` prompts."""
    rows = Prompt.objects.filter(held_reason__in=("", OVER_CAP)).exclude(source=PromptSource.LABELER)
    place = Window(RowNumber(), partition_by=F("author_key"), order_by=F("id").asc())
    return rows.order_by().annotate(place=place).filter(place__gt=cap).values("pk")
