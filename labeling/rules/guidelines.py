"""Guidelines and forms: the versions there are, and publishing the next guideline."""

import re
from collections.abc import Sequence
from functools import lru_cache
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils.text import slugify

from labeling.errors import InvalidInput
from labeling.models import Acknowledgement, Form, Guideline, Labeler, TaskKind, User
from labeling.rules import audit
from labeling.rules.access import Action, ensure
from labeling.rules.form_texts import FORMS
from labeling.rules.guideline_texts import CRITERIA_IN_ORDER, TITLES_AND_BODIES
from labeling.rules.texts import check_text

MAX_CRITERIA = 6
HEADING = re.compile(r"^#{1,6}[ \t]+(.+?)[ \t]*#*$", re.MULTILINE)


def section_id(heading: str) -> str:
    """Return the name under which a heading of a document can be linked to."""
    return f"section-{slugify(heading, allow_unicode=True)}"


@lru_cache(maxsize=64)
def sections(body: str) -> frozenset[str]:
    """Return the names of all headings of a document; a version of a guideline never changes."""
    return frozenset(section_id(heading) for heading in HEADING.findall(body))


def section_about(label: str, guideline: Guideline | None) -> str:
    """Return the name of the guideline's section with the words of a question, empty where there is none."""
    name = section_id(label)
    return name if guideline is not None and name in sections(guideline.body) else ""


def ensure_defaults() -> None:
    """Make version 1 of the guideline and the form of each kind that has none yet and a text for it."""
    for kind in TITLES_AND_BODIES:
        try:
            with transaction.atomic():
                if not Guideline.objects.filter(kind=kind).exists():
                    title, body = TITLES_AND_BODIES[kind]
                    criteria = CRITERIA_IN_ORDER.get(kind, [])
                    Guideline.objects.create(kind=kind, version=1, title=title, body=body, criteria=criteria)
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
def publish_guideline(
    *, kind: str, title: str, body: str, by: User, criteria: Sequence[str] | None = None
) -> Guideline:
    """Publish the next version of a kind's guideline. Batches keep the version they were made under.

    `criteria` is what counts, most important first; those of the newest version where none are given.
    Raises InvalidInput for what does not fit, and where nothing changed.
    """
    ensure(by, Action.PUBLISH_GUIDELINES)
    if kind not in TaskKind.values:
        raise InvalidInput(
            f'kind "{kind}" is not one of {", ".join(TaskKind.values)}.', fields={"kind": "unknown"}
        )
    title, body = check_text(title, field="title").strip(), check_text(body, field="body").strip()
    faults = {field: "is empty" for field, text in (("title", title), ("body", body)) if not text}
    wanted = None if criteria is None else [check_text(each, field="criteria").strip() for each in criteria]
    if wanted is not None and (
        len(wanted) > MAX_CRITERIA or not all(1 <= len(each) <= 80 for each in wanted)
    ):
        faults["criteria"] = (
            f"has {len(wanted)} lines; at most {MAX_CRITERIA} of 1 to 80 characters are allowed"
        )
    if len(title) > 120:
        faults["title"] = f"has {len(title)} characters, at most 120 are allowed"
    if faults:
        raise InvalidInput("A guideline needs a title of at most 120 characters and a body.", fields=faults)
    publish_in_turn(Guideline, kind)
    newest = current_guideline(kind)
    new = {"title": title, "body": body, "criteria": newest.criteria if wanted is None else wanted}
    if new == {name: getattr(newest, name) for name in new}:
        raise InvalidInput(f"Nothing differs from version {newest.version}, so there is nothing to publish.")
    guideline = Guideline.objects.create(kind=kind, version=newest.version + 1, **new)
    audit.record(actor=by, action="publish_guideline", obj=guideline, kind=kind, version=guideline.version)
    return guideline


def publish_in_turn(versions: type[Guideline | Form], kind: str) -> None:
    """Let one person at a time publish for a kind, until the transaction ends: all wait for version 1."""
    ensure_defaults()
    versions.objects.select_for_update().get(kind=kind, version=1)


def by_code(code: UUID) -> Guideline | None:
    """Return one version of a guideline, None if there is none of that code."""
    return Guideline.objects.filter(code=code).first()


def acknowledge(*, guideline: Guideline, labeler: Labeler) -> Acknowledgement:
    """Record that a labeler has read a version; the same one again changes nothing."""
    acknowledgement, _ = Acknowledgement.objects.get_or_create(guideline=guideline, labeler=labeler)
    return acknowledgement


def known_before(*, guideline: Guideline, labeler: Labeler) -> Guideline | None:
    """Return the older version that this labeler worked under, None for whoever is new to the kind."""
    older = Guideline.objects.filter(kind=guideline.kind, version__lt=guideline.version).order_by("-version")
    acknowledged = older.filter(acknowledgements__labeler=labeler).first()
    if acknowledged is not None:
        return acknowledged
    return older.filter(batches__assignments__labeler=labeler).distinct().first()
