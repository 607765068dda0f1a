"""Turns of the loop: how far each step is, and one call that does the next one.

Nothing about progress is stored: a step is done when the rows it makes are there and have ended.
"""

from dataclasses import dataclass

from django.db import transaction

from labeling.errors import Conflict
from labeling.models import Batch, User
from labeling.rules import audit
from training.models import Dataset, Evaluation, Round, Run
from training.rules.round_opening import open_round, policy_model, sft_model
from training.rules.round_steps import DONE, FAILED, KINDS, READY, WAITING, step_keys

__all__ = ["Step", "next_step", "open_round", "policy_model", "sft_model", "start_step", "steps"]


@dataclass(frozen=True)
class Step:
    """One step of a round as a page shows it.

    state   waiting (an earlier step is not done), ready, running, failed, done
    detail  what was found, what it waits for
    row     what the step made, to link to
    """

    key: str
    title: str
    button: str
    state: str
    detail: str = ""
    row: Batch | Dataset | Run | Evaluation | Round | None = None

    @property
    def can_start(self) -> bool:
        """True where a button may do this step now; a failed run may be replaced by a new one."""
        return self.state == READY or (self.state == FAILED and KINDS[self.key].is_repeatable)


def steps(given: Round) -> list[Step]:
    """Return a round's steps in order; after one that is not done, the rest wait."""
    found: list[Step] = []
    is_reached = True
    for key in step_keys(given):
        kind = KINDS[key]
        state, detail, row = kind.look(given)
        if not is_reached and state == READY:
            state, detail = WAITING, "Waits for the steps before it."
        found.append(Step(key, kind.title, kind.button, state, detail, row))
        is_reached = is_reached and state == DONE
    return found


def next_step(given: Round) -> Step | None:
    """Return the first step that is not done, None where the round is complete."""
    return next((step for step in steps(given) if step.state != DONE), None)


def start_step(*, given: Round, key: str, by: User | None = None) -> list[Run]:
    """Do the next step of a round. Returns the runs to wake a worker for (`training.tasks.enqueue_run`).

    The key names the step that the person saw as ready: if it has been done meanwhile, or waits, Conflict is
    raised and nothing happens.
    """
    with transaction.atomic():
        locked = Round.objects.select_for_update().get(pk=given.pk)
        upcoming = next_step(locked)
        if upcoming is None or upcoming.key != key or not upcoming.can_start:
            now = f"it is at: {upcoming.title} ({upcoming.state})" if upcoming else "it is complete"
            raise Conflict(f"{locked} does not wait for that step; {now}.", code="step_not_ready")
        runs = KINDS[key].start(locked, by)
        locked.save()
        audit.record(actor=by, action="start_step", obj=locked, step=key)
    given.refresh_from_db()
    return runs
