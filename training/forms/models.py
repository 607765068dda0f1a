"""Forms about models and what they write."""

from typing import Any

from django import forms

from labeling.models import MAX_K, Cohort, Policy, Split
from training.forms.choices import LongSelect
from training.models import ModelKind


class ImportModelForm(forms.Form):
    """A model from outside."""

    source = forms.CharField(
        label="Folder or hub id", max_length=300, help_text="A folder on the server, or an id as owner/name."
    )
    name = forms.CharField(max_length=120)
    kind = forms.ChoiceField(choices=ModelKind.choices)


class SampleForm(forms.Form):
    """A comparison batch whose responses a model writes, alone or beside another policy."""

    name = forms.CharField(label="Name of the batch", max_length=120)
    split = forms.ChoiceField(
        choices=Split.choices, help_text="Whose prompts; test authors' only for evaluations."
    )
    prompts = forms.IntegerField(
        label="How many prompts", min_value=1, max_value=100_000, initial=50, help_text="Unused ones first."
    )
    count = forms.IntegerField(label="Responses by this model", min_value=1, max_value=MAX_K, initial=4)
    other = forms.ModelChoiceField(
        label="Together with", queryset=Policy.objects.none(), required=False, empty_label="Nobody"
    )
    other_count = forms.IntegerField(
        label="Responses by it", min_value=0, max_value=MAX_K, initial=0, required=False
    )
    temperature = forms.FloatField(min_value=0, max_value=5, initial=1.0)
    overlap = forms.IntegerField(label="Labelers for a shared task", min_value=1, max_value=20, initial=1)
    config = forms.ChoiceField(label="Settings", required=False)

    def __init__(self, *args: Any, policy: Policy, configs: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["other"] = forms.ModelChoiceField(
            label="Together with",
            queryset=Policy.objects.exclude(pk=policy.pk),
            widget=LongSelect,
            to_field_name="code",
            required=False,
            empty_label="Nobody",
        )
        self.fields["config"] = forms.ChoiceField(
            label="Settings", required=False, choices=[("", "Defaults"), *((name, name) for name in configs)]
        )

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if data.get("other") and not data.get("other_count"):
            self.add_error("other_count", "Say how many responses the other policy gives.")
        k = (data.get("count") or 0) + ((data.get("other_count") or 0) if data.get("other") else 0)
        if k and not 2 <= k <= MAX_K:
            self.add_error("count", f"Responses add up to {k}; a comparison has 2 to {MAX_K}.")
        if data.get("split") == Split.TEST:
            self.add_error("split", "Test authors' prompts never train; choose train or valid.")
        return data


class EvaluationForm(forms.Form):
    """Two policies, the prompts both answer, and who judges."""

    policy = forms.ModelChoiceField(queryset=Policy.objects.none(), to_field_name="code")
    baseline = forms.ModelChoiceField(queryset=Policy.objects.none(), to_field_name="code")
    split = forms.ChoiceField(
        choices=Split.choices,
        initial=Split.TEST,
        help_text="Test authors never trained anything; train is for policies that were not trained here.",
    )
    prompts = forms.IntegerField(label="How many prompts", min_value=1, max_value=100_000, initial=100)
    cohorts = forms.MultipleChoiceField(
        label="Judged by",
        choices=Cohort.choices,
        initial=[Cohort.TRAIN.value, Cohort.HELD_OUT.value],
        widget=forms.CheckboxSelectMultiple,
    )
    overlap = forms.IntegerField(label="Labelers for a task", min_value=1, max_value=20, initial=1)
    temperature = forms.FloatField(min_value=0, max_value=5, initial=1.0)
    config = forms.ChoiceField(label="Settings", required=False)

    def __init__(self, *args: Any, configs: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("policy", "baseline"):
            self.fields[name] = forms.ModelChoiceField(
                queryset=Policy.objects.all(),
                to_field_name="code",
                widget=LongSelect,
                empty_label="Choose one",
            )
        self.fields["config"] = forms.ChoiceField(
            label="Settings", required=False, choices=[("", "Defaults"), *((name, name) for name in configs)]
        )
