"""Forms: which questions a version asks about a prompt and its responses, and publishing the next version."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from labeling.errors import InvalidInput
from labeling.models import LIKERT_MAX, LIKERT_MIN, Form, Prompt, TaskKind, User
from labeling.rules import audit, guidelines
from labeling.rules.access import Action, ensure
from labeling.rules.form_texts import PROMPT_FLAGS
from labeling.rules.texts import fault_in

Question = Mapping[str, Any]
PARTS = ("likert", "scales", "flags", "asks_category", "prompt_flags", "prompt_scales")
MAX_QUESTIONS = 24
MAX_LABEL, MAX_HELP = 80, 300
SCALE_MIN, SCALE_MAX, SCALE_POINTS = -3, 10, 11
KEY = re.compile(r"[a-z][a-z0-9_]{1,39}")


def questions(form: Form | None, part: str) -> list[dict[str, Any]]:
    """Return the questions of one part of a form, in order; none where there is no form."""
    found = form.schema.get(part) if form is not None else None
    return list(found) if isinstance(found, list) else []


def likert(form: Form | None) -> dict[str, Any]:
    """Return the question of overall quality, empty where the form does not ask it."""
    return dict(form.schema.get("likert") or {}) if form is not None else {}


def asks_category(form: Form | None) -> bool:
    return bool(form is not None and form.schema.get("asks_category"))


def asked_flags(
    *, form: Form | None, prompt: Prompt, answers: Mapping[str, bool] | None = None
) -> list[dict[str, Any]]:
    """Return the questions about each response that this prompt calls for.

    One with `when` is asked where that flag of the prompt is yes: as the labeler answered it in `answers`,
    else as the prompt is tagged.
    """
    tags = {**prompt.tags, **(answers or {})}
    return [
        flag for flag in questions(form, "flags") if not flag.get("when") or tags.get(flag["when"]) is True
    ]


def possible_flags(*, form: Form | None, prompt: Prompt) -> list[dict[str, Any]]:
    """Return the questions that are asked here or that an answer about the prompt may call for."""
    open_to_answer = {flag["key"] for flag in questions(form, "prompt_flags")}
    return [
        flag
        for flag in questions(form, "flags")
        if not flag.get("when") or flag["when"] in open_to_answer or prompt.tags.get(flag["when"]) is True
    ]


@dataclass(frozen=True)
class Change:
    """How one question differs between two versions; `before` or `after` is empty where it has none."""

    what: str
    question: str
    before: str = ""
    after: str = ""

    @property
    def is_new(self) -> bool:
        return not self.before

    @property
    def is_gone(self) -> bool:
        return not self.after


def changes(old: Form | None, new: Form) -> list[Change]:
    """Return what changed from one version to another, in the order of the newer one."""
    before, after = _described(old.schema if old else {}), _described(new.schema)
    found = [
        Change(what, label, before.get((what, label), ""), text)
        for (what, label), text in after.items()
        if before.get((what, label)) != text
    ]
    gone = [Change(*key, text) for key, text in before.items() if key not in after]
    return found + gone


def previous(form: Form) -> Form | None:
    """Return the version before this one."""
    return Form.objects.filter(kind=form.kind, version__lt=form.version).order_by("-version").first()


@transaction.atomic
def publish_form(*, kind: str, schema: Mapping[str, Any], by: User, note: str = "") -> Form:
    """Publish the next version of a kind's form. Batches keep the version they were made under.

    Raises InvalidInput naming each question that cannot be asked, and where nothing changed.
    """
    ensure(by, Action.PUBLISH_GUIDELINES)
    if kind not in TaskKind.values:
        raise InvalidInput(
            f'kind "{kind}" is not one of {", ".join(TaskKind.values)}.', fields={"kind": "unknown"}
        )
    cleaned = check_schema(schema)
    if fault_in(note) or len(note) > 300:
        raise InvalidInput("The note has at most 300 characters.", fields={"note": "too long"})
    guidelines.publish_in_turn(Form, kind)
    newest = guidelines.current_form(kind)
    if cleaned == check_schema(newest.schema):
        raise InvalidInput(f"Nothing differs from version {newest.version}, so there is nothing to publish.")
    form = Form.objects.create(kind=kind, version=newest.version + 1, schema=cleaned, note=note.strip())
    audit.record(actor=by, action="publish_form", obj=form, kind=kind, version=form.version)
    return form


def check_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema with every part in its canonical form. Raises InvalidInput naming each fault."""
    faults = {part: "is no part of a form" for part in schema if part not in PARTS}
    cleaned: dict[str, Any] = {}
    if schema.get("likert"):
        cleaned["likert"] = _scale({"key": "likert", **schema["likert"]}, "likert", faults)
        points = (cleaned["likert"]["min"], cleaned["likert"]["max"])
        if points != (LIKERT_MIN, LIKERT_MAX):
            faults["likert"] = f"runs from {LIKERT_MIN} to {LIKERT_MAX}, as the stored ratings do"
        cleaned["likert"].pop("key")
    for part in ("scales", "prompt_scales"):
        cleaned[part] = [_scale(each, f"{part}.{at}", faults) for at, each in _listed(schema, part, faults)]
    for part in ("flags", "prompt_flags"):
        cleaned[part] = [_flag(each, f"{part}.{at}", faults) for at, each in _listed(schema, part, faults)]
    cleaned["asks_category"] = schema.get("asks_category") is True
    for parts in (("scales", "flags"), ("prompt_scales", "prompt_flags")):
        keys = [(f"{part}.{at}", each["key"]) for part in parts for at, each in enumerate(cleaned[part])]
        for place, key in keys:
            if [other for _, other in keys].count(key) > 1:
                faults[f"{place}.key"] = f'"{key}" stands twice'
    known = {flag["key"] for flag in cleaned["prompt_flags"]} | PROMPT_FLAGS.keys()
    for at, flag in enumerate(cleaned["flags"]):
        if flag.get("when") and flag["when"] not in known:
            faults[f"flags.{at}.when"] = f'"{flag["when"]}" is no flag of a prompt'
    if faults:
        sentence = "; ".join(f"{place} {fault}" for place, fault in faults.items())
        raise InvalidInput(f"This form cannot be published: {sentence}.", fields=faults)
    return cleaned


