"""The queue under several processes, as several web workers are: no slot twice, no label lost."""

import os
import subprocess
import sys

import pytest
from django.db import connection

from labeling.models import Assignment, Demonstration, Labeler, Receipt
from tests.factories import qualified_labeler, writing_batch

WORKER = """
import sys
import django
django.setup()
from labeling.models import Labeler
from labeling.rules import assignments, demonstrations
done = 0
people = list(Labeler.objects.filter(pk__in=sys.argv[1].split(",")))
while people:
    for labeler in list(people):
        held = assignments.claim_next(labeler=labeler, kind="demonstration")
        if held is None:
            people.remove(labeler)
            continue
        demonstrations.submit_demonstration(
            assignment=held, text=f"by {labeler.pk}", idempotency_key=str(held.code)
        )
        done += 1
print(done)
"""


def environment() -> dict[str, str]:
    """Point another process at this test's own database."""
    settings = connection.settings_dict
    if connection.vendor == "sqlite":
        url = f"sqlite:///{settings['NAME']}"
    else:
        login = f"{settings['USER']}:{settings['PASSWORD']}@" if settings["USER"] else ""
        url = f"postgres://{login}{settings['HOST']}:{settings['PORT']}/{settings['NAME']}"
    return os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "server.settings.test"}


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_processes_share_the_queue_without_sharing_a_slot() -> None:
    writing_batch(tasks=12, overlap=2)
    people = [qualified_labeler() for _ in range(6)]
    groups = (people[:4], people[2:])  # two labelers are at work in both processes at once
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, ",".join(str(labeler.pk) for labeler in group)],
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for group in groups
    ]
    outcomes = [worker.communicate(timeout=300) for worker in workers]
    crashes = [error for worker, (_, error) in zip(workers, outcomes, strict=True) if worker.returncode]
    assert not crashes
    # The same key from two processes is the same submission, so 24 slots give 24 labels.
    assert (
        Assignment.objects.submitted().count()
        == Demonstration.objects.count()
        == Receipt.objects.count()
        == 24
    )
    answered = set(Demonstration.objects.values_list("prompt_id", "labeler_id"))
    assert len(answered) == 24
    assert not Assignment.objects.open().exists()
    assert Labeler.objects.count() == 6
