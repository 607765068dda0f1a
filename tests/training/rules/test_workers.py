"""Workers: seen while they report, silent when they stop, with the runs they hold."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tests.training.factories import sft_run
from training.models import Run, RunState, Worker
from training.rules import workers

pytestmark = pytest.mark.django_db


def test_a_worker_is_seen_with_its_device_and_the_run_it_holds() -> None:
    workers.report_worker(name="gpu@one", queues=["gpu"], is_new=True)
    run = sft_run()
    Run.objects.update(state=RunState.RUNNING, worker="gpu@one")
    presence = workers.presences()[0]
    assert (presence.state, presence.runs) == ("working", [run])
    assert presence.worker.device
    assert presence.worker.memory_bytes > 0


def test_a_worker_that_reports_no_more_is_silent_and_one_that_left_has_stopped() -> None:
    workers.report_worker(name="gpu@dead", queues=["gpu"], is_new=True)
    Worker.objects.update(seen_at=timezone.now() - timedelta(minutes=2))
    workers.report_worker(name="gpu@gone", queues=["gpu"], is_new=True)
    workers.stop_worker("gpu@gone")
    workers.report_worker(name="gpu@here", queues=["gpu"], is_new=True)
    states = {presence.worker.name: presence.state for presence in workers.presences()}
    assert states == {"gpu@here": "idle", "gpu@dead": "silent", "gpu@gone": "stopped"}


def test_a_worker_that_starts_again_is_the_same_row() -> None:
    workers.report_worker(name="gpu@one", queues=["gpu"], is_new=True)
    workers.stop_worker("gpu@one")
    workers.report_worker(name="gpu@one", queues=["gpu", "big"], is_new=True)
    worker = Worker.objects.get()
    assert worker.stopped_at is None
    assert workers.known_queues() == ["big", "gpu"]


def test_queues_nobody_listens_to_are_named() -> None:
    sft_run()
    assert workers.queues_without_workers(workers.presences()) == ["gpu"]
    workers.report_worker(name="gpu@one", queues=["gpu"], is_new=True)
    assert workers.queues_without_workers(workers.presences()) == []


@pytest.mark.django_db(transaction=True)
def test_reports_begin_at_once_and_end_with_a_goodbye() -> None:
    reporter = workers.Reporter("gpu@thread", ["gpu"])
    reporter.start()
    reporter.stop()
    assert Worker.objects.get().stopped_at is not None
