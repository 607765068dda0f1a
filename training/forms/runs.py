"""The form of a run: one field for each setting that the core describes, checked by the core's own rules."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.utils.safestring import SafeString

from labeling.models import User
from training.forms.choices import LongSelect, PlainInput, SharedSelect, write_options
from training.models import Dataset, Model, Run, Stage
from training.rlhf.config import ConfigError, Field, describe, flatten, shipped_config, to_mapping
from training.rules.run_inputs import MODEL_INPUTS, Input, choices_for, input_names, preferred
from training.rules.run_lengths import lengths_for
from training.rules.runs import MAX_PRIORITY, create_run
from training.rules.workers import TRAINING_QUEUES, known_queues

SHOWN: Mapping[type[Any], tuple[str, ...]] = {
    Model: ("code", "name"),
    Dataset: ("code", "name", "kind", "hash"),
}
"""What a list of choices shows of a row."""


@dataclass(frozen=True)
class Section:
    """Settings that stand together in the file and on the page."""

    key: str
    title: str
    fields: list[forms.BoundField]
    has_errors: bool


def ordered_sections(stage: str) -> list[str]:
    """Return the sections of a stage's settings: its own first, then the general ones; no inputs."""
    names = list(dict.fromkeys(field.section for field in describe(stage)))
    return [stage, *(name for name in names if name not in (stage, "inputs", "")), ""]


def section_title(stage: str, section: str) -> str:
    """Name a section of settings as people read it."""
    titles = {
        "": "Where and from which seed",
        "optim": "Optimizer",
        "report": "Reports and checkpoints",
        "lora": "Adapters in place of all weights (LoRA)",
        stage: Stage(stage).label,
    }
    return titles.get(section, section.capitalize())


class RunForm(forms.Form):
    """Inputs from the registry and every setting of a stage; what is empty keeps its default."""

    def __init__(
        self,
        stage: str,
        data: Mapping[str, Any] | None = None,
        *,
        shipped: str = "",
        source: Run | None = None,
    ) -> None:
        """Begin with the settings and inputs of `source`, with a shipped config, or with the defaults."""
        super().__init__(data)
        self.stage, self.source = stage, source
        self.described = {field.key: field for field in describe(stage)}
        start = flatten(_first_values(stage, shipped, source))
        cloned = (
            {
                given.name: given.dataset or given.model
                for given in source.inputs.select_related("dataset", "model")
            }
            if source
            else None
        )
        self.fields["model_name"] = forms.CharField(
            label="Name of the model", required=False, max_length=100, help_text="Empty gives it a number."
        )
        lists: dict[Any, SafeString] = {}
        for name, is_needed in input_names(stage).items():
            field = _input_field(stage, name, is_needed, self.described, start, lists)
            if cloned is not None:
                field.initial = cloned.get(name)
            self.fields[f"inputs.{name}"] = field
        for key, described in self.described.items():
            if described.section != "inputs" and key != "stage":
                self.fields[key] = _setting_field(described, start.get(key))
        self.fields["priority"] = forms.IntegerField(
            min_value=-MAX_PRIORITY,
            max_value=MAX_PRIORITY,
            initial=0,
            required=False,
            help_text="Higher goes first; runs of the same priority go by age.",
        )
        self.fields["queue"] = forms.ChoiceField(
            choices=[(name, name) for name in known_queues()],
            required=False,
            help_text="Which workers may take it.",
        )

    def save(self, *, by: User) -> Run | None:
        """Queue the run; returns None where something was refused, which then stands at its field."""
        if not self.is_valid():
            return None
        try:
            return create_run(
                stage=self.stage,
                config=self._config(),
                inputs=self._inputs(),
                model_name=self.cleaned_data["model_name"],
                priority=self.cleaned_data["priority"] or 0,
                queue=self.cleaned_data["queue"] or TRAINING_QUEUES[0],
                cloned_from=self.source,
                by=by,
            )
        except ConfigError as error:
            for problem in error.problems:
                key = problem.partition(" ")[0].rstrip(".:,")
                self.add_error(key if key in self.fields else None, problem)
            return None

    def sections(self) -> Iterator[Section]:
        """Give the settings by section: the stage's own first, then the general ones."""
        for name in ordered_sections(self.stage):
            keys = [key for key, field in self.described.items() if field.section == name and key != "stage"]
            if keys:
                bound = [self[key] for key in keys]
                yield Section(
                    name, section_title(self.stage, name), bound, any(field.errors for field in bound)
                )

    def input_fields(self) -> list[forms.BoundField]:
        """Give the fields of what the run reads."""
        return [self[f"inputs.{name}"] for name in input_names(self.stage)]

    def queue_fields(self) -> list[forms.BoundField]:
        """Give the fields that say when and where it runs."""
        return [self["priority"], self["queue"]]

    def _config(self) -> dict[str, Any]:
        config: dict[str, Any] = {}
        for key, field in self.described.items():
            text = str(self.cleaned_data.get(key) or "").strip()
            if field.section == "inputs" or key == "stage" or not text:
                continue
            section, _, last = key.rpartition(".")
            (config.setdefault(section, {}) if section else config)[last] = _value(field, text)
        return config

    def _inputs(self) -> dict[str, Input]:
        given = {name: self.cleaned_data.get(f"inputs.{name}") for name in input_names(self.stage)}
        return {name: value for name, value in given.items() if value is not None}


