"""Editors of the next guideline and of the next form of a kind."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django import forms
from django.forms import formset_factory

from labeling.forms.areas import Area
from labeling.models import LIKERT_MAX, LIKERT_MIN, Form, Guideline
from labeling.rules.form_texts import PROMPT_FLAGS
from labeling.rules.forms import KEY, MAX_HELP, MAX_LABEL, SCALE_MAX, SCALE_MIN
from labeling.rules.guidelines import MAX_CRITERIA

if TYPE_CHECKING:
    from django.forms import BaseFormSet

    QuestionSet = BaseFormSet["FlagEditor"]

POINTS = range(LIKERT_MIN, LIKERT_MAX + 1)
KEY_FIELD = {
    "regex": rf"^{KEY.pattern}$",
    "error_messages": {"invalid": "Small letters, digits, underscores."},
}


class GuidelineEditor(forms.Form):
    """The next version of a guideline."""

    title = forms.CharField(max_length=120)
    criteria = forms.CharField(
        label="What counts, most important first",
        required=False,
        widget=Area(attrs={"rows": 3}),
        help_text=f"One line each, at most {MAX_CRITERIA}. They stand beside every task of this kind.",
    )
    body = forms.CharField(
        label="Instructions",
        strip=False,
        widget=Area(attrs={"rows": 22, "class": "mono"}),
        help_text="Markdown. A heading with the words of a question, such as “Makes things up”, is where "
        "that question leads.",
    )

    def lines(self) -> list[str]:
        """Return the criteria as written, one a line, blank lines left out."""
        return [line.strip() for line in self.cleaned_data["criteria"].splitlines() if line.strip()]


def guideline_values(guideline: Guideline) -> dict[str, str]:
    """Return the first values of an editor that starts from a version."""
    return {
        "title": guideline.title,
        "criteria": "\n".join(guideline.criteria),
        "body": guideline.body,
    }


class PartsEditor(forms.Form):
    """What a form has once: overall quality, the category, and why it is published."""

    has_likert = forms.BooleanField(label="Ask for overall quality, 1 to 7", required=False)
    likert_label = forms.CharField(label="Its words", max_length=MAX_LABEL, required=False)
    asks_category = forms.BooleanField(label="Ask for the prompt’s use case", required=False)
    note = forms.CharField(label="Why this version", max_length=300, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for point in POINTS:
            self.fields[f"anchor_{point}"] = forms.CharField(
                label=f"{point} means", max_length=MAX_LABEL, required=False
            )

    @property
    def anchors(self) -> list[forms.BoundField]:
        return [self[f"anchor_{point}"] for point in POINTS]


class FlagEditor(forms.Form):
    """One yes/no question."""

    key = forms.RegexField(**KEY_FIELD)  # type: ignore[arg-type]
    label = forms.CharField(max_length=MAX_LABEL)
    help = forms.CharField(max_length=MAX_HELP, required=False)


class ConditionalFlagEditor(FlagEditor):
    """One yes/no question about a response, perhaps only where the prompt calls for it."""

    when = forms.ChoiceField(label="Only if the prompt is", required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = {key: flag["label"] for key, flag in PROMPT_FLAGS.items()}
        current = str(self["when"].value() or "")
        own = {current: current} if KEY.fullmatch(current) and current not in known else {}
        field = self.fields["when"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [("", "Any"), *known.items(), *own.items()]


class ScaleEditor(FlagEditor):
    """One question answered on a scale of whole numbers."""

    min = forms.IntegerField(label="From", min_value=SCALE_MIN, max_value=SCALE_MAX)
    max = forms.IntegerField(label="To", min_value=SCALE_MIN, max_value=SCALE_MAX)
    anchors = forms.CharField(
        label="Words of the points",
        required=False,
        widget=Area(attrs={"rows": 2}),
        help_text="One line each: the number, a blank, its words.",
    )

    def clean_anchors(self) -> dict[str, str]:
        """Read the lines into a mapping from point to words."""
        lines = [line.strip() for line in self.cleaned_data["anchors"].splitlines() if line.strip()]
        pairs = [line.partition(" ") for line in lines]
        if any(not point.lstrip("-").isdecimal() or not words.strip() for point, _, words in pairs):
            raise forms.ValidationError("Each line is a number, a blank, and its words.")
        return {point: words.strip() for point, _, words in pairs}


EDITORS: dict[str, tuple[str, type[FlagEditor]]] = {
    "prompt_flags": ("Flags of the prompt", FlagEditor),
    "prompt_scales": ("Scales of the prompt", ScaleEditor),
    "flags": ("Questions about each response", ConditionalFlagEditor),
    "scales": ("Scales of each response", ScaleEditor),
}


def question_sets(
    schema: Mapping[str, Any], data: Mapping[str, Any] | None = None
) -> list[tuple[str, str, "QuestionSet"]]:
    """Return part, heading and rows of each list of questions, with one free row at the end of each."""
    found = []
    for part, (heading, editor) in EDITORS.items():
        rows = formset_factory(editor, extra=0 if data is not None else 1, can_delete=True, can_order=True)
        initial = [_row(question) for question in schema.get(part) or ()]
        found.append((part, heading, rows(data, prefix=part, initial=initial)))
    return found


def with_another_row(data: Any, part: str) -> Any:
    """Return what was posted with one more free row in a part."""
    more = data.copy()
    name = f"{part}-TOTAL_FORMS"
    if part in EDITORS and str(more.get(name, "")).isdecimal():
        more[name] = str(int(more[name]) + 1)
    return more


def parts_values(form: Form) -> dict[str, Any]:
    """Return the first values of the parts that a form has once."""
    likert = form.schema.get("likert") or {}
    anchors = likert.get("anchors") or {}
    return {
        "has_likert": bool(likert),
        "likert_label": likert.get("label", "Overall quality"),
        "asks_category": form.schema.get("asks_category") is True,
        **{f"anchor_{point}": anchors.get(str(point), "") for point in POINTS},
    }


def schema_of(parts: PartsEditor, sets: list[tuple[str, str, "QuestionSet"]]) -> dict[str, Any]:
    """Return the schema that valid editors describe, its questions in the order they were given."""
    data = parts.cleaned_data
    schema: dict[str, Any] = {"asks_category": data["asks_category"]}
    if data["has_likert"]:
        schema["likert"] = {
            "min": LIKERT_MIN,
            "max": LIKERT_MAX,
            "label": data["likert_label"] or "Overall quality",
            "help": "",
            "anchors": {str(point): data[f"anchor_{point}"] for point in POINTS if data[f"anchor_{point}"]},
        }
    for part, _, rows in sets:
        kept = [row.cleaned_data for row in rows.ordered_forms if row.cleaned_data.get("key")]
        schema[part] = [
            {name: value for name, value in row.items() if name not in ("ORDER", "DELETE")} for row in kept
        ]
    return schema


def _row(question: Mapping[str, Any]) -> dict[str, Any]:
    anchors = question.get("anchors")
    if not isinstance(anchors, Mapping):
        return dict(question)
    return {**question, "anchors": "\n".join(f"{point} {words}" for point, words in anchors.items())}
