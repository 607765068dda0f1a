"""What was chosen in a round for the models that it made, as cards, pages and the API say it."""

from collections.abc import Collection, Mapping
from typing import Any

from django.db.models import Prefetch, Q

from training.models import GateOverride, Round

CHOSEN = ("start_from", "pool", "mix", "best_of_n", "choose_by")
"""The settings that say how a round's models came about; batches, runs and datasets show the others."""
TITLES: Mapping[str, str] = {
    "start_from": "PPO started from",
    "pool": "The reward model learned from",
    "choose_by": "Prompts were taken",
}
WORDS: Mapping[tuple[str, str], str] = {
    ("start_from", "initialiser"): "the supervised policy",
    ("start_from", "newest"): "the newest policy",
    ("pool", "all"): "comparisons of all rounds",
    ("pool", "round"): "comparisons of its round only",
    ("choose_by", "order"): "oldest unused first",
    ("choose_by", "random"): "at random",
    ("choose_by", "doubt"): "where the reward model was in doubt",
}
WRITERS: Mapping[str, str] = {
    "newest": "the newest policy",
    "previous": "the one before it",
    "sft": "the supervised policy",
    "best_of": "the best of {n} by the newest",
    "demonstration": "labelers",
}


def rounds_of_runs(runs: Collection[int]) -> dict[int, Round]:
    """Return the round whose step each of some runs is, by the run's primary key, with its signatures."""
    if not runs:
        return {}
    signatures = Prefetch("gate_overrides", GateOverride.objects.select_related("by").order_by("pk"))
    made = Q(sft_run__in=runs) | Q(reward_run__in=runs) | Q(ppo_run__in=runs)
    found: dict[int, Round] = {}
    for given in Round.objects.filter(made).order_by("pk").prefetch_related(signatures):
        for key in (given.sft_run_id, given.reward_run_id, given.ppo_run_id):
            if key is not None:
                found[key] = given
    return found


def choices_of(given: Round) -> list[tuple[str, str]]:
    """Return what was chosen, as pairs of a title and words; nothing for what the round does not say."""
    settings = given.settings
    found = [
        (title, WORDS.get((key, str(settings[key])), str(settings[key])))
        for key, title in TITLES.items()
        if settings.get(key)
    ]
    mix = settings.get("mix") or {}
    if shares := {words: mix[name] for name, words in WRITERS.items() if mix.get(name)}:
        n = settings.get("best_of_n", "n")
        words = (f"{count} by {writer.format(n=n)}" for writer, count in shares.items())
        found.append(("Of the responses compared", ", ".join(words)))
    return found


def signatures_of(given: Round) -> list[tuple[GateOverride, str]]:
    """Return who let the round train although its gate was closed, each with what had failed."""
    return [(row, "; ".join(row.failed.values())) for row in given.gate_overrides.all()]


def round_body(given: Round) -> dict[str, Any]:
    """Return a round's number, choices and signatures as plain values."""
    return {
        "code": str(given.code),
        "number": given.number,
        "name": given.name,
        "settings": {key: given.settings[key] for key in CHOSEN if key in given.settings},
        "gate_overrides": [
            {
                "by": str(row.by),
                "reason": row.reason,
                "failed": row.failed,
                "created_at": row.created_at.isoformat(),
            }
            for row in given.gate_overrides.all()
        ],
    }
