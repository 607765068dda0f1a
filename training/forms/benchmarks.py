"""Forms about public evaluation sets."""

from typing import Any

from django import forms

from labeling.rules.row_files import ENDINGS_IN_WORDS, is_named_as_rows
from training.forms.choices import LongSelect, LongSelectMultiple
from training.models import Dataset, DatasetKind, Model, ModelKind
from training.rlhf.config import describe
from training.rules.benchmark_sets import FORMS, OWN, SETS
from training.rules.harness_tasks import find_tasks

MOST_BYTES = 200 * 1024 * 1024
SETTINGS = ("few_shot", "examples_by", "format", "instruction", "max_answer_tokens", "max_items")
FORM_TITLES = {
    "choice": "choices, one right",
    "truth": "choices, some true",
    "pair": "pairs of sentences",
    "answer": "written answers",
    "numbers": "written answers, numbers count",
    "translation": "translations",
    "summary": "summaries",
    "toxicity": "prompts to continue, judged for toxicity",
}


class OrderForm(forms.Form):
    """Which policies answer which sets, and how the questions are put."""

    models = forms.ModelMultipleChoiceField(
        label="Policies",
        queryset=Model.objects.none(),
        to_field_name="code",
        help_text="One or more, newest first. With its ancestors, a policy shows its alignment tax.",
        widget=LongSelectMultiple(attrs={"size": 8}),
    )
    datasets = forms.ModelMultipleChoiceField(
        label="Sets",
        queryset=Dataset.objects.none(),
        to_field_name="code",
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    tasks = forms.MultipleChoiceField(
        label="Tasks of your own",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="From the server’s folder of harness tasks, frozen as they stand now.",
    )
    classifier = forms.ModelChoiceField(
        queryset=Model.objects.none(),
        widget=LongSelect,
        to_field_name="code",
        required=False,
        empty_label="None",
        help_text="For sets whose continuations it judges. Import one under Models.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        policies = Model.objects.usable().policies().order_by("-pk")
        querysets = {
            "models": policies,
            "datasets": Dataset.objects.of_kind(DatasetKind.BENCHMARK),
            "classifier": Model.objects.usable().of_kind(ModelKind.TOXICITY),
        }
        for name, rows in querysets.items():
            field = self.fields[name]
            if isinstance(field, forms.ModelChoiceField):
                field.queryset = rows
        tasks = find_tasks()
        self.refused_tasks = [task for task in tasks if task.problem]
        usable = [(task.name, f"{task.name} ({task.file})") for task in tasks if not task.problem]
        self.fields["tasks"].widget.choices = self.fields["tasks"].choices = usable  # type: ignore[attr-defined]
        self.fields["datasets"].required = not usable
        if not usable:
            del self.fields["tasks"]
        for described in describe("benchmark"):
            name = described.key.rpartition(".")[2]
            if described.section == "benchmark" and name in SETTINGS:
                paper = f" Paper: {described.paper}." if described.paper else ""
                about: dict[str, Any] = {"help_text": described.help + paper, "initial": described.default}
                label = name.replace("_", " ").capitalize()
                self.fields[name] = (
                    forms.ChoiceField(label=label, choices=[(c, c) for c in described.choices], **about)
                    if described.choices
                    else forms.IntegerField(label=label, min_value=0, **about)
                )

    def settings(self) -> dict[str, Any]:
        """Return the settings of the config's [benchmark]."""
        return {name: self.cleaned_data[name] for name in SETTINGS}


class ImportSetForm(forms.Form):
    """A file of a public set."""

    set = forms.ChoiceField(
        choices=[*((s.key, s.title) for s in SETS.values()), (OWN, "Own questions")],
        help_text="A line is a row as the set is published.",
    )
    form = forms.ChoiceField(
        label="Form",
        choices=[("", "As the set has it"), *((key, FORM_TITLES[key]) for key in FORMS)],
        required=False,
        help_text="Only for own questions.",
    )
    file = forms.FileField(label="Questions", help_text="JSONL or CSV, UTF-8, may be gzipped; or Parquet.")
    few_shot = forms.FileField(
        label="Solved examples", required=False, help_text="Of the same set, shown before a question."
    )
    name = forms.CharField(max_length=120, required=False, help_text="Empty: the set's name.")
    license = forms.CharField(
        label="Licence", max_length=200, required=False, help_text="Kept beside the checksum."
    )

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        for name in ("file", "few_shot"):
            given = data.get(name)
            if given and (why := wrong_file(given.name, given.size)):
                self.add_error(name, why)
        return data


def wrong_file(name: str, size: int) -> str:
    """Return why a file cannot be taken over the web, empty where it can."""
    if not is_named_as_rows(name):
        return f"{name} must end in {ENDINGS_IN_WORDS}."
    if size > MOST_BYTES:
        too_much = f"{name} has {size >> 20} MB; allowed is {MOST_BYTES >> 20}."
        return f"{too_much} Import it on the server with import_benchmark."
    return ""
