"""Forms about rounds."""

from typing import Any

from django import forms

from labeling.models import MAX_K, MIN_K
from training.models import Dataset, DatasetKind, Model, ModelKind
from training.rlhf.config import shipped_config, shipped_names

STAGES = ("sft", "sample", "reward", "ppo")


def configs_of(stage: str) -> list[str]:
    """Return the shipped configs of a stage."""
    return [name for name in shipped_names() if shipped_config(name).stage == stage]


class RoundForm(forms.Form):
    """What the first round starts from, and the settings that later ones inherit."""

    name = forms.CharField(max_length=120, required=False)
    base_model = forms.ModelChoiceField(queryset=Model.objects.none(), to_field_name="code", empty_label=None)
    pretrain_dataset = forms.ModelChoiceField(
        queryset=Dataset.objects.none(), to_field_name="code", required=False
    )
    prompts = forms.IntegerField(label="Prompts in each batch", min_value=1, max_value=100_000, initial=100)
    k = forms.IntegerField(label="K, responses to compare", min_value=MIN_K, max_value=MAX_K, initial=4)
    overlap = forms.IntegerField(label="Labelers for a comparison", min_value=1, max_value=20, initial=1)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["base_model"] = forms.ModelChoiceField(
            queryset=Model.objects.of_kind(ModelKind.BASE, ModelKind.SFT),
            to_field_name="code",
            empty_label=None,
            help_text="What supervised fine-tuning starts from.",
        )
        self.fields["pretrain_dataset"] = forms.ModelChoiceField(
            label="Texts for PPO-ptx",
            queryset=Dataset.objects.of_kind(DatasetKind.PRETRAIN),
            to_field_name="code",
            required=False,
            empty_label="None: plain PPO",
        )
        for stage in STAGES:
            names = [(name, name) for name in configs_of(stage)]
            self.fields[f"config_{stage}"] = forms.ChoiceField(
                label=f"Settings of {stage}", required=False, choices=[("", "Defaults"), *names]
            )

    def settings(self) -> dict[str, Any]:
        """Return the round's settings that the form describes."""
        data = self.cleaned_data
        configs = {stage: data[f"config_{stage}"] for stage in STAGES if data[f"config_{stage}"]}
        return {"prompts": data["prompts"], "k": data["k"], "overlap": data["overlap"], "configs": configs}
