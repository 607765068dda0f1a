"""Guidelines and forms: versions, and which questions a prompt calls for."""

from typing import Any

from django.db import IntegrityError, transaction

from labeling.errors import InvalidInput
from labeling.models import Form, Guideline, Prompt, TaskKind, User
from labeling.rules import audit
from labeling.rules.access import Action, ensure
from labeling.rules.guideline_texts import FORMS, TITLES_AND_BODIES
from labeling.rules.texts import check_text


def ensure_defaults() -> None:
    """Make version 1 of the guideline and the form of each kind that has none."""
    for kind in TaskKind.values:
        try:
            with transaction.atomic():
                if not Guideline.objects.filter(kind=kind).exists():
                    title, body = TITLES_AND_BODIES[kind]
                    Guideline.objects.create(kind=kind, version=1, title=title, body=body)
                if not Form.objects.filter(kind=kind).exists():
                    Form.objects.create(kind=kind, version=1, schema=FORMS[kind])
        except IntegrityError:  # made by someone else at the same moment
            continue


def current_guideline(kind: str) -> Guideline:
    """Return the newest guideline of a kind, made from the default text if there is none."""
    guideline = Guideline.objects.current(kind)
    if guideline is None:
        ensure_defaults()
        guideline = Guideline.objects.get(kind=kind)
    return guideline


def current_form(kind: str) -> Form:
    """Return the newest form of a kind, made from the default questions if there is none."""
    form = Form.objects.current(kind)
    if form is None:
        ensure_defaults()
        form = Form.objects.get(kind=kind)
    return form


@transaction.atomic
def publish_guideline(*, kind: str, title: str, body: str, by: User) -> Guideline:
    """Publish the next version of a kind's guideline. Batches keep the version they were made under."""
    ensure(by, Action.PUBLISH_GUIDELINES)
    if kind not in TaskKind.values:
        raise InvalidInput(
            f'kind "{kind}" is not one of {", ".join(TaskKind.values)}.', fields={"kind": "unknown"}
        )
    title, body = check_text(title, field="title").strip(), check_text(body, field="body").strip()
    faults = {field: "is empty" for field, text in (("title", title), ("body", body)) if not text}
    if len(title) > 120:
        faults["title"] = f"has {len(title)} characters, at most 120 are allowed"
    if faults:
        raise InvalidInput("A guideline needs a title of at most 120 characters and a body.", fields=faults)
    newest = current_guideline(kind)
    guideline = Guideline.objects.create(kind=kind, version=newest.version + 1, title=title, body=body)
    audit.record(actor=by, action="publish_guideline", obj=guideline, kind=kind, version=guideline.version)
    return guideline


def asked_flags(*, form: Form | None, prompt: Prompt) -> list[dict[str, Any]]:
    """Return the form's flags that this prompt calls for: those without `when`, or whose tag is yes."""
    flags = form.schema.get("flags", []) if form is not None else []
    return [flag for flag in flags if not flag.get("when") or prompt.tags.get(flag["when"]) is True]
