"""The registry of models: what training made, what came from outside, and what each came from."""

import re
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.db import transaction

from labeling.errors import InvalidInput
from labeling.models import Policy, User
from labeling.rules import audit
from labeling.rules.policies import policy_named
from training.models import Dataset, Model, ModelKind, Run, Stage
from training.rules import artifacts
from training.rules.seen_by import reached

MADE_BY: dict[str, ModelKind] = {
    Stage.PRETRAIN: ModelKind.BASE,
    Stage.SFT: ModelKind.SFT,
    Stage.REWARD: ModelKind.REWARD,
    Stage.PPO: ModelKind.PPO,
    Stage.DPO: ModelKind.DPO,
}
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def register_model(*, run: Run, facts: dict[str, Any]) -> Model | None:
    """Enter the model of a run, its weights already stored, with its lineage.

    Gives a model that writes responses a policy of the same name. Doing it twice changes nothing. Returns
    None for stages that make no model.
    """
    kind = MADE_BY.get(run.stage)
    if kind is None:
        return None
    known = Model.objects.filter(run=run).first()
    if known is not None:
        return known
    inputs = {given.name: given.model for given in run.inputs.select_related("model") if given.model}
    name = _free_name(run.model_name or f"{_prefix(run, kind)}-{run.pk}")
    return Model.objects.create(
        name=name,
        kind=kind,
        run=run,
        parent=inputs.get("policy"),
        reward_model=inputs.get("reward"),
        folder=artifact_name(run),
        facts=facts,
        policy=policy_named(name, Policy.Kind.TRAINED) if kind.writes else None,
        created_by=run.created_by,
    )


def store_weights(run: Run, folder: Path) -> None:
    """Keep the weights that a run left in its folder. Doing it twice changes nothing."""
    if run.stage in MADE_BY:
        artifacts.store(folder / "model", artifact_name(run))


def artifact_name(run: Run) -> str:
    """Return under which name a run's model is stored: always the same one, so that it is stored once."""
    return f"models/{run.code}"


def import_model(
    *, source: str, name: str, kind: str = ModelKind.BASE.value, by: User | None = None
) -> Model:
    """Enter a model from outside: a folder that transformers can load, or an id on the hub.

    A folder is copied into the store; of a hub id only the name is kept, and the process loads it. Raises
    InvalidInput if there is no such folder, it holds no model, or the name is taken.
    """
    name = name.strip()
    if not name or len(name) > 120:
        raise InvalidInput(
            f"The name of a model has 1 to 120 characters, this one has {len(name)}.",
            fields={"name": "length"},
        )
    if Model.objects.filter(name=name).exists() or Policy.objects.filter(name=name).exists():
        raise InvalidInput(f'"{name}" is taken; choose another name.', fields={"name": "taken"})
    if kind not in ModelKind.values:
        raise InvalidInput(
            f"kind is {kind!r}; allowed is one of {', '.join(ModelKind.values)}.", fields={"kind": "unknown"}
        )
    code = uuid4()
    folder = ""
    path = Path(source).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file():
            inside = next((found.parent.name for found in sorted(path.glob("*/config.json"))), "")
            hint = f", as {inside} inside it is" if inside else ""
            raise InvalidInput(
                f"{source} holds no config.json; a model is a folder that transformers saved{hint}.",
                fields={"source": "no model"},
            )
        folder = f"models/{code}"
        artifacts.store(path, folder)
    elif not HUB_ID.fullmatch(source):
        raise InvalidInput(
            f"{source} is no folder here and no hub id; give a folder, or an id such as owner/name.",
            fields={"source": "not found"},
        )
    with transaction.atomic():
        model = Model.objects.create(
            code=code,
            name=name,
            kind=kind,
            folder=folder,
            source=source,
            policy=policy_named(name, Policy.Kind.IMPORTED) if ModelKind(kind).writes else None,
            created_by=by,
        )
        audit.record(actor=by, action="import_model", obj=model, source=source)
    return model


def models_of(dataset: Dataset) -> list[Model]:
    """Return every model that saw a dataset, itself or through a model it came from."""
    direct, later, _ = reached({dataset.pk})
    return list(Model.objects.filter(pk__in=direct | later).order_by("pk"))


def _prefix(run: Run, kind: ModelKind) -> str:
    has_texts = run.inputs.filter(name="pretrain").exists()
    return "ppo-ptx" if kind == ModelKind.PPO and has_texts else str(kind.value)


def _free_name(wanted: str) -> str:
    """Return the name, with a number behind it where a model or another writer has it already."""
    name, number = wanted, 2
    while Model.objects.filter(name=name).exists() or Policy.objects.filter(name=name).exists():
        name, number = f"{wanted}-{number}", number + 1
    return name
