"""What people decide about a model: promoted, archived, or its weights deleted while the record stays."""

from django.db import transaction
from django.utils import timezone

from labeling.errors import Conflict, InvalidInput
from labeling.models import User
from labeling.rules import audit
from training.models import Model, ModelStatus, Round, Run
from training.rules import artifacts


def promote_model(*, model: Model, by: User | None = None, reason: str = "") -> Model:
    """Make a model the one of its kind that forms offer first; the one before it is registered again.

    Raises Conflict where it is archived or its weights are gone.
    """
    with transaction.atomic():
        of_kind = Model.objects.select_for_update().filter(kind=model.kind).order_by("pk")
        locked = {row.pk: row for row in of_kind.only("name", "status", "weights_deleted_at")}[model.pk]
        if locked.weights_deleted_at is not None or locked.status == ModelStatus.ARCHIVED:
            what = "has no weights any more" if locked.weights_deleted_at else "is archived"
            raise Conflict(f"{locked} {what}, so it cannot be promoted.", code="model_state")
        Model.objects.filter(kind=model.kind, status=ModelStatus.PROMOTED).exclude(pk=locked.pk).update(
            status=ModelStatus.REGISTERED
        )
        _set(locked, ModelStatus.PROMOTED, reason)
        audit.record(actor=by, action="promote_model", obj=locked, reason=reason)
    return _fresh(model)


def archive_model(*, model: Model, reason: str, by: User | None = None) -> Model:
    """Take a model out of forms and lists; nothing is deleted. Raises InvalidInput without a reason."""
    _ensure_reason(reason)
    with transaction.atomic():
        _set(Model.objects.select_for_update().get(pk=model.pk), ModelStatus.ARCHIVED, reason)
        audit.record(actor=by, action="archive_model", obj=model, reason=reason)
    return _fresh(model)


def restore_model(*, model: Model, by: User | None = None) -> Model:
    """Take a model out of the archive, or take its promotion back."""
    with transaction.atomic():
        _set(Model.objects.select_for_update().get(pk=model.pk), ModelStatus.REGISTERED, "")
        audit.record(actor=by, action="restore_model", obj=model)
    return _fresh(model)


def delete_weights(*, model: Model, reason: str, by: User | None = None) -> Model:
    """Delete a model's weights for ever and archive it; its record, lineage and judgements stay.

    Raises InvalidInput without a reason, Conflict while a run reads it, an open round starts from it, or it
    is promoted. Doing it twice changes nothing.
    """
    _ensure_reason(reason)
    with transaction.atomic():
        locked = Model.objects.select_for_update().get(pk=model.pk)
        if locked.weights_deleted_at is not None:
            return _fresh(model)
        if obstacle := _why_needed(locked):
            raise Conflict(f"{locked} is needed: {obstacle}.", code="model_in_use")
        locked.weights_deleted_at = timezone.now()
        _set(locked, ModelStatus.ARCHIVED, reason)
        audit.record(actor=by, action="delete_weights", obj=locked, reason=reason)
        folder = locked.folder
        transaction.on_commit(lambda: artifacts.delete(folder) if folder else None)
    return _fresh(model)


def _why_needed(model: Model) -> str:
    if model.status == ModelStatus.PROMOTED:
        return "it is promoted; promote another one first"
    run = Run.objects.filter(inputs__model=model).exclude(pk__in=Run.objects.ended()).first()
    if run is not None:
        return f"{run} is {run.get_state_display().lower()} and reads it"
    given = Round.objects.open().filter(base_model=model).first()
    return f"{given} is open and starts from it" if given is not None else ""


def _ensure_reason(reason: str) -> None:
    if not 3 <= len(reason.strip()) <= 300:
        raise InvalidInput("Say why, in 3 to 300 characters.", fields={"reason": "3 to 300 characters"})


def _set(model: Model, status: ModelStatus, reason: str) -> None:
    model.status, model.status_reason = status, reason.strip()[:300]
    model.save(update_fields=["status", "status_reason", "weights_deleted_at"])


def _fresh(model: Model) -> Model:
    model.refresh_from_db()
    return model
