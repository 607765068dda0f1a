"""Runs before and after a worker has them: checked, queued, cancelled, tried again, recovered."""

import tomllib
from datetime import timedelta

import pytest
from django.utils import timezone

from labeling.errors import Conflict, InvalidInput
from labeling.models import Role, Webhook, WebhookDelivery
from tests.factories import UserFactory
from tests.training.factories import ranking, sft_dataset, sft_inputs, sft_run, stored_model
from training.models import Run, RunState
from training.rlhf.config import ConfigError, parse_config
from training.rules import datasets, runs
from training.rules.run_inputs import find_inputs

pytestmark = pytest.mark.django_db


def test_run_keeps_config_inputs_and_seed() -> None:
    run = sft_run({"seed": 7, "sft": {"epochs": 2}})
    assert run.state == RunState.QUEUED
    assert run.seed == 7
    assert "epochs = 2" in run.config
    assert {given.name for given in run.inputs.all()} == {"policy", "dataset"}


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"sft": {"epochs": 0}}, ("sft.epochs", "0", "1 or more")),
        ({"sft": {"epoch": 3}}, ("sft.epoch", "sft.epochs")),
        ({"optim": {"schedule": "zigzag"}}, ("optim.schedule", "zigzag", "cosine")),
        ({"stage": "ppo"}, ("stage", "ppo", "sft")),
    ],
)
def test_bad_config_is_refused_before_anything_is_stored(
    config: dict[str, object], words: tuple[str, ...]
) -> None:
    inputs = sft_inputs()
    with pytest.raises(ConfigError) as error:
        runs.create_run(stage="sft", config=config, inputs=inputs)
    assert all(word in str(error.value) for word in words)
    assert not Run.objects.exists()


def test_every_problem_is_named_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        runs.create_run(stage="sft", config={"sft": {"epochs": 0}, "colour": 1}, inputs={})
    keys = [problem.split()[0] for problem in error.value.problems]
    assert keys == ["inputs.policy", "inputs.dataset", "sft.epochs", "colour"]


def test_input_of_the_wrong_kind_is_refused() -> None:
    ranking([1, 2])
    comparisons = datasets.freeze_dataset(kind="comparisons")
    with pytest.raises(ConfigError, match=r"inputs.dataset .* allowed is a dataset of kind sft"):
        runs.create_run(stage="sft", config={}, inputs={"policy": stored_model(), "dataset": comparisons})
    with pytest.raises(ConfigError, match=r"inputs.policy .* allowed is a model of kind"):
        runs.create_run(
            stage="reward", config={}, inputs={"policy": stored_model("reward"), "dataset": comparisons}
        )


def test_unknown_stage_and_unknown_input_are_refused() -> None:
    with pytest.raises(ConfigError, match="allowed is one of pretrain, sft"):
        runs.create_run(stage="guess", config={}, inputs={})
    inputs = {**sft_inputs(), "prompts": sft_dataset()}
    with pytest.raises(ConfigError, match=r"inputs.prompts is not read by sft"):
        runs.create_run(stage="sft", config={}, inputs=inputs)


def test_optional_input_enables_the_setting_that_needs_it() -> None:
    texts = datasets.freeze_texts(name="stories", texts=["Once."])
    inputs = {**sft_inputs(), "pretrain": texts}
    run = runs.create_run(stage="sft", config={"sft": {"pretrain_fraction": 0.1}}, inputs=inputs)
    assert 'pretrain = "inputs/pretrain"' in run.config


def test_model_of_the_hub_is_named_by_its_id() -> None:
    model = stored_model()
    model.folder, model.source = "", "example/tiny"
    model.save()
    run = runs.create_run(stage="sft", config={}, inputs={"policy": model, "dataset": sft_dataset()})
    assert 'policy = "example/tiny"' in run.config


def test_inputs_are_found_by_code_name_hash_or_as_the_newest() -> None:
    base, dataset = stored_model(name="tiny"), sft_dataset()
    stored_model("sft")
    for named in ({}, {"policy": "tiny", "dataset": dataset.hash[:8]}, {"policy": str(base.code)}):
        found = find_inputs("sft", named)
        assert found == {"policy": base, "dataset": dataset}
    with pytest.raises(ConfigError, match=r"inputs.policy is ghost; allowed is a model of kind"):
        find_inputs("sft", {"policy": "ghost"})
    with pytest.raises(ConfigError, match=r"inputs.reward has nothing to take; first make"):
        find_inputs("ppo", {})


def test_stored_config_reads_back_equal() -> None:
    inputs = sft_inputs()
    config = {"optim": {"learning_rate": 1e-3}}
    run = runs.create_run(stage="sft", config=config, inputs=inputs)
    checked = runs.check_config(stage="sft", config=config, inputs=inputs)
    assert parse_config("sft", tomllib.loads(run.config)) == checked


def test_only_one_worker_claims_a_run() -> None:
    run = sft_run()
    first = runs.claim_run(run, worker="one")
    assert first is not None
    assert runs.claim_run(run, worker="two") is None
    assert first.attempt == 1


def test_queued_run_is_cancelled_at_once_and_twice_is_once() -> None:
    run = runs.cancel_run(run=sft_run())
    assert run.state == RunState.CANCELLED
    assert runs.cancel_run(run=run).state == RunState.CANCELLED


def test_running_run_is_told_to_cancel() -> None:
    run = runs.claim_run(sft_run(), worker="one")
    assert run is not None
    assert runs.cancel_run(run=run).state == RunState.CANCELLING


def test_ended_run_cannot_be_cancelled() -> None:
    run = sft_run()
    Run.objects.update(state=RunState.FINISHED)
    with pytest.raises(Conflict, match="finished already"):
        runs.cancel_run(run=run)


