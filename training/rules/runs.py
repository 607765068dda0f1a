"""Runs: checked, queued, claimed by one worker at a time, cancelled, tried again, recovered.

A state moves only by an update that is filtered on the state before it, so that whoever comes second does
nothing. The broker merely wakes workers up; what is to be done stands in the rows. `run_execution` does it.
"""

import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from labeling.errors import Conflict, InvalidInput
from labeling.models import Batch, User
from labeling.rules import audit
from training.models import Dataset, Run, RunInput, RunState, Stage
from training.rlhf.config import ConfigError, StageConfig, dump_config, parse_config
from training.rules.run_inputs import Input, check_inputs
from training.rules.run_lengths import check_lengths, lengths_for
from training.rules.run_news import tell_run_failed

STALE_SECONDS = 60
"""A worker that has not been heard of for this long is taken for dead; it renews every ten seconds."""
MAX_DEATHS = 10
"""A run that so many workers died of, since somebody tried it by hand, is not tried again by itself."""
MAX_PRIORITY = 100
RESEND_SECONDS = 120
"""A queued run that no worker took for this long is sent once more: its message may have been lost."""
RESEND_BUSY_SECONDS = 900
"""The same while workers are busy, when waiting is to be expected."""


def create_run(
    *,
    stage: str,
    config: Mapping[str, Any],
    inputs: Mapping[str, Input],
    by: User | None = None,
    model_name: str = "",
    batch: Batch | None = None,
    priority: int = 0,
    queue: str = "gpu",
    cloned_from: Run | None = None,
) -> Run:
    """Check a config and its inputs, and store the run as queued.

    `inputs` maps names of the config's [inputs] to datasets and models; they replace what the config says
    there. `training.tasks.enqueue_run` wakes a worker for it, `batch` is what a sample run answers.
    Raises ConfigError with every problem, each naming its key, the value found and what is allowed.
    """
    checked = check_config(stage=stage, config=config, inputs=inputs)
    with transaction.atomic():
        run = Run(
            stage=Stage(stage),
            config=dump_config(checked),
            seed=checked.seed,
            model_name=model_name,
            batch=batch,
            priority=priority,
            queue=queue,
            cloned_from=cloned_from,
            created_by=by,
        )
        run.folder = str(run.code)
        run.save()
        for name, given in inputs.items():
            if isinstance(given, Dataset):
                RunInput.objects.create(run=run, name=name, dataset=given)
            else:
                RunInput.objects.create(run=run, name=name, model=given)
        audit.record(actor=by, action="create_run", obj=run, stage=stage)
    return run


def check_config(*, stage: str, config: Mapping[str, Any], inputs: Mapping[str, Input]) -> StageConfig:
    """Return the config that a run of these inputs would have. Raises ConfigError with every problem."""
    if stage not in Stage.values:
        raise ConfigError([f"stage is {stage!r}; allowed is one of {', '.join(Stage.values)}."])
    problems = check_inputs(stage, inputs)
    mapping = {key: value for key, value in config.items() if key not in ("inputs", "stage")}
    mapping["inputs"] = {name: _path_of(name, given) for name, given in inputs.items()}
    if lengths := lengths_for(stage, inputs.get("policy") or inputs.get("reward")):
        mapping.setdefault("lengths", lengths)
    if config.get("stage", stage) != stage:
        problems.append(f"stage is {config['stage']!r} in the config; allowed is {stage} here.")
    try:
        checked = parse_config(stage, mapping)
    except ConfigError as error:
        unknown = {f"inputs.{name} " for name in inputs}
        told = [text for text in error.problems if not any(text.startswith(name) for name in unknown)]
        raise ConfigError(problems + (told or ([] if problems else error.problems))) from None
    problems += check_lengths(checked, inputs)
    if problems:
        raise ConfigError(problems)
    return checked


def next_queued(woken_for: Run) -> Run | None:
    """Return the run that a woken worker is to take: of the same queue, the most urgent, then the oldest."""
    return Run.objects.queued().filter(queue=woken_for.queue).order_by("-priority", "pk").first()


def claim_next(*, woken_for: Run, worker: str) -> Run | None:
    """Take the next run of a queue for a worker that was woken; None where nothing waits any more.

    Of two workers woken at once both see the same run first: who comes second takes the one after it.
    """
    while (wanted := next_queued(woken_for)) is not None:
        if (run := claim_run(wanted, worker=worker)) is not None:
            return run
    return None


def set_priority(*, run: Run, priority: int, by: User | None = None) -> Run:
    """Let a queued run go before others (higher) or after them (lower).

    Raises InvalidInput beyond -100 to 100, Conflict where the run waits no longer.
    """
    if not -MAX_PRIORITY <= priority <= MAX_PRIORITY:
        text = f"priority is {priority}; allowed is a whole number from {-MAX_PRIORITY} to {MAX_PRIORITY}."
        raise InvalidInput(text, fields={"priority": text})
    moved = Run.objects.queued().filter(pk=run.pk).update(priority=priority)
    run.refresh_from_db()
    if not moved:
        raise Conflict(f"{run} is {run.state}; only a queued run can be moved.", code="run_state")
    audit.record(actor=by, action="set_run_priority", obj=run, priority=priority)
    return run


