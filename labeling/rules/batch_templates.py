"""Templates of batches: saved by staff, offered for the next one; and a batch as the start of its like."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from labeling.errors import Conflict, InvalidInput
from labeling.models import Batch, BatchTemplate, TaskKind, User
from labeling.rules import audit
from labeling.rules.access import Action, ensure
from labeling.rules.batch_tasks import overlaps_of
from labeling.rules.texts import check_text

MAX_NAME = 120


@transaction.atomic
def save_template(*, name: str, kind: str, values: Mapping[str, Any], by: User) -> BatchTemplate:
    """Keep the values of the batch form under a name. Raises InvalidInput for a taken or empty name."""
    ensure(by, Action.MANAGE_BATCHES)
    name = check_text(name, field="name").strip()
    if not 1 <= len(name) <= MAX_NAME:
        raise InvalidInput(
            f"A template's name has 1 to {MAX_NAME} characters, this one has {len(name)}.",
            fields={"name": "length"},
        )
    if kind not in TaskKind.values:
        raise InvalidInput(f'kind "{kind}" is unknown.', fields={"kind": "unknown"})
    if BatchTemplate.objects.current().filter(name=name).exists():
        raise InvalidInput(
            f"There is a template “{name}” already; choose another name.", fields={"name": "taken"}
        )
    kept = {key: value for key, value in values.items() if key not in ("name", "deadline_at")}
    template = BatchTemplate.objects.create(name=name, kind=kind, values=kept, created_by=by)
    audit.record(actor=by, action="save_batch_template", obj=template, name=name, kind=kind)
    return template


@transaction.atomic
def archive_template(*, template: BatchTemplate, by: User) -> None:
    """Offer a template no more. Raises Conflict if that was done already."""
    ensure(by, Action.MANAGE_BATCHES)
    changed = BatchTemplate.objects.current().filter(pk=template.pk).update(archived_at=timezone.now())
    if changed != 1:
        raise Conflict("This template was archived already.", code="template_archived")
    audit.record(actor=by, action="archive_batch_template", obj=template, name=template.name)


def values_of(batch: Batch) -> dict[str, Any]:
    """Return a batch as the values of the form that would make its like: all but name and deadline."""
    choice: Mapping[str, Any] = batch.settings.get("choice") or {}
    anchors: Mapping[str, Any] = batch.settings.get("anchors") or {}
    shares = {str(share["policy"]): share for share in choice.get("shares", ())}
    values: dict[str, Any] = {
        "kind": batch.kind,
        "count": batch.settings.get("count") or batch.tasks.filter(is_anchor=False).count() or 50,
        "is_fresh": choice.get("is_fresh", True),
        "k": batch.k,
        "baseline": batch.baseline_id,
        "presort": batch.settings.get("presort") or "",
        "reads_first": batch.settings.get("reads_first") or "",
        "gives_feedback": batch.settings.get("gives_feedback") or "",
        "labeler_cap": batch.labeler_cap or "",
        "cohorts": list(batch.cohorts),
        "overlap": overlaps_of(batch)["shared"],
        "shared_percent": round(100 * batch.shared_fraction, 2),
        "priority": batch.priority,
        "lease_minutes": round(batch.lease_seconds / 60),
        "anchor_set": anchors.get("set"),
        "anchor_overlap": anchors.get("overlap", 2),
    }
    for name in ("split", "source", "prompt_kind", "category", "language", "tags", "author_cap"):
        if choice.get(name):
            values[name] = choice[name]
    if batch.settings.get("prompt_kind"):
        values["written_kind"] = batch.settings["prompt_kind"]
    for policy in choice.get("policies", ()):
        values[f"share-{policy}"] = "fill"
    for policy, share in shares.items():
        values[f"share-{policy}"] = str(share["count"])
        if share.get("best_of"):
            values[f"best-{policy}"] = share["best_of"]
    return values
