"""Turns of the loop: how far each step is, and one call that does the next one.

Nothing about progress is stored: a step is done when the rows it makes are there and have ended.
"""

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from django.db import DatabaseError, transaction

from labeling.errors import Conflict, LabelingError
from labeling.models import Batch, User
from labeling.rules import audit
from training.models import Dataset, Evaluation, Round, Run
from training.rlhf.config import ConfigError
from training.rules.round_facts import Facts, read_facts, with_rows
from training.rules.round_gate import gate_of, open_gate
from training.rules.round_opening import open_round, policy_model, sft_model
from training.rules.round_steps import (
    DONE,
    FAILED,
    HELD,
    KINDS,
    READY,
    WAITING,
    follow,
    has_won,
    step_keys,
)

__all__ = [
    "Step",
    "advance_rounds",
    "gate_of",
    "next_step",
    "next_steps",
    "open_gate",
    "open_next_round",
    "open_round",
    "policy_model",
    "read_facts",
    "set_automatic",
    "sft_model",
    "start_step",
    "steps",
]
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Step:
    """One step of a round as a page shows it.

    state   waiting (an earlier step is not done), ready, held (by the gate), running, failed, done
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
    def is_held(self) -> bool:
        return self.state == HELD

    @property
    def can_start(self) -> bool:
        """True where a button may do this step now; a failed run may be replaced by a new one."""
        return self.state == READY or (self.state == FAILED and KINDS[self.key].is_repeatable)


def steps(given: Round, facts: Facts | None = None) -> list[Step]:
    """Return a round's steps in order; after one that is not done, the rest wait."""
    facts = facts or read_facts([given])
    found: list[Step] = []
    is_reached = True
    for key in step_keys(given):
        kind = KINDS[key]
        state, detail, row = kind.look(given, facts)
        if not is_reached and state == READY:
            state, detail = WAITING, "Waits for the steps before it."
        elif kind.is_gated and state in (READY, FAILED):
            state, detail = _at_the_gate(given, facts, state, detail)
        found.append(Step(key, kind.title, kind.button, state, detail, row))
        is_reached = is_reached and state == DONE
    return found


def _at_the_gate(given: Round, facts: Facts, state: str, detail: str) -> tuple[str, str]:
    """Hold a step back where the gate is closed; a list does not ask, for that reads every ranking."""
    if not facts.is_full:
        return state, "Its gate is checked on its page."
    gate = facts.gate(given)
    if gate.is_open:
        return state, detail
    return HELD, "Held back by the gate: " + "; ".join(check.found for check in gate.failed) + "."


def next_step(given: Round, facts: Facts | None = None) -> Step | None:
    """Return the first step that is not done, None where the round is complete."""
    return next((step for step in steps(given, facts) if step.state != DONE), None)


def next_steps(rows: Collection[Round]) -> dict[int, Step | None]:
    """Return what each of several rounds waits for, by primary key, in as many queries as for one.

    A round that has been closed is complete. Neither gates nor win rates are looked at.
    """
    found = list(with_rows(Round.objects.open().filter(pk__in=[row.pk for row in rows])))
    facts = read_facts(found, is_full=False)
    return dict.fromkeys((row.pk for row in rows), None) | {row.pk: next_step(row, facts) for row in found}


def start_step(*, given: Round, key: str, by: User | None = None) -> list[Run]:
    """Do the next step of a round. Returns the runs to wake a worker for (`training.tasks.enqueue_run`).

    The key names the step that the person saw as ready: if it has been done meanwhile, or waits, Conflict is
    raised and nothing happens.
    """
    return _start(given, key, by, KINDS[key].start if key in KINDS else None)


def open_next_round(*, given: Round, by: User | None = None, **opening: Any) -> list[Run]:
    """Do the last step of a round with other settings for the round that follows.

    `opening` may name it, set its `settings` and give its texts (`pretrain_dataset`), as `open_round` does.
    """
    return _start(given, "next", by, lambda locked, by: follow(locked, by, **opening))


def _start(
    given: Round, key: str, by: User | None, do: Callable[[Round, User | None], list[Run]] | None
) -> list[Run]:
    with transaction.atomic():
        locked = Round.objects.select_for_update().get(pk=given.pk)
        upcoming = next_step(locked)
        if do is None or upcoming is None or upcoming.key != key or not upcoming.can_start:
            now = f"it is at: {upcoming.title} ({upcoming.state})" if upcoming else "it is complete"
            raise Conflict(f"{locked} does not wait for that step; {now}.", code="step_not_ready")
        runs = do(locked, by)
        locked.save()
        audit.record(actor=by, action="start_step", obj=locked, step=key)
    given.refresh_from_db()
    return runs


def set_automatic(*, given: Round, is_automatic: bool, by: User | None = None) -> Round:
    """Let the steps of a round start by themselves, or by the button again."""
    with transaction.atomic():
        locked = Round.objects.select_for_update().get(pk=given.pk)
        locked.settings = {**locked.settings, "is_automatic": is_automatic, "stopped": ""}
        locked.save(update_fields=["settings"])
        audit.record(actor=by, action="set_round_automatic", obj=locked, is_automatic=is_automatic)
    given.refresh_from_db()
    return given


def advance_rounds() -> list[Run]:
    """Start what the open automatic rounds are ready for. Returns the runs to wake workers for.

    A step that cannot be started, for whatever reason, stops the automation of its round, with the reason
    beside it; so does a failed run. No round keeps the others waiting. Opening the next round is left to a
    person unless the new policy has won.
    """
    started: list[Run] = []
    for given in Round.objects.open().filter(settings__is_automatic=True):
        try:
            started += _advance(given)
        except Conflict as error:
            log.info("Round %s was moved by somebody else: %s", given.number, error.message)
        except DatabaseError:  # away for a moment or busy, which says nothing of the round
            log.exception("Round %s could not be looked at", given.number)
    return started


def _advance(given: Round) -> list[Run]:
    """Do what one automatic round is ready for, or stop it with the reason."""
    where = ""
    try:
        step = next_step(given)
        if step is None or step.state not in (READY, FAILED):
            return []
        where = f"{step.title}: "
        if step.key == "next" and not has_won(given):
            return []
        if step.state == READY:
            return start_step(given=given, key=step.key, by=given.created_by)
        _stop(given, where + step.detail)
    except (Conflict, DatabaseError):
        raise
    except (LabelingError, ConfigError) as error:
        _stop(given, f"{where}{error}")
    except Exception as error:
        log.exception("Round %s could not go on by itself", given.number)
        _stop(given, f"{where}{type(error).__name__}: {error}")
    return []


def _stop(given: Round, why: str) -> None:
    """Switch the automation of a round off, unless somebody has done that meanwhile."""
    with transaction.atomic():
        locked = Round.objects.select_for_update().get(pk=given.pk)
        if not locked.settings.get("is_automatic"):
            return
        locked.settings = {**locked.settings, "is_automatic": False, "stopped": why[:1000]}
        locked.save(update_fields=["settings"])
        audit.record(actor=None, action="stop_round_automatic", obj=locked, reason=why[:1000])
