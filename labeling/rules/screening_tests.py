"""Screening tests: drafted, filled with items and reference answers, published as a version."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from labeling.errors import Conflict, InvalidInput
from labeling.models import MAX_K, MIN_K, ScreeningItem, ScreeningTest, User
from labeling.rules import audit
from labeling.rules.access import Action, ensure
from labeling.rules.screening_texts import EXAMPLE_ITEMS, GROUPS, INTRODUCTION, TOPICS
from labeling.rules.texts import check_text

Part, Use = ScreeningItem.Part, ScreeningItem.Use
SETTINGS = ("title", "introduction", "flagging_cutoff", "ranking_cutoff", "demonstration_cutoff")
MAX_CHOICES = 60


@transaction.atomic
def create_test(*, by: User, source: ScreeningTest | None = None, example: bool = False) -> ScreeningTest:
    """Start a draft: a copy of `source`, or empty, or with the shipped example items to be replaced."""
    ensure(by, Action.BUILD_SCREENING)
    test = ScreeningTest.objects.create(
        title=source.title if source else "Screening",
        introduction=source.introduction if source else INTRODUCTION,
        topics=source.topics if source else list(TOPICS),
        groups=source.groups if source else list(GROUPS),
        created_by=by,
        **({name: getattr(source, name) for name in SETTINGS if name.endswith("_cutoff")} if source else {}),
    )
    if source is not None:
        for item in source.items.all():
            add_item(test=test, by=by, **item_content(item))
    elif example:
        for content in EXAMPLE_ITEMS:
            add_item(test=test, by=by, **content)
    audit.record(actor=by, action="create_screening_test", obj=test)
    return test


@transaction.atomic
def change_test(*, test: ScreeningTest, by: User, **settings: Any) -> ScreeningTest:
    """Change a draft's texts, cut-offs, topics or groups. Raises Conflict once it is published."""
    ensure(by, Action.BUILD_SCREENING)
    _ensure_draft(test)
    for name in ("flagging_cutoff", "ranking_cutoff"):
        if name in settings and not 0 <= settings[name] <= 1:
            raise InvalidInput("A share is between 0 and 100 %.", fields={name: "0 to 100 %"})
    if "demonstration_cutoff" in settings and not 1 <= settings["demonstration_cutoff"] <= 7:
        raise InvalidInput("Grades are between 1 and 7.", fields={"demonstration_cutoff": "1 to 7"})
    for name in ("topics", "groups"):
        if name in settings:
            settings[name] = _choices(settings[name], name)
    for name, value in settings.items():
        setattr(test, name, check_text(value, field=name) if isinstance(value, str) else value)
    test.save(update_fields=list(settings))
    audit.record(actor=by, action="change_screening_test", obj=test, settings=sorted(settings))
    return test


@transaction.atomic
def add_item(
    *,
    test: ScreeningTest,
    by: User,
    part: str,
    text: str,
    use: str = Use.COUNTED,
    reference: Mapping[str, Any] | None = None,
    responses: Sequence[str] = (),
    explanation: str = "",
) -> ScreeningItem:
    """Add an item to a draft. Raises InvalidInput where the reference answer does not fit the part."""
    ensure(by, Action.BUILD_SCREENING)
    _ensure_draft(test)
    content = _checked(part, use, text, reference or {}, responses, explanation)
    item = ScreeningItem.objects.create(test=test, **content)
    audit.record(actor=by, action="add_screening_item", obj=item, part=part)
    return item


@transaction.atomic
def change_item(*, item: ScreeningItem, by: User, **content: Any) -> ScreeningItem:
    """Replace the content of a draft's item; its part stays. Raises as `add_item`."""
    ensure(by, Action.BUILD_SCREENING)
    _ensure_draft(item.test)
    merged = {**item_content(item), **content, "part": item.part}
    for name, value in _checked(**merged).items():
        setattr(item, name, value)
    item.save()
    audit.record(actor=by, action="change_screening_item", obj=item, part=item.part)
    return item


@transaction.atomic
def remove_item(*, item: ScreeningItem, by: User) -> None:
    """Take an item out of a draft. Raises Conflict once it is published."""
    ensure(by, Action.BUILD_SCREENING)
    _ensure_draft(item.test)
    audit.record(actor=by, action="remove_screening_item", obj=item, part=item.part)
    item.delete()


