"""The questions about a prompt, as fields that any task's form can carry."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import forms

from labeling.models import Category, Form, Guideline
from labeling.rules import forms as versions
from labeling.rules import guidelines
from labeling.rules.prompt_judgements import AboutPrompt

CATEGORY, NONE_APPLIES = "about-category", "about-none"


@dataclass(frozen=True)
class AskedScale:
    """One scale with its points and the answer so far."""

    name: str
    key: str
    label: str
    help: str
    points: list[tuple[str, str]]
    answer: str
    errors: list[str]
    section: str

    @property
    def ends(self) -> tuple[tuple[str, str], tuple[str, str]]:
        return self.points[0], self.points[-1]


@dataclass(frozen=True)
class AskedOfPrompt:
    """One flag of the prompt, to be ticked where it is true."""

    key: str
    name: str
    label: str
    help: str
    section: str
    is_ticked: bool


class AboutPromptFields(forms.Form):
    """Category, flags and scales of the prompt, as far as a form's version asks them.

    Flags are ticked where true. One tick, or "none of these", answers them all; no tick at all answers none.
    """

    version: Form | None = None
    guideline: Guideline | None = None

    def section_about(self, label: str) -> str:
        """Return the section of the guideline that explains a question, empty where none does."""
        return guidelines.section_about(label, self.guideline)

    def ask_about_prompt(self, version: Form | None) -> None:
        """Add a field for each question of this version."""
        self.version = version
        if versions.asks_category(version):
            self.fields[CATEGORY] = forms.ChoiceField(choices=Category.choices, required=False)
        flags = versions.questions(version, "prompt_flags")
        for flag in flags:
            self.fields[f"about-flag-{flag['key']}"] = forms.BooleanField(required=False)
        if flags:
            self.fields[NONE_APPLIES] = forms.BooleanField(required=False)
        for scale in versions.questions(version, "prompt_scales"):
            self.fields[f"about-scale-{scale['key']}"] = scale_field(scale, f"the prompt ({scale['label']})")

    @property
    def asks_about_prompt(self) -> bool:
        return any(name.startswith("about-") for name in self.fields)

    @property
    def asks_category(self) -> bool:
        return CATEGORY in self.fields

    @property
    def categories(self) -> list[tuple[str, str, bool]]:
        """Return value, label and whether it is chosen, for each use case."""
        chosen = str(self[CATEGORY].value() or "")
        return [(value, label, value == chosen) for value, label in Category.choices]

    @property
    def prompt_flags(self) -> list[AskedOfPrompt]:
        return [
            AskedOfPrompt(
                key=flag["key"],
                name=f"about-flag-{flag['key']}",
                label=flag["label"],
                help=flag.get("help", ""),
                section=self.section_about(flag["label"]),
                is_ticked=bool(self[f"about-flag-{flag['key']}"].value()),
            )
            for flag in versions.questions(self.version, "prompt_flags")
        ]

    @property
    def prompt_scales(self) -> list[AskedScale]:
        return [
            asked_scale(self, f"about-scale-{scale['key']}", scale)
            for scale in versions.questions(self.version, "prompt_scales")
        ]

    @property
    def none_applies(self) -> bool:
        return NONE_APPLIES in self.fields and bool(self[NONE_APPLIES].value())

    def flags_so_far(self) -> dict[str, bool]:
        """Return the answers as they stand in the form, valid or not; empty while there is no answer."""
        ticked = {flag.key: flag.is_ticked for flag in self.prompt_flags}
        return ticked if any(ticked.values()) or self.none_applies else {}

    def about(self) -> AboutPrompt:
        """Return what a valid form says about the prompt."""
        scales = versions.questions(self.version, "prompt_scales")
        return AboutPrompt(
            category=self.cleaned_data.get(CATEGORY) or "",
            flags=self.flags_so_far(),
            scores={scale["key"]: self.cleaned_data[f"about-scale-{scale['key']}"] for scale in scales},
        )

    def about_payload(self) -> dict[str, Any]:
        """Return what was filled in, complete or not, as drafts carry it."""
        answers = {scale.key: number(scale.answer) for scale in self.prompt_scales}
        return {
            "category": str(self[CATEGORY].value() or "") if self.asks_category else "",
            "flags": self.flags_so_far(),
            "scores": {key: answer for key, answer in answers.items() if answer is not None},
        }


def initial_about(payload: object) -> dict[str, Any]:
    """Turn the part of a draft about the prompt into first values; parts of another shape are passed over."""
    if not isinstance(payload, Mapping):
        return {}
    initial: dict[str, Any] = {CATEGORY: payload.get("category") or ""}
    flags, scores = payload.get("flags"), payload.get("scores")
    if isinstance(flags, Mapping) and flags:
        initial |= {f"about-flag-{key}": answer is True for key, answer in flags.items()}
        initial[NONE_APPLIES] = not any(answer is True for answer in flags.values())
    if isinstance(scores, Mapping):
        initial |= {f"about-scale-{key}": score for key, score in scores.items()}
    return initial


def scale_field(scale: Mapping[str, Any], what: str) -> forms.IntegerField:
    """Return the field of a scale; a refusal says what is to be rated."""
    low, high = scale["min"], scale["max"]
    return forms.IntegerField(
        min_value=low, max_value=high, error_messages={"required": f"Rate {what} from {low} to {high}."}
    )


def asked_scale(form: AboutPromptFields, name: str, scale: Mapping[str, Any]) -> AskedScale:
    """Return a scale as a template draws it."""
    value = form[name].value()
    anchors = scale.get("anchors") or {}
    points = range(scale["min"], scale["max"] + 1)
    label = scale.get("label") or "Overall quality"
    return AskedScale(
        name=name,
        key=scale.get("key", "likert"),
        label=label,
        help=scale.get("help", ""),
        points=[(str(point), anchors.get(str(point), "")) for point in points],
        answer="" if value is None else str(value),
        errors=[str(error) for error in form.errors.get(name, [])] if form.is_bound else [],
        section=form.section_about(label),
    )


def number(value: str) -> int | None:
    """Read a whole number, None where there is none."""
    return int(value) if value.removeprefix("-").isdecimal() else None
