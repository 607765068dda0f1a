"""What a run reads: which datasets and models fit under which name of a config's [inputs]."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db.models import Case, Q, QuerySet, When

from training.models import Dataset, DatasetKind, Model, ModelKind, ModelStatus, Stage
from training.rlhf.config import ConfigError, describe

Input = Dataset | Model

WRITERS = (ModelKind.SFT, ModelKind.PPO, ModelKind.DPO, ModelKind.BASE)
WITH_PROMPTS = (
    DatasetKind.PPO_PROMPTS,
    DatasetKind.SFT,
    DatasetKind.COMPARISONS,
    DatasetKind.EVALUATION,
)
MODEL_INPUTS: Mapping[str, tuple[ModelKind, ...]] = {
    "policy": WRITERS,
    "reference": WRITERS,
    "reward": (ModelKind.REWARD,),
    "gold": (ModelKind.REWARD,),
    "classifier": (ModelKind.TOXICITY,),
}
DATASET_INPUTS: Mapping[tuple[str, str], tuple[DatasetKind, ...]] = {
    (Stage.PRETRAIN, "dataset"): (DatasetKind.PRETRAIN,),
    (Stage.SFT, "dataset"): (DatasetKind.SFT,),
    (Stage.REWARD, "dataset"): (DatasetKind.COMPARISONS,),
    (Stage.REWARD, "demonstrations"): (DatasetKind.SFT,),
    (Stage.PPO, "prompts"): (DatasetKind.PPO_PROMPTS,),
    (Stage.DPO, "dataset"): (DatasetKind.COMPARISONS,),
    (Stage.SAMPLE, "prompts"): WITH_PROMPTS,
    (Stage.EVALUATE, "prompts"): WITH_PROMPTS,
    (Stage.EVALUATE, "dataset"): (DatasetKind.COMPARISONS,),
    (Stage.BENCHMARK, "dataset"): (DatasetKind.BENCHMARK,),
}
NEEDS_TRAIN_PART = {
    (Stage.PRETRAIN, "dataset"),
    (Stage.SFT, "dataset"),
    (Stage.REWARD, "dataset"),
    (Stage.PPO, "prompts"),
    (Stage.DPO, "dataset"),
}
PREFERRED_START: Mapping[str, ModelKind] = {
    Stage.SFT: ModelKind.BASE,
    Stage.REWARD: ModelKind.SFT,
    Stage.PPO: ModelKind.SFT,
    Stage.DPO: ModelKind.SFT,
}
NEWEST = "newest"


def input_names(stage: str) -> dict[str, bool]:
    """Return the names under which a stage reads something, and whether each is needed."""
    fields = describe(stage)
    return {field.key.partition(".")[2]: not field.optional for field in fields if field.section == "inputs"}


def choices_for(stage: str, name: str) -> QuerySet[Any]:
    """Return the datasets or models that fit under a name, newest first."""
    if name in MODEL_INPUTS:
        return Model.objects.usable().of_kind(*MODEL_INPUTS[name])
    datasets = Dataset.objects.of_kind(*_dataset_kinds(stage, name))
    if (stage, name) in NEEDS_TRAIN_PART:
        return datasets.filter(counts__train__gt=0)
    return datasets


def preferred(stage: str, name: str) -> Input | None:
    """Return what a form offers first: the newest that fits, for a policy the newest of the usual kind."""
    choices = choices_for(stage, name)
    order: list[Any] = ["-pk"]
    if (stage, name) == (Stage.PPO, "prompts"):
        order = [_first(Q(pk__in=Dataset.objects.of_labels())), *order]
    if name in MODEL_INPUTS:
        order = [_first(Q(status=ModelStatus.PROMOTED)), *order]
    if name == "policy" and stage in PREFERRED_START:
        order = [_first(Q(kind=PREFERRED_START[stage])), *order]
    newest: Input | None = choices.order_by(*order).first()
    return newest


def _first(condition: Q) -> Case:
    """Order rows for which a condition holds before the others."""
    return Case(When(condition, then=0), default=1)


def check_inputs(stage: str, inputs: Mapping[str, Input]) -> list[str]:
    """Return a sentence for every input that is missing, unknown or of the wrong kind."""
    names = input_names(stage)
    problems = [
        f"inputs.{name} is not read by {stage}; it reads {', '.join(sorted(names))}."
        for name in inputs
        if name not in names
    ]
    for name, is_needed in names.items():
        given = inputs.get(name)
        if given is None:
            if is_needed:
                problems.append(f"inputs.{name} is missing; allowed is {_allowed(stage, name)}.")
        elif not _fits(stage, name, given):
            problems.append(f"inputs.{name} is {given} ({given.kind}); allowed is {_allowed(stage, name)}.")
        elif isinstance(given, Model) and given.weights_deleted_at is not None:
            problems.append(f"inputs.{name} is {given}, whose weights were deleted; choose another model.")
        elif (stage, name) in NEEDS_TRAIN_PART and not (
            isinstance(given, Dataset) and given.counts.get("train")
        ):
            problems.append(f"inputs.{name} is {given}, which has no train part; choose one that has.")
    return problems


def find_inputs(stage: str, named: Mapping[str, str]) -> dict[str, Input]:
    """Find inputs by code, model name, start of a dataset's hash, or the word newest.

    A needed input that is not named is the newest that fits. Raises ConfigError for a name that fits nothing.
    """
    found: dict[str, Input] = {}
    problems = []
    for name, is_needed in input_names(stage).items():
        text = named.get(name, "").strip()
        if not text and not is_needed:
            continue
        given = preferred(stage, name) if text in ("", NEWEST) else _named(stage, name, text)
        if given is not None:
            found[name] = given
        elif text and text != NEWEST:
            problems.append(f"inputs.{name} is {text}; allowed is {_allowed(stage, name)}, by code or name.")
        else:
            problems.append(f"inputs.{name} has nothing to take; first make {_allowed(stage, name)}.")
    problems += [
        f"inputs.{name} is not read by {stage}; it reads {', '.join(input_names(stage))}."
        for name in named
        if name not in input_names(stage)
    ]
    if problems:
        raise ConfigError(problems)
    return found


def _named(stage: str, name: str, text: str) -> Input | None:
    choices = choices_for(stage, name)
    code = _code(text)
    if code is not None:
        given: Input | None = choices.filter(code=code).first()
    elif name in MODEL_INPUTS:
        given = choices.filter(name=text).first()
    else:
        by_hash = choices.filter(hash__startswith=text) if len(text) >= 6 else choices.none()
        given = by_hash.first() or choices.filter(name=text).first()
    return given


def _code(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _dataset_kinds(stage: str, name: str) -> tuple[DatasetKind, ...]:
    return DATASET_INPUTS.get((stage, name), (DatasetKind.PRETRAIN,))


def _fits(stage: str, name: str, given: Input) -> bool:
    if name in MODEL_INPUTS:
        return isinstance(given, Model) and given.kind in MODEL_INPUTS[name]
    return isinstance(given, Dataset) and given.kind in _dataset_kinds(stage, name)


def _allowed(stage: str, name: str) -> str:
    if name in MODEL_INPUTS:
        return f"a model of kind {' or '.join(MODEL_INPUTS[name])}"
    return f"a dataset of kind {' or '.join(_dataset_kinds(stage, name))}"