@transaction.atomic
def publish_test(*, test: ScreeningTest, by: User) -> ScreeningTest:
    """Freeze a draft as the next version, which the next labelers take.

    Raises Conflict if it is published already, InvalidInput while a part has no counted item.
    """
    ensure(by, Action.BUILD_SCREENING)
    _ensure_draft(test)
    counted = set(test.items.filter(use=Use.COUNTED).values_list("part", flat=True))
    lacking = [Part(part).label for part in Part.values if part not in counted]
    if lacking:
        raise InvalidInput(
            f"Each part needs at least one counted item; missing: {', '.join(lacking)}.",
            fields={"items": "incomplete"},
        )
    version = (ScreeningTest.objects.aggregate(last=Max("version"))["last"] or 0) + 1
    changed = ScreeningTest.objects.filter(pk=test.pk, published_at=None).update(
        version=version, published_at=timezone.now(), published_by=by
    )
    if changed != 1:
        raise Conflict("This test was published a moment ago.")
    test.refresh_from_db()
    audit.record(actor=by, action="publish_screening_test", obj=test, version=version)
    return test


@transaction.atomic
def remove_test(*, test: ScreeningTest, by: User) -> None:
    """Throw a draft away. Raises Conflict once it is published: results refer to it."""
    ensure(by, Action.BUILD_SCREENING)
    _ensure_draft(test)
    audit.record(actor=by, action="remove_screening_test", obj=test)
    test.delete()


def item_content(item: ScreeningItem) -> dict[str, Any]:
    """Return what an item is made of, as `add_item` takes it."""
    names = ("part", "use", "text", "reference", "responses", "explanation")
    return {name: getattr(item, name) for name in names}


def _ensure_draft(test: ScreeningTest) -> None:
    if test.published_at is not None:
        raise Conflict(
            f"Version {test.version} is published and stays as it is; make a new version from it.",
            code="screening_published",
        )


def _checked(
    part: str, use: str, text: str, reference: Mapping[str, Any], responses: Sequence[str], explanation: str
) -> dict[str, Any]:
    if part not in Part.values:
        raise InvalidInput(f'"{part}" is not a part with items.', fields={"part": "unknown"})
    if use not in Use.values:
        raise InvalidInput(f'"{use}" is not a use of an item.', fields={"use": "unknown"})
    if not check_text(text, field="text").strip():
        raise InvalidInput("The item is empty.", fields={"text": "empty"})
    responses = [check_text(response, field="responses") for response in responses]
    if part == Part.FLAGGING:
        if not isinstance(reference.get("is_sensitive"), bool):
            raise InvalidInput(
                "Say whether researchers flag this text.", fields={"reference": "is_sensitive is missing"}
            )
        reference, responses = {"is_sensitive": reference["is_sensitive"]}, []
    elif part == Part.RANKING:
        if not MIN_K <= len(responses) <= MAX_K or not all(response.strip() for response in responses):
            raise InvalidInput(
                f"A ranking needs {MIN_K} to {MAX_K} responses, none of them empty.",
                fields={"responses": f"{len(responses)} given"},
            )
        ranks = check_ranks(reference.get("ranks"), len(responses))
        if len(set(ranks)) == 1:
            raise InvalidInput(
                "The researchers' ranking ties everything; nothing could be compared with it.",
                fields={"ranks": "all tied"},
            )
        reference = {"ranks": ranks}
    else:
        reference, responses = {}, []
    if use == Use.TRAINING and not explanation.strip():
        raise InvalidInput(
            "A training item explains the researchers' answer; the labeler reads it at once.",
            fields={"explanation": "empty"},
        )
    return {
        "part": part,
        "use": use,
        "text": text,
        "reference": dict(reference),
        "responses": responses,
        "explanation": check_text(explanation, field="explanation"),
    }


def check_ranks(ranks: Any, k: int) -> list[int]:
    """Return `ranks` as a list of k numbers from 1 to k; raise InvalidInput where they are not."""
    if (
        not isinstance(ranks, list)
        or len(ranks) != k
        or not all(isinstance(rank, int) and not isinstance(rank, bool) and 1 <= rank <= k for rank in ranks)
    ):
        raise InvalidInput(
            f"Give each of the {k} responses a rank from 1 (best) to {k}; equal ranks are a tie.",
            fields={"ranks": f"{k} numbers from 1 to {k}"},
        )
    return ranks


def _choices(values: Sequence[str], name: str) -> list[str]:
    found = list(dict.fromkeys(check_text(value, field=name).strip()[:80] for value in values))
    found = [value for value in found if value]
    if not 1 <= len(found) <= MAX_CHOICES:
        raise InvalidInput(f"Name 1 to {MAX_CHOICES} {name}.", fields={name: f"{len(found)} given"})
    return found