def _listed(schema: Mapping[str, Any], part: str, faults: dict[str, str]) -> list[tuple[int, Question]]:
    given = schema.get(part) or []
    if not isinstance(given, list) or not all(isinstance(each, Mapping) for each in given):
        faults[part] = "is not a list of questions"
        return []
    if len(given) > MAX_QUESTIONS:
        faults[part] = f"has {len(given)} questions, at most {MAX_QUESTIONS} are allowed"
    return list(enumerate(given))


def _flag(given: Question, place: str, faults: dict[str, str]) -> dict[str, str]:
    flag = _worded(given, place, faults)
    when = str(given.get("when") or "").strip()
    return flag | {"when": when} if when else flag


def _worded(given: Question, place: str, faults: dict[str, str]) -> dict[str, str]:
    """Return key, label and help, trimmed."""
    key, label, text = (str(given.get(name) or "").strip() for name in ("key", "label", "help"))
    if not KEY.fullmatch(key):
        faults[f"{place}.key"] = "has 2 to 40 small letters, digits and underscores, a letter first"
    if not label or len(label) > MAX_LABEL or fault_in(label):
        faults[f"{place}.label"] = f"has 1 to {MAX_LABEL} characters"
    if len(text) > MAX_HELP or fault_in(text):
        faults[f"{place}.help"] = f"has at most {MAX_HELP} characters"
    return {"key": key, "label": label, "help": text}


def _scale(given: Question, place: str, faults: dict[str, str]) -> dict[str, Any]:
    words = _worded(given, place, faults)
    low, high = given.get("min"), given.get("max")
    fits = isinstance(low, int) and isinstance(high, int) and SCALE_MIN <= low < high <= SCALE_MAX
    if not fits or high - low >= SCALE_POINTS:  # type: ignore[operator]
        faults[place] = f"runs from {low} to {high}; allowed are whole numbers {SCALE_MIN} to {SCALE_MAX}"
        low, high = 0, 1
    anchors = given.get("anchors") or {}
    kept = {
        str(point): str(anchors[str(point)]).strip()[:MAX_LABEL]
        for point in range(int(low or 0), int(high or 0) + 1)
        if isinstance(anchors, Mapping) and str(anchors.get(str(point)) or "").strip()
    }
    return {**words, "min": low, "max": high, "anchors": kept}


def _described(schema: Mapping[str, Any]) -> dict[tuple[str, str], str]:
    """Say each question in words, so that two versions can be set side by side."""
    said: dict[tuple[str, str], str] = {}
    if schema.get("likert"):
        said["Each response", "Overall quality"] = _scale_in_words(schema["likert"])
    for part, what in (("scales", "Each response"), ("prompt_scales", "The prompt")):
        for scale in schema.get(part) or ():
            said[what, scale["key"]] = _scale_in_words(scale)
    for part, what in (("flags", "Each response"), ("prompt_flags", "The prompt")):
        for flag in schema.get(part) or ():
            when = f" Asked where the prompt is marked {flag['when']}." if flag.get("when") else ""
            said[what, flag["key"]] = f"{flag['label']}. {flag.get('help') or ''}{when}".strip()
    if schema.get("asks_category"):
        said["The prompt", "category"] = "Which of the ten use cases it is."
    return said


def _scale_in_words(scale: Question) -> str:
    anchors = "; ".join(f"{point} {text}" for point, text in (scale.get("anchors") or {}).items())
    return f"{scale.get('label') or 'Overall quality'}, {scale['min']} to {scale['max']}: {anchors}".strip(
        ": "
    )
