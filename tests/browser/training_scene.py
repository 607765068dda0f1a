"""Training in mid-flight, for pictures: finished rounds, runs in every state, a gate that is closed."""

from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from labeling.models import User
from tests.training.factories import draft_batch, ranking, sft_inputs
from tests.training.registry import Registry, fill
from training.models import Model, Round, RunState
from training.rules import rounds
from training.rules.curves import store_points
from training.rules.datasets import freeze_dataset
from training.rules.runs import create_run

LONG_NAME = (
    "ppo-ptx from the third round, with the learning rate that the seven-day comparison suggested, and no ptx"
)
STATES: Mapping[str, Mapping[str, Any]] = {
    RunState.QUEUED: {},
    RunState.RUNNING: {"worker": "gpu@machine-1", "phase": "training", "eta_seconds": 5400.0},
    RunState.FAILED: {
        "reason": "ValueError: prompts: no record fits into 64 tokens; raise max_prompt_tokens."
    },
    RunState.CANCELLED: {"reason": "Cancelled by Dana."},
}


def make_training(owner: User) -> Registry:
    """Fill the training pages; the last round waits at its gate."""
    made = fill(by=owner, rounds=4, points=600, models=16, judgements=6)
    Model.objects.filter(pk=Model.objects.of_kind("ppo")[0].pk).update(name=LONG_NAME)
    inputs = sft_inputs()
    for state, facts in STATES.items():
        run = create_run(stage="sft", config={}, inputs=inputs, by=owner)
        started = None if state == RunState.QUEUED else timezone.now()
        for name, value in (*facts.items(), ("state", state), ("started_at", started)):
            setattr(run, name, value)
        run.progress_done, run.progress_total, run.progress_unit = 120, 400, "steps"
        run.heartbeat_at = started
        run.save()
        if started:
            store_points(run, [{"step": step, "loss/sft": 3.0 / (step + 1) + 1} for step in range(120)])
        made.runs.append(run)
    made.rounds.append(_round_at_its_gate(made.rounds[-1], owner))
    return made


def _round_at_its_gate(previous: Round, owner: User) -> Round:
    """Open a round whose comparisons one labeler ranked alone: its gate is closed."""
    Round.objects.filter(pk=previous.pk).update(closed_at=timezone.now())
    given = rounds.open_round(previous=previous, by=owner)
    given.comparison_batch = draft_batch(k=3)
    for _ in range(3):
        ranking([1, 2, 3], batch=given.comparison_batch)
    given.comparisons_dataset = freeze_dataset(kind="comparisons", name="Round 5: comparisons", by=owner)
    given.prompts_dataset = freeze_dataset(kind="ppo_prompts", name="Round 5: PPO prompts", by=owner)
    given.comparison_batch.status = "closed"
    given.comparison_batch.save()
    given.save()
    return given
