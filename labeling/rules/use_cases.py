"""Use cases: entered by staff, written about by labelers, retired when they have served."""

from django.db import transaction
from django.utils import timezone

from labeling.errors import InvalidInput
from labeling.models import UseCase, User
from labeling.rules import audit
from labeling.rules.access import Action, ensure
from labeling.rules.texts import check_text

MAX_CHARACTERS = 4000


@transaction.atomic
def add_use_case(*, text: str, by: User) -> UseCase:
    """Add a use case. Raises InvalidInput for an empty or too long text, or one that stands already."""
    ensure(by, Action.MANAGE_USE_CASES)
    text = check_text(text, field="text").strip()
    if not 1 <= len(text) <= MAX_CHARACTERS:
        raise InvalidInput(
            f"A use case has 1 to {MAX_CHARACTERS} characters, this one has {len(text)}.",
            fields={"text": "is empty" if not text else "is too long"},
        )
    if UseCase.objects.current().filter(text=text).exists():
        raise InvalidInput("This use case stands already.", fields={"text": "stands already"})
    use_case = UseCase.objects.create(text=text, created_by=by)
    audit.record(actor=by, action="add_use_case", obj=use_case)
    return use_case


@transaction.atomic
def retire_use_case(*, use_case: UseCase, by: User) -> UseCase:
    """Offer a use case to no further batch. Tasks that have it keep it; retiring twice changes nothing."""
    ensure(by, Action.MANAGE_USE_CASES)
    changed = UseCase.objects.current().filter(pk=use_case.pk).update(retired_at=timezone.now())
    if changed:
        audit.record(actor=by, action="retire_use_case", obj=use_case)
    use_case.refresh_from_db()
    return use_case
