"""A task as its labeler would have it, made for a look and undone at once: nothing of it stays."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from labeling.errors import InvalidInput
from labeling.models import Assignment, Batch, Cohort, Labeler, Role, Task, User
from labeling.rules import readings
from labeling.rules.readings import Said

NOBODY = "preview@labeler.invalid"


@contextmanager
def task_in_hand(make: Callable[[], Batch | Task], *, has_readings: bool = False) -> Iterator[Assignment]:
    """Give the assignment that somebody would hold on a task, inside a transaction that is rolled back.

    `make` returns the task, or a batch (which may be made there and then) of which one task is taken at
    random. `has_readings` gives it those that its batch may ask for. Raises InvalidInput for a batch without
    tasks.
    """
    with transaction.atomic():
        made = make()
        task = made if isinstance(made, Task) else made.tasks.order_by("?").first()
        if task is None:
            raise InvalidInput("This batch has no task to look at yet.")
        nobody = User.objects.create(email=NOBODY, name="A labeler", role=Role.LABELER)
        labeler = Labeler.objects.create(
            user=nobody, pseudonym="L-PREVIEW", cohort=Cohort.TRAIN, status=Labeler.Status.ACTIVE
        )
        now = timezone.now()
        candidates = list(task.candidates.select_related("response"))
        order = [str(candidate.response.code) for candidate in candidates]
        random.shuffle(order)
        assignment = Assignment.objects.create(
            task=task,
            batch=task.batch,
            kind=task.batch.kind,
            state=Assignment.State.LEASED,
            labeler=labeler,
            display_order=order,
            claimed_at=now,
            last_seen_at=now,
            lease_expires_at=now + timedelta(seconds=task.batch.lease_seconds),
        )
        if has_readings and readings.asks(task.batch):
            said = [Said(candidate.response.code, cannot_tell=True) for candidate in candidates]
            readings.store_readings(assignment=assignment, said=said)
        yield assignment
        transaction.set_rollback(True)
