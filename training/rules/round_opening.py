"""Opening a round: what it starts from, its settings, and the models it works with."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import Max

from labeling.errors import Conflict, InvalidInput
from labeling.models import User
from labeling.rules import audit
from training.models import Dataset, DatasetKind, Model, ModelKind, Round, Run
from training.rlhf.config import apply_overrides, shipped_config, to_mapping
from training.rules.round_settings import settle


def open_round(
    *,
    name: str = "",
    base_model: Model | None = None,
    previous: Round | None = None,
    pretrain_dataset: Dataset | None = None,
    settings: Mapping[str, Any] | None = None,
    by: User | None = None,
) -> Round:
    """Open a turn of the loop: the first one from a base model, each later one from the round before it.

    `settings` may set k, overlap and shared_fraction of comparisons, prompts, valid_prompts, configs (a
    mapping from stage to the name of a shipped config), overrides (from stage to a list of
    "section.key=value" that change it), gate and alarm (thresholds, see `round_gate` and
    `over_optimisation`), mix (how many of the K responses the newest, previous and sft policies write, the
    newest one as the best of best_of_n, and people in demonstrations), choose_by (prompts oldest first, at
    random, or by the reward model's doubt from a pool pool_factor times as large with a random
    control_fraction, see `prompt_choice`), start_from (PPO goes on from the initialiser or from the newest
    policy), pool (train on all comparisons or on this round's) and is_automatic (steps start by themselves).
    Raises InvalidInput for a setting that makes no sense, Conflict where the round before has a successor
    already.
    """
    chosen = settle(settings or {}, inherited=previous.settings if previous is not None else {})
    if previous is None and base_model is None:
        raise InvalidInput(
            "The first round needs a base model to start from.", fields={"base_model": "missing"}
        )
    if base_model is not None and not ModelKind(base_model.kind).writes:
        raise InvalidInput(
            f"{base_model} is a {base_model.get_kind_display().lower()} and writes nothing; choose another.",
            fields={"base_model": "writes nothing"},
        )
    if pretrain_dataset is not None and pretrain_dataset.kind != DatasetKind.PRETRAIN:
        text = f"{pretrain_dataset} holds {pretrain_dataset.get_kind_display().lower()}; choose texts."
        raise InvalidInput(text, fields={"pretrain_dataset": text})
    with transaction.atomic():
        if previous is not None and Round.objects.filter(previous=previous).exists():
            raise Conflict(f"{previous} has been followed by another round already.", code="round_followed")
        newest = Round.objects.aggregate(newest=Max("number"))["newest"] or 0
        opened = Round.objects.create(
            number=newest + 1,
            name=name,
            previous=previous,
            base_model=base_model,
            pretrain_dataset=pretrain_dataset,
            settings=chosen,
            created_by=by,
        )
        audit.record(actor=by, action="open_round", obj=opened, number=opened.number)
    return opened


def chain_of(given: Round) -> list[Round]:
    """Return a round and those before it with their supervised models, the newest first.

    Those before it are read in one query.
    """
    if given.previous_id is None:
        return [given]
    heavy = (f"sft_run__{column}" for column in ("config", "log_tail", "samples", "report", "result"))
    before = Round.objects.filter(number__lt=given.number).select_related("sft_run__model")
    rows = before.defer(*heavy).in_bulk()
    chain = [given]
    while (previous := chain[-1].previous_id) is not None:
        chain.append(rows[previous])
    return chain


def sft_model(given: Round | None) -> Model | None:
    """Return the supervised model that a round works with: its own, or that of a round before it."""
    if given is None:
        return None
    return next((made for row in chain_of(given) if (made := model_of(row.sft_run)) is not None), None)


def policy_model(given: Round | None) -> Model | None:
    """Return the newest policy to sample from: the PPO model of the round before, else the SFT model."""
    previous = given.previous if given else None
    return model_of(previous.ppo_run if previous else None) or sft_model(given)


def reward_model(given: Round | None) -> Model | None:
    """Return the newest reward model of a round or the rounds before it."""
    while given is not None:
        model = model_of(given.reward_run)
        if model is not None:
            return model
        given = given.previous
    return None


def previous_policy(given: Round | None) -> Model | None:
    """Return the policy before the newest one, the newest where there is none before it."""
    return policy_model(given.previous if given else None) or policy_model(given)


def model_of(run: Run | None) -> Model | None:
    """Return the model that a run made, None before it has."""
    return getattr(run, "model", None)


def config_for(given: Round, stage: str) -> dict[str, Any]:
    """Return the settings for a stage's runs: the round's shipped config or the defaults, overridden."""
    name = given.settings.get("configs", {}).get(stage)
    config = to_mapping(shipped_config(name)) if name else {"stage": stage}
    return apply_overrides(config, given.settings.get("overrides", {}).get(stage, []))