def test_only_failed_and_cancelled_runs_are_tried_again() -> None:
    run = runs.cancel_run(run=sft_run())
    assert runs.retry_run(run=run).state == RunState.QUEUED
    with pytest.raises(Conflict, match="is queued"):
        runs.retry_run(run=run)


def test_silent_worker_loses_its_run_and_a_living_one_does_not() -> None:
    silent, living = (runs.claim_run(sft_run(), worker=name) for name in ("silent", "living"))
    assert silent is not None
    assert living is not None
    Run.objects.filter(pk=silent.pk).update(heartbeat_at=timezone.now() - timedelta(minutes=2))
    assert runs.recover_runs() == [silent]
    silent.refresh_from_db()
    living.refresh_from_db()
    assert (silent.state, living.state) == (RunState.QUEUED, RunState.STARTING)


def test_worker_that_lost_its_run_writes_nothing_more() -> None:
    first = runs.claim_run(sft_run(), worker="first")
    assert first is not None
    Run.objects.update(state=RunState.QUEUED)
    second = runs.claim_run(first, worker="second")
    assert second is not None
    assert not runs.update_claimed(first, phase="from beyond")
    assert runs.update_claimed(second, phase="training")


def test_run_being_cancelled_by_a_worker_that_died_is_cancelled() -> None:
    run = runs.claim_run(sft_run(), worker="one")
    assert run is not None
    runs.cancel_run(run=run)
    Run.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=2))
    assert runs.recover_runs() == []
    run.refresh_from_db()
    assert run.state == RunState.CANCELLED


def lose_worker(run: Run) -> list[Run]:
    """Let a worker take the run and go silent; returns what is queued again."""
    assert runs.claim_run(run, worker="doomed") is not None
    Run.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=2))
    return runs.recover_runs()


def test_run_that_kills_its_workers_is_not_tried_for_ever_and_a_webhook_is_told() -> None:
    dana = UserFactory.create(role=Role.RESEARCHER)
    Webhook.objects.create(name="ends", url="https://example.org/", events=["run.failed"], created_by=dana)
    run = sft_run()
    for _ in range(runs.MAX_DEATHS - 1):
        assert lose_worker(run) == [run]
    assert lose_worker(run) == []
    run.refresh_from_db()
    assert (run.state, run.reason) == (RunState.FAILED, "Its worker died 10 times; see its log.")
    assert runs.recover_runs() == []
    assert run.reason in WebhookDelivery.objects.get(event="run.failed").body


def test_run_that_was_often_tried_by_hand_outlives_its_first_dead_worker() -> None:
    run = sft_run()
    Run.objects.update(attempt=30, deaths=runs.MAX_DEATHS, state=RunState.FAILED)
    assert lose_worker(runs.retry_run(run=run)) == [run]
    run.refresh_from_db()
    assert (run.state, run.deaths) == (RunState.QUEUED, 1)


def test_queued_run_is_sent_again_only_after_a_while() -> None:
    run = sft_run()
    assert runs.recover_runs() == [run]
    runs.mark_sent(run)
    assert runs.recover_runs() == []
    Run.objects.update(sent_at=timezone.now() - timedelta(seconds=runs.RESEND_SECONDS + 1))
    assert runs.recover_runs() == [run]


def test_queued_run_is_left_in_peace_while_workers_are_busy() -> None:
    busy, waiting = sft_run(), sft_run()
    assert runs.claim_run(busy, worker="one") is not None
    long_ago = timezone.now() - timedelta(seconds=runs.RESEND_SECONDS + 1)
    Run.objects.filter(pk=waiting.pk).update(sent_at=long_ago)
    assert runs.recover_runs() == []
    Run.objects.filter(pk=waiting.pk).update(sent_at=timezone.now() - timedelta(hours=1))
    assert runs.recover_runs() == [waiting]


def test_waiting_for_a_run_ends_or_gives_up() -> None:
    run = sft_run()
    with pytest.raises(TimeoutError, match="still queued"):
        runs.wait_for_run(run, timeout=0, poll_seconds=0)
    runs.cancel_run(run=run)
    assert runs.wait_for_run(run, timeout=0).state == RunState.CANCELLED


def test_the_most_urgent_run_of_a_queue_goes_first_then_the_oldest() -> None:
    first, second, elsewhere = sft_run(), sft_run(), sft_run(queue="big")
    assert runs.next_queued(second) == first
    runs.set_priority(run=second, priority=5)
    assert runs.next_queued(first) == second
    assert runs.next_queued(elsewhere) == elsewhere


def test_a_priority_out_of_range_or_of_a_run_that_waits_no_longer_is_refused() -> None:
    run = sft_run()
    with pytest.raises(InvalidInput, match="from -100 to 100"):
        runs.set_priority(run=run, priority=101)
    runs.cancel_run(run=run)
    with pytest.raises(Conflict, match="only a queued run"):
        runs.set_priority(run=run, priority=1)


def test_of_two_workers_woken_at_once_the_second_takes_the_next_run(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = sft_inputs()
    first, second = (runs.create_run(stage="sft", config={}, inputs=inputs) for _ in range(2))
    seen_before_the_claim = Run.objects.get(pk=first.pk)
    assert runs.claim_run(first, worker="one") is not None
    sights = iter([seen_before_the_claim, second])
    monkeypatch.setattr(runs, "next_queued", lambda woken_for: next(sights, None))
    assert runs.claim_next(woken_for=second, worker="two") == second
    assert runs.claim_next(woken_for=second, worker="three") is None
    assert set(Run.objects.values_list("worker", flat=True)) == {"one", "two"}
