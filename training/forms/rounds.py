"""Forms about rounds."""

from typing import Any

from django import forms

from labeling.models import MAX_K, MIN_K
from training.models import Dataset, DatasetKind, Model, ModelKind
from training.rlhf.config import shipped_config, shipped_names

STAGES = ("sft", "sample", "reward", "ppo")
MIX = (
    ("newest", "Responses by the newest policy"),
    ("previous", "Responses by the one before it"),
    ("sft", "Responses by the supervised policy"),
)
PLAIN = ("prompts", "k", "overlap", "start_from", "pool", "is_automatic")
GATE = ("overlap", "agreement", "gold")


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
        for name, label in MIX:
            self.fields[f"mix_{name}"] = forms.IntegerField(
                label=label, min_value=0, max_value=MAX_K, required=False
            )
        self.fields["start_from"] = forms.ChoiceField(
            label="PPO starts from",
            required=False,
            choices=(
                ("initialiser", "The supervised policy, every round"),
                ("newest", "The newest policy, KL against the supervised one"),
            ),
        )
        self.fields["pool"] = forms.ChoiceField(
            label="The reward model learns from",
            required=False,
            choices=(("all", "Comparisons of all rounds"), ("round", "Comparisons of its round only")),
        )
        self.fields["gate_overlap"] = _share("Gate: tasks with two labelers or more", 0.1)
        self.fields["gate_agreement"] = _share("Gate: the interval of agreement lies above", 0.5)
        self.fields["gate_gold"] = _share("Gate: gold pairs as the reference has them", 0.7)
        self.fields["is_automatic"] = forms.BooleanField(
            label="Steps start by themselves", required=False, help_text="Labels still wait for people."
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
        gate = {key: data[f"gate_{key}"] for key in GATE if data[f"gate_{key}"] is not None}
        mix = {name: data[f"mix_{name}"] for name, _ in MIX if data[f"mix_{name}"]}
        return {
            **{name: data[name] for name in PLAIN if data[name] != ""},
            "configs": configs,
            "gate": gate,
            "mix": mix,
        }


def _share(label: str, initial: float) -> forms.FloatField:
    return forms.FloatField(
        label=label,
        min_value=0,
        max_value=1,
        initial=initial,
        required=False,
        help_text="0 to 1; 0: no check.",
    )
