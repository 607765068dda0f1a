"""Runs that are cloned with changes, set side by side, moved in the queue; and the workers' page."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from labeling.models import Role, User
from tests.factories import UserFactory
from tests.training.factories import sft_run
from training import tasks
from training.models import Run, RunState, Stage
from training.rlhf.config import dump_config, parse_config
from training.rules import workers
from training.rules.curves import store_points
from training.views.runs import settings_of

pytestmark = pytest.mark.django_db

See = Callable[..., str]


@pytest.fixture
def dana(client: Client) -> User:
    """A researcher, logged in."""
    user: User = UserFactory.create(name="Dana", role=Role.RESEARCHER)
    client.force_login(user)
    return user


@pytest.fixture
def see(client: Client, dana: User) -> See:
    def look(name: str, *args: object, query: str = "") -> str:
        response = client.get(reverse(name, args=args) + query, follow=True)
        assert response.status_code == 200, response.content[:500]
        return response.content.decode()

    return look


def test_a_clone_begins_with_the_settings_and_inputs_of_its_source_and_remembers_it(
    client: Client, see: See, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks.execute_run, "apply_async", lambda given, **options: None)
    source = sft_run({"seed": 7, "sft": {"epochs": 3}})
    address = reverse("run-create", args=["sft"]) + f"?from={source.code}"
    form = client.get(address).context["form"]
    data = {bound.html_name: bound.value() for bound in form if bound.value() is not None}
    for given in source.inputs.select_related("dataset", "model"):
        row = given.dataset or given.model
        assert row is not None
        data[f"inputs.{given.name}"] = row.code
    assert (data["sft.epochs"], data["seed"]) == ("3", "7")
    data |= {"sft.epochs": "5", "priority": "2", "queue": "gpu"}
    response = client.post(address, data)
    assert response.status_code == 302, response.context["form"].errors
    clone = Run.objects.exclude(pk=source.pk).get()
    assert (clone.cloned_from, clone.priority, clone.seed) == (source, 2, 7)
    assert "epochs = 5" in clone.config
    assert reverse("run-compare") in see("run-detail", clone.code)


def test_a_source_of_another_stage_or_none_at_all_gives_the_defaults(see: See) -> None:
    run = sft_run({"seed": 7})
    for code in (run.code, "nonsense"):
        assert "A copy of" not in see("run-create", "ppo", query=f"?from={code}")


def test_runs_side_by_side_show_only_what_differs_and_their_curves(client: Client, see: See) -> None:
    short, long = sft_run({"sft": {"epochs": 2}}), sft_run({"sft": {"epochs": 9}})
    store_points(short, [{"step": step, "loss/sft": 2.0} for step in (1, 2)])
    store_points(long, [{"step": step, "loss/sft": 1.0, "kl": 0.5} for step in (1, 2, 3)])
    query = f"?run={long.code}&run={short.code}"
    page = client.get(reverse("run-compare") + query)
    differing = {row.name: row.values for row in page.context["comparison"].differing}
    assert differing["sft.epochs"] == [9, 2]
    assert "optim.learning_rate" not in differing
    curves = client.get(reverse("run-compare-points") + query).json()["curves"]
    assert curves["loss/sft"] == [[[1, 1.0], [2, 1.0], [3, 1.0]], [[1, 2.0], [2, 2.0]]]
    assert curves["kl"] == [[[1, 0.5], [2, 0.5], [3, 0.5]], []]


def test_one_run_alone_or_nonsense_leads_back_to_the_list(see: See) -> None:
    run = sft_run()
    for query in ("", f"?run={run.code}", f"?run={run.code}&run=nonsense", f"?run={run.code}&run={run.code}"):
        assert "Choose two to 5 runs" in see("run-compare", query=query)


def test_a_queued_run_is_moved_and_one_that_has_ended_is_not(client: Client, dana: User) -> None:
    run = sft_run()
    address = reverse("run-priority", args=[run.code])
    client.post(address, {"priority": "9"})
    run.refresh_from_db()
    assert run.priority == 9
    Run.objects.update(state=RunState.FINISHED)
    for text, words in (("3", "only a queued run"), ("many", "no whole number"), ("1000", "-100 to 100")):
        page = client.post(address, {"priority": text}, follow=True).content.decode()
        assert words in page
    run.refresh_from_db()
    assert run.priority == 9


def test_every_point_comes_as_csv(client: Client, dana: User) -> None:
    run = sft_run()
    store_points(run, [{"step": step, "at": 0, "kl": step / 2} for step in range(1, 1201)])
    response = client.get(reverse("run-points-file", args=[run.code]))
    lines = b"".join(response.streaming_content).decode().splitlines()  # type: ignore[attr-defined]
    assert lines[0] == "step,at,kl"
    assert lines[-1] == "1200,1970-01-01T00:00:00+00:00,600.0"
    assert len(lines) == 1201


def test_the_workers_page_names_who_is_at_work_and_a_queue_without_anybody(see: See) -> None:
    run = sft_run()
    assert "no living worker" in see("worker-list")
    workers.report_worker(name="gpu@one", queues=["gpu"], is_new=True)
    Run.objects.filter(pk=run.pk).update(state=RunState.RUNNING, worker="gpu@one", phase="training")
    text = see("worker-list")
    assert "gpu@one" in text
    assert "Working" in text
    assert "no living worker" not in text


def test_a_run_of_many_points_costs_as_many_queries_as_one_of_few(
    see: See, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    run = sft_run()
    store_points(run, [{"step": step, "loss/sft": 1.0, "kl": 2.0} for step in range(5000)])
    with django_assert_max_num_queries(12):
        see("run-detail", run.code)
    with django_assert_max_num_queries(12):
        see("run-list")


def test_settings_stand_in_the_forms_sections_and_say_how_many_were_changed() -> None:
    config = parse_config("sft", {"inputs": {"policy": "p", "dataset": "d"}, "optim": {"learning_rate": 0.5}})
    run = Run(stage=Stage.SFT, config=dump_config(config))
    sections = {section["title"]: section["changed"] for section in settings_of(run)}
    assert next(iter(sections)) == "Supervised fine-tuning"
    assert sections["Optimizer"] == 1
    assert sections["Where and from which seed"] == 0
    assert "Inputs" not in sections