def _input_field(
    stage: str,
    name: str,
    is_needed: bool,
    described: Mapping[str, Field],
    start: Mapping[str, Any],
    lists: dict[Any, SafeString],
) -> "forms.ModelChoiceField[Any]":
    """Make the field of an input; rows that several of them offer are written once, into `lists`."""
    rows = choices_for(stage, name)
    takes_one = is_needed or f"inputs.{name}" in start
    first = preferred(stage, name) if takes_one else None
    key = MODEL_INPUTS.get(name, name)
    if key not in lists:
        lists[key] = write_options((str(row.code), row) for row in rows.only(*SHOWN[rows.model]))
    return forms.ModelChoiceField(
        queryset=rows,
        widget=SharedSelect(lists[key]),
        to_field_name="code",
        required=is_needed,
        initial=first,
        label=name.capitalize(),
        empty_label="None" if not is_needed else "There is none yet" if first is None else None,
        help_text=described[f"inputs.{name}"].help,
    )


def _setting_field(field: Field, value: Any) -> forms.Field:
    shown = field.default if value is None else value
    paper = f" Paper: {field.paper}." if field.paper else " The paper does not say."
    label = field.key.rpartition(".")[2]
    about: dict[str, Any] = {"label": label, "help_text": field.help + paper, "required": False}
    if field.type == "bool":
        choices: list[tuple[str, str]] = [("true", "yes"), ("false", "no")]
        return forms.ChoiceField(
            choices=choices, initial="true" if shown else "false", widget=LongSelect, **about
        )
    if field.choices:
        return forms.ChoiceField(
            choices=[(str(choice), str(choice)) for choice in field.choices],
            initial=str(shown),
            widget=LongSelect,
            **about,
        )
    text = "" if shown is None else _text(shown)
    attributes = {"inputmode": "decimal"} if field.type in ("int", "float") else {}
    if field.optional:
        attributes["placeholder"] = "none"
    return forms.CharField(initial=text, widget=PlainInput(attrs=attributes), **about)


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value)
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)


def _value(field: Field, text: str) -> Any:
    """Read what was typed; what is no number stays text and is refused by the config's own check."""
    if field.type == "str":
        return text
    if field.type == "floats":
        text = f"[{text}]"
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _first_values(stage: str, shipped: str, source: Run | None) -> dict[str, Any]:
    if source is not None:
        return tomllib.loads(source.config)
    return to_mapping(shipped_config(shipped)) if shipped else _fitting(stage)


def _fitting(stage: str) -> dict[str, Any]:
    """Return the lengths to begin with: those that fit the policy which the form offers first."""
    policy = preferred(stage, "policy") if "policy" in input_names(stage) else None
    return {"lengths": lengths_for(stage, policy)}
