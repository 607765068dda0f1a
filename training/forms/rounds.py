"""Forms about rounds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import forms

from labeling.errors import LabelingError
from labeling.forms.areas import Area
from labeling.models import MAX_K, MIN_K
from training.forms.choices import LongSelect
from training.models import Dataset, DatasetKind, Model, ModelKind, Round
from training.rlhf.config import shipped_config, shipped_names
from training.rules.over_optimisation import DEFAULTS as ALARM
from training.rules.round_gate import DEFAULTS as GATE
from training.rules.round_settings import DEFAULTS, STAGES

MIX = (
    ("newest", "Responses by the newest policy"),
    ("previous", "Responses by the one before it"),
    ("sft", "Responses by the supervised policy"),
    ("best_of", "Best of n by the newest policy"),
    ("demonstration", "Demonstrations by labelers"),
)
LABELS = ("prompts", "valid_prompts", "k", "overlap", "shared_fraction")
CHOICE = ("choose_by", "pool_factor", "control_fraction")
TURN = ("start_from", "pool", "is_automatic")
PLAIN = (*LABELS, *CHOICE, "best_of_n", *TURN)
GATE_LABELS = (
    ("overlap", "Tasks with two labelers or more"),
    ("agreement", "The interval of agreement lies above"),
    ("gold", "Gold pairs as the reference has them"),
)


ALARM_LABELS = (
    ("score", "Rise of the score, in standard deviations"),
    ("kl", "Rise of the KL, nats per response"),
    ("judgements", "Judgements needed to speak"),
)


@dataclass(frozen=True)
class Section:
    """Fields that stand together; one that few need is folded away until it holds something wrong."""

    title: str
    fields: list[forms.BoundField]
    is_folded: bool = False

    @property
    def has_errors(self) -> bool:
        return any(field.errors for field in self.fields)


def configs_of(stage: str) -> list[str]:
    """Return the shipped configs of a stage."""
    return [name for name in shipped_names() if shipped_config(name).stage == stage]


class RoundForm(forms.Form):
    """The settings of a round, and of a first one what it starts from; a later one begins as `previous`."""

    def __init__(self, data: Mapping[str, Any] | None = None, *, previous: Round | None = None) -> None:
        super().__init__(data)
        start = {**DEFAULTS, **(previous.settings if previous else {})}
        self.previous = previous
        self.fields["name"] = forms.CharField(max_length=120, required=False, help_text="Empty: its number.")
        if previous is None:
            models = Model.objects.of_kind(ModelKind.BASE, ModelKind.SFT)
            self.fields["base_model"] = forms.ModelChoiceField(
                queryset=models,
                widget=LongSelect,
                to_field_name="code",
                empty_label=None if models.exists() else "There is none yet",
                help_text="What supervised fine-tuning starts from.",
            )
        self.fields["pretrain_dataset"] = forms.ModelChoiceField(
            label="Texts for PPO-ptx",
            queryset=Dataset.objects.of_kind(DatasetKind.PRETRAIN),
            widget=LongSelect,
            to_field_name="code",
            required=False,
            empty_label="As the rounds before it" if previous else "None: plain PPO",
        )
        self.fields |= {**_label_fields(start), **_choice_fields(start), **_mix_fields(start)}
        self.fields |= _turn_fields(start)
        self.fields |= {**_gate_fields(start), **_alarm_fields(start), **_config_fields(start)}

    def sections(self) -> list[Section]:
        """Return the fields as they stand on the page."""
        opening = [name for name in ("name", "base_model", "pretrain_dataset") if name in self.fields]
        configs = [name for stage in STAGES for name in (f"config_{stage}", f"changes_{stage}")]
        folded = (
            ("Which prompts are compared", list(CHOICE)),
            ("Who writes the responses", [*(f"mix_{name}" for name, _ in MIX), "best_of_n"]),
            ("Gate before training", [f"gate_{key}" for key, _ in GATE_LABELS]),
            ("Over-optimisation alarm", [f"alarm_{key}" for key, _ in ALARM_LABELS]),
            ("Settings of each stage", configs),
        )
        return [
            Section("What it starts from" if self.previous is None else "The round", self._bound(opening)),
            Section("Labels", self._bound(LABELS)),
            Section("The turn", self._bound(TURN)),
            *(Section(title, self._bound(names), is_folded=True) for title, names in folded),
        ]

    def settings(self) -> dict[str, Any]:
        """Return the round's settings that the form describes."""
        data = self.cleaned_data
        overrides = {stage: _lines(data[f"changes_{stage}"]) for stage in STAGES}
        return {
            **{name: data[name] for name in PLAIN if data[name] not in ("", None)},
            "configs": {stage: data[f"config_{stage}"] for stage in STAGES if data[f"config_{stage}"]},
            "overrides": {stage: lines for stage, lines in overrides.items() if lines},
            "gate": {key: data[f"gate_{key}"] for key, _ in GATE_LABELS if data[f"gate_{key}"] is not None},
            "alarm": {k: data[f"alarm_{k}"] for k, _ in ALARM_LABELS if data[f"alarm_{k}"] is not None},
            "mix": {name: data[f"mix_{name}"] for name, _ in MIX if data[f"mix_{name}"]},
        }

    def refuse(self, error: LabelingError) -> None:
        """Put what a rule refused beside the field it is about."""
        names = {"mix": "mix_newest", **{f"overrides.{stage}": f"changes_{stage}" for stage in STAGES}}
        places = {names.get(key, key): text for key, text in error.fields.items()}
        for name in places:
            if name not in self.fields:
                self.add_error(None, error.message)
            else:
                self.add_error(name, error.message if len(places) == 1 else places[name])
        if not places:
            self.add_error(None, error.message)

    def _bound(self, names: Any) -> list[forms.BoundField]:
        return [self[name] for name in names]


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _label_fields(start: Mapping[str, Any]) -> dict[str, forms.Field]:
    """Give the fields of the batches that the round opens."""
    return {
        "prompts": forms.IntegerField(
            label="Prompts in each batch", min_value=1, max_value=100_000, initial=start["prompts"]
        ),
        "valid_prompts": forms.IntegerField(
            label="Prompts for validation beside them",
            min_value=0,
            max_value=100_000,
            required=False,
            initial=start["valid_prompts"],
        ),
        "k": forms.IntegerField(
            label="K, responses to compare", min_value=MIN_K, max_value=MAX_K, initial=start["k"]
        ),
        "overlap": forms.IntegerField(
            label="Labelers for a comparison", min_value=1, max_value=20, initial=start["overlap"]
        ),
        "shared_fraction": _share(
            "Comparisons that get so many", start["shared_fraction"], "0 to 1; the others get one labeler."
        ),
    }


