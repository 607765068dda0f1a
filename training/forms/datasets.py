"""Forms about datasets."""

from typing import Any

from django import forms

from labeling.models import Batch, Cohort, PromptSource
from training.forms.choices import LongSelect
from training.models import DatasetKind
from training.rules.prompt_choice import RANDOM
from training.rules.records import SELECTORS


class FreezeForm(forms.Form):
    """What a freeze takes."""

    kind = forms.ChoiceField(choices=[(kind.value, kind.label) for kind in DatasetKind if kind in SELECTORS])
    name = forms.CharField(max_length=120, required=False)
    cohorts = forms.MultipleChoiceField(
        label="Labels by",
        choices=Cohort.choices,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=(
            "None ticked means training labelers and researchers; for evaluation judgements, all. "
            "With held-out labelers everything goes to the test part."
        ),
    )
    sources = forms.MultipleChoiceField(
        label="Prompts from",
        choices=PromptSource.choices,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="None ticked means all; for PPO prompts, playground and API.",
    )
    batch = forms.ModelChoiceField(
        queryset=Batch.objects.none(), to_field_name="code", required=False, empty_label="All batches"
    )
    include_surplus = forms.BooleanField(
        label="Take surplus labels too",
        required=False,
        help_text="Labels that came after their slot had been filled.",
    )
    include_anchors = forms.BooleanField(
        label="Take labels of anchors too",
        required=False,
        help_text="The same comparisons stand in many batches, so they would weigh more than others.",
    )

    only_control = forms.BooleanField(
        label="Take only the random control share",
        required=False,
        help_text="Of comparisons whose prompts were chosen by the reward model's doubt.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["batch"] = forms.ModelChoiceField(
            queryset=Batch.objects.all(),
            widget=LongSelect,
            to_field_name="code",
            required=False,
            empty_label="All batches",
        )

    def selection(self) -> dict[str, Any]:
        """Return the selection that the form describes."""
        data = self.cleaned_data
        chosen = {
            "cohorts": data["cohorts"],
            "sources": data["sources"],
            "include_surplus": data["include_surplus"],
            "include_anchors": data["include_anchors"],
        }
        if data["only_control"]:
            chosen["chosen_by"] = [RANDOM]
        if data["batch"] is not None:
            chosen["batches"] = [str(data["batch"].code)]
        return {key: value for key, value in chosen.items() if value}