def claim_run(run: Run, *, worker: str) -> Run | None:
    """Take a queued run for a worker. Returns None where somebody else has it or nothing is to be done."""
    taken = Run.objects.filter(pk=run.pk, state=RunState.QUEUED).update(
        state=RunState.STARTING,
        attempt=F("attempt") + 1,
        worker=worker,
        heartbeat_at=timezone.now(),
        reason="",
        phase="",
        eta_seconds=None,
    )
    return Run.objects.get(pk=run.pk) if taken == 1 else None


def update_claimed(run: Run, **values: Any) -> bool:
    """Write to a run that this worker holds; returns False where it does not hold it any longer."""
    values.setdefault("heartbeat_at", timezone.now())
    return Run.objects.active().filter(pk=run.pk, attempt=run.attempt).update(**values) == 1


def current_state(run: Run) -> str | None:
    """Return the state of a run that this worker holds, None where another holds it."""
    return Run.objects.active().filter(pk=run.pk, attempt=run.attempt).values_list("state", flat=True).first()


def cancel_run(*, run: Run, by: User | None = None) -> Run:
    """Cancel a run: at once if it is queued, else its worker is told and the process saves before it ends.

    Does nothing where it is being cancelled or has been. Raises Conflict where it has finished or failed.
    """
    waiting = Run.objects.queued().filter(pk=run.pk)
    working = Run.objects.filter(pk=run.pk, state__in=(RunState.STARTING, RunState.RUNNING))
    reason = f"Cancelled by {by}." if by else "Cancelled."
    moved = waiting.update(state=RunState.CANCELLED, reason=reason, finished_at=timezone.now())
    moved = moved or working.update(state=RunState.CANCELLING, reason=reason)
    run.refresh_from_db()
    if moved:
        audit.record(actor=by, action="cancel_run", obj=run)
    elif run.state not in (RunState.CANCELLING, RunState.CANCELLED):
        raise Conflict(f"{run} has {run.state} already, so it cannot be cancelled.", code="run_ended")
    return run


def retry_run(*, run: Run, by: User | None = None) -> Run:
    """Queue a failed or cancelled run again; it resumes from its newest checkpoint.

    Raises Conflict where it is neither failed nor cancelled.
    """
    moved = Run.objects.filter(pk=run.pk, state__in=(RunState.FAILED, RunState.CANCELLED)).update(
        state=RunState.QUEUED, reason="", finished_at=None, sent_at=None, heartbeat_at=None, deaths=0
    )
    run.refresh_from_db()
    if moved != 1:
        raise Conflict(
            f"{run} is {run.state}; only a failed or cancelled run is tried again.", code="run_state"
        )
    audit.record(actor=by, action="retry_run", obj=run)
    return run


def recover_runs() -> list[Run]:
    """Queue runs whose worker has gone silent, and return every run for which a worker is to be woken.

    A run that was being cancelled when its worker died is cancelled; its checkpoint is kept.
    """
    now = timezone.now()
    stale = Q(heartbeat_at__lt=now - timedelta(seconds=STALE_SECONDS))
    Run.objects.filter(stale, state=RunState.CANCELLING).update(
        state=RunState.CANCELLED, finished_at=now, reason="Cancelled; its worker had gone silent."
    )
    silent = Run.objects.filter(stale, state__in=(RunState.STARTING, RunState.RUNNING))
    for run in silent.filter(deaths__gte=MAX_DEATHS - 1):
        _give_up(run, silent.filter(pk=run.pk))
    silent.update(
        state=RunState.QUEUED,
        sent_at=None,
        deaths=F("deaths") + 1,
        reason="Its worker went silent; it will be resumed.",
    )
    patience = RESEND_BUSY_SECONDS if Run.objects.active().exists() else RESEND_SECONDS
    waiting = Q(sent_at=None) | Q(sent_at__lt=now - timedelta(seconds=patience))
    return list(Run.objects.queued().filter(waiting).order_by("-priority", "pk"))


def _give_up(run: Run, where_silent: QuerySet[Run]) -> None:
    """Fail a run that has cost too many workers, unless it has been heard of since it was read."""
    reason = f"Its worker died {MAX_DEATHS} times; see its log."
    with transaction.atomic():
        if where_silent.update(
            state=RunState.FAILED, finished_at=timezone.now(), deaths=F("deaths") + 1, reason=reason
        ):
            tell_run_failed(run, reason)


def mark_sent(run: Run) -> None:
    """Note that a worker is being woken for a queued run."""
    Run.objects.queued().filter(pk=run.pk).update(sent_at=timezone.now())


def wait_for_run(run: Run, timeout: float, poll_seconds: float = 0.5) -> Run:
    """Wait until a run has ended and return it as it is then. Raises TimeoutError."""
    deadline = time.monotonic() + timeout
    while True:
        run.refresh_from_db()
        if run.is_ended:
            return run
        if time.monotonic() > deadline:
            raise TimeoutError(
                f"{run} is still {run.state} after {timeout:g} seconds; is a gpu worker running?"
            )
        time.sleep(poll_seconds)


def _path_of(name: str, given: Input) -> str:
    """Return how run.toml names an input: by its place in the folder, or by the id of a model on the hub."""
    if not isinstance(given, Dataset) and not given.folder:
        return given.source
    return f"inputs/{name}"