def _choice_fields(start: Mapping[str, Any]) -> dict[str, forms.Field]:
    """Give the way in which prompts of the comparison batch are chosen."""
    return {
        "choose_by": forms.ChoiceField(
            label="Prompts are taken",
            required=False,
            initial=start["choose_by"],
            choices=(
                ("order", "Oldest unused first"),
                ("random", "At random"),
                ("doubt", "Where the reward model is in doubt, and a random control share"),
            ),
        ),
        "pool_factor": forms.IntegerField(
            label="Pool, times as large",
            min_value=2,
            max_value=20,
            required=False,
            initial=start["pool_factor"],
            help_text="Prompts answered and scored for each one compared.",
        ),
        "control_fraction": _share(
            "Random control share", start["control_fraction"], "0 to 1; what holds for all is measured there."
        ),
    }


def _mix_fields(start: Mapping[str, Any]) -> dict[str, forms.Field]:
    """Give the shares of the K responses; where all are empty, the newest and the supervised halve them."""
    shares = {
        f"mix_{name}": forms.IntegerField(
            label=label, min_value=0, max_value=MAX_K, required=False, initial=start["mix"].get(name)
        )
        for name, label in MIX
    }
    n = forms.IntegerField(
        label="n of best of n",
        min_value=2,
        max_value=64,
        required=False,
        initial=start["best_of_n"],
        help_text="By the newest reward model.",
    )
    return {**shares, "best_of_n": n}


def _turn_fields(start: Mapping[str, Any]) -> dict[str, forms.Field]:
    """Give the choices about how the turn goes."""
    return {
        "start_from": forms.ChoiceField(
            label="PPO starts from",
            required=False,
            initial=start["start_from"],
            choices=(
                ("initialiser", "The supervised policy, every round"),
                ("newest", "The newest policy, KL against the supervised one"),
            ),
        ),
        "pool": forms.ChoiceField(
            label="The reward model learns from",
            required=False,
            initial=start["pool"],
            choices=(("all", "Comparisons of all rounds"), ("round", "Comparisons of its round only")),
        ),
        "is_automatic": forms.BooleanField(
            label="Steps start by themselves",
            required=False,
            initial=start["is_automatic"],
            help_text="Labels still wait for people.",
        ),
    }


def _gate_fields(start: Mapping[str, Any]) -> dict[str, forms.Field]:
    """Give the thresholds of the gate."""
    wanted = {**GATE, **start["gate"]}
    return {f"gate_{key}": _share(label, wanted[key], "0 to 1; 0: no check.") for key, label in GATE_LABELS}


def _alarm_fields(start: Mapping[str, Any]) -> dict[str, forms.Field]:
    """Give the thresholds of the over-optimisation alarm."""
    wanted = {**ALARM, **start["alarm"]}
    return {
        f"alarm_{key}": forms.FloatField(label=label, min_value=0, initial=wanted[key], required=False)
        for key, label in ALARM_LABELS
    }


def _config_fields(start: Mapping[str, Any]) -> dict[str, forms.Field]:
    """Give a shipped config and changes to it for each stage."""
    fields: dict[str, forms.Field] = {}
    for stage in STAGES:
        names = [(name, name) for name in configs_of(stage)]
        fields[f"config_{stage}"] = forms.ChoiceField(
            label=f"Settings of {stage}",
            required=False,
            choices=[("", "Defaults"), *names],
            initial=start["configs"].get(stage, ""),
        )
        fields[f"changes_{stage}"] = forms.CharField(
            label=f"Changes to them, {stage}",
            required=False,
            initial="\n".join(start["overrides"].get(stage, ())),
            widget=Area(attrs={"rows": 2, "spellcheck": "false", "class": "mono"}),
            help_text="One a line, such as optim.learning_rate = 1e-5",
        )
    return fields


def _share(label: str, initial: float, help_text: str) -> forms.FloatField:
    return forms.FloatField(
        label=label, min_value=0, max_value=1, initial=initial, required=False, help_text=help_text
    )
