"""A server killed in the middle of submissions: what it acknowledged is there, and nothing is there twice."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from labeling.models import Assignment, Demonstration, Receipt
from tests.factories import qualified_labeler, writing_batch
from tests.labeling.rules.test_queue_processes import environment

WORKER = """
import sys
import time
from pathlib import Path
import django
django.setup()
from labeling.models import Labeler
from labeling.rules import assignments, demonstrations
labeler = Labeler.objects.get(pk=sys.argv[1])
Path(sys.argv[2]).touch()
while not Path(sys.argv[3]).exists():
    time.sleep(0.01)
while held := assignments.claim_next(labeler=labeler, kind="demonstration"):
    receipt = demonstrations.submit_demonstration(
        assignment=held, text="A few words.", idempotency_key=str(held.code)
    )
    sys.stdout.write(f"{receipt.code}\\n")
    sys.stdout.flush()
"""
SECONDS = 60


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_killed_server_loses_nothing_acknowledged_and_goes_on(tmp_path: Path) -> None:
    writing_batch(tasks=200)
    labelers = [qualified_labeler() for _ in range(2)]
    for round_number in range(2):
        files = [tmp_path / f"{round_number}-{n}" for n in range(len(labelers))]
        ready = [tmp_path / f"ready-{round_number}-{n}" for n in range(len(labelers))]
        start = tmp_path / f"start-{round_number}"
        workers = []
        for labeler, file, sign in zip(labelers, files, ready, strict=True):
            command = [sys.executable, "-c", WORKER, str(labeler.pk), str(sign), str(start)]
            with file.open("wb") as output:
                workers.append(subprocess.Popen(command, env=environment(), stdout=output))
        try:
            deadline = time.monotonic() + SECONDS
            while not all(sign.exists() for sign in ready):
                assert time.monotonic() < deadline, "the workers did not start"
                time.sleep(0.01)
            start.touch()  # together: one of them alone would do every task before the other has begun
            while sum(len(file.read_bytes()) for file in files) < 6 * 37:  # SQLite lets one write far ahead
                assert time.monotonic() < deadline, "the workers acknowledged nothing"
                time.sleep(0.01)
        finally:
            for worker in workers:
                os.kill(worker.pid, signal.SIGKILL)
                worker.wait()
        acknowledged = {line for file in files for line in file.read_text().split("\n") if len(line) == 36}
        stored = {str(code) for code in Receipt.objects.values_list("code", flat=True)}
        assert acknowledged <= stored
    assert Receipt.objects.count() == Demonstration.objects.count() == Assignment.objects.submitted().count()
    held = Assignment.objects.leased().values_list("labeler_id", flat=True)
    assert len(held) == len(set(held)) <= len(labelers)
