"""Every page of the training side: who may see it, what stands on it full and empty, and at what cost."""

from collections.abc import Callable
from pathlib import Path

import pytest
from datasets import load_dataset
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from labeling.models import Role, TaskKind, User
from tests.factories import PolicyFactory, PromptFactory, UserFactory
from tests.training.factories import demonstration, draft_batch, ranking, sft_inputs, sft_run, stored_model
from training.models import Evaluation, Model, ModelKind, Run, RunState
from training.rules import artifacts, datasets, models, rounds
from training.rules.benchmarks import import_benchmark
from training.rules.curves import store_points
from training.rules.runs import cancel_run, create_run

pytestmark = pytest.mark.django_db

HOSTILE = "<script>alert(1)</script>"
LISTS = ("dashboard", "dataset-list", "run-list", "model-list", "round-list", "evaluation-list")
FORMS = ("dataset-freeze", "model-import", "round-create", "evaluation-create")


@pytest.fixture
def dana() -> User:
    """A researcher."""
    return UserFactory.create(name="Dana", role=Role.RESEARCHER)


@pytest.fixture
def see(client: Client, dana: User) -> Callable[..., str]:
    """Look at a page as Dana and return its text."""
    client.force_login(dana)

    def look(name: str, *args: object, query: str = "", **headers: str) -> str:
        response = client.get(reverse(name, args=args) + query, headers=headers)
        assert response.status_code == 200, response.content[:500]
        return response.content.decode()

    return look


@pytest.mark.parametrize("name", LISTS + FORMS)
def test_researcher_sees_every_page_while_there_is_nothing(see: Callable[..., str], name: str) -> None:
    assert "</html>" in see(name)


def test_dashboard_opens_while_the_agreement_of_many_rankings_is_still_being_computed(
    see: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ranking([1, 2])
    assert "being computed" not in see("dashboard")
    monkeypatch.setattr("labeling.rules.quality_reports.AT_ONCE_IF_NOTHING_IS_KEPT", 0)
    assert "being computed" in see("dashboard")


@pytest.mark.parametrize("name", LISTS[1:] + FORMS)
@pytest.mark.parametrize("role", [Role.LABELER, Role.MANAGER])
def test_labelers_and_managers_are_kept_out(client: Client, name: str, role: str) -> None:
    client.force_login(UserFactory.create(role=role))
    assert client.get(reverse(name)).status_code == 403


def test_manager_sees_the_dashboard_without_models(client: Client) -> None:
    client.force_login(UserFactory.create(role=Role.MANAGER))
    stored_model(name="secret weights")
    response = client.get(reverse("dashboard"))
    assert response.status_code == 200
    assert "secret weights" not in response.content.decode()


@pytest.mark.parametrize("name", LISTS + FORMS)
def test_stranger_is_sent_to_the_login(client: Client, name: str) -> None:
    response = client.get(reverse(name))
    assert response.status_code == 302
    assert "login" in response["Location"]


def test_labeler_cannot_press_buttons(client: Client) -> None:
    client.force_login(UserFactory.create())
    run = sft_run()
    for name in ("run-cancel", "run-retry"):
        assert client.post(reverse(name, args=[run.code])).status_code == 403
    assert Run.objects.get().state == RunState.QUEUED


def test_run_shows_progress_curves_log_samples_and_paper_values(see: Callable[..., str]) -> None:
    run = sft_run({"sft": {"epochs": 2}})
    store_points(run, [{"step": 1, "loss/sft": 2.5}, {"step": 2, "loss/sft": 2.0, "note": "text"}])
    Run.objects.update(
        state=RunState.RUNNING,
        progress_done=3,
        progress_total=12,
        progress_unit="steps",
        eta_seconds=600,
        log_tail=HOSTILE,
        samples=[{"step": 2, "prompt": HOSTILE, "response": "Ho"}],
    )
    text = see("run-detail", run.code)
    assert "3 of 12 steps" in text
    assert "10 min left" in text
    assert 'data-metric="loss/sft"' in text
    assert "16; 2 for the PPO initialiser (C.1, C.3)" in text
    assert HOSTILE not in text
    assert "&lt;script&gt;" in text


def test_failed_run_shows_its_reason_and_a_way_on(see: Callable[..., str]) -> None:
    run = sft_run()
    Run.objects.update(state=RunState.FAILED, reason="No memory left.", log_tail="Traceback")
    text = see("run-detail", run.code)
    assert "No memory left." in text
    assert reverse("run-retry", args=[run.code]) in text


def test_parts_of_a_run_refresh_alone_while_it_moves(see: Callable[..., str]) -> None:
    run = sft_run()
    live = see("run-detail", run.code, query="?part=live", **{"HX-Request": "true"})
    assert live.strip().startswith("<section")
    assert 'hx-trigger="every 2s"' in live
    cancel_run(run=run)
    assert "hx-trigger" not in see("run-detail", run.code, query="?part=live", **{"HX-Request": "true"})


def test_points_are_thinned_with_both_ends_kept(see: Callable[..., str], client: Client) -> None:
    run = sft_run()
    store_points(run, [{"step": step, "loss/sft": 1 / (step + 1)} for step in range(1000)])
    points = client.get(reverse("run-points", args=[run.code])).json()["metrics"]["loss/sft"]
    assert len(points) == 300
    assert (points[0][0], points[-1][0]) == (0, 999)


def test_dataset_shows_manifest_records_and_what_was_left_out(see: Callable[..., str]) -> None:
    demonstration(text=HOSTILE)
    demonstration(text="")
    dataset = datasets.freeze_dataset(kind="sft")
    text = see("dataset-detail", dataset.code)
    assert dataset.hash in text
    assert "empty" in text
    assert HOSTILE not in text


def test_every_kind_of_dataset_shows_its_records(see: Callable[..., str]) -> None:
    baseline, policy = PolicyFactory.create(name="base line"), PolicyFactory.create(name="new one")
    ranking([1, 2], flags={"fails_task": True})
    ranking(
        [2, 1],
        batch=draft_batch(TaskKind.EVALUATION, k=2, baseline=baseline),
        policies=[policy, baseline],
        prompt=PromptFactory.create(split="test"),
    )
    for kind, words in (("comparisons", "rank 1"), ("ppo_prompts", "tips"), ("evaluation", "new one")):
        assert words in see("dataset-detail", datasets.freeze_dataset(kind=kind).code)
    texts = datasets.freeze_texts(name="stories", texts=["Once upon a time."])
    assert "Once upon a time." in see("dataset-detail", texts.code)


def test_part_of_a_dataset_is_downloaded(client: Client, dana: User) -> None:
    demonstration()
    dataset = datasets.freeze_dataset(kind="sft")
    client.force_login(dana)
    response = client.get(reverse("dataset-part", args=[dataset.code, "train"]))
    assert b"".join(response.streaming_content).count(b"\n") == 1  # type: ignore[attr-defined]
    assert client.get(reverse("dataset-part", args=[dataset.code, "test"])).status_code == 404


def test_model_shows_its_lineage(see: Callable[..., str]) -> None:
    run = sft_run(model_name="careful")
    model = models.register_model(run=run, facts={"seed": 1, "metrics": {"loss": 0.5}})
    assert model is not None
    text = see("model-detail", model.code)
    base, dataset = run.inputs.get(name="policy").model, run.inputs.get(name="dataset").dataset
    assert base is not None
    assert dataset is not None
    assert base.name in text
    assert dataset.hash[:12] in text
    assert "careful" in see("model-detail", base.code)


def test_model_with_many_descendants_names_the_nearest_and_all_of_them_when_asked(
    see: Callable[..., str],
) -> None:
    inputs = sft_inputs()
    for number in range(22):
        run = create_run(stage="sft", config={}, inputs=inputs, model_name=f"child-{number:02}")
        assert models.register_model(run=run, facts={}) is not None
    text = see("model-detail", inputs["policy"].code)
    assert "child-19" in text
    assert "child-20" not in text
    assert "The nearest 20 of 22" in text
    every = see("model-detail", inputs["policy"].code, query="?descendants=all")
    assert "child-21" in every
    assert "The nearest" not in every


def test_model_shows_how_labelers_judged_it(see: Callable[..., str]) -> None:
    model, baseline = stored_model(ModelKind.PPO), stored_model(ModelKind.SFT)
    assert model.policy is not None
    assert baseline.policy is not None
    batch = draft_batch(TaskKind.EVALUATION, k=2, baseline=baseline.policy)
    for ranks in ([1, 2], [1, 2], [1, 1], [2, 1]):
        ranking(ranks, batch=batch, policies=[model.policy, baseline.policy])
    Evaluation.objects.create(name="Final", policy=model.policy, baseline=baseline.policy, batch=batch)
    for one in (model, baseline):
        text = see("model-detail", one.code)
        assert "Final" in text
        assert "62.5 %" in text


def test_round_shows_its_next_step_as_a_button(see: Callable[..., str]) -> None:
    given = rounds.open_round(base_model=stored_model())
    text = see("round-detail", given.code)
    assert reverse("round-step", args=[given.code, "demonstrate"]) in text
    assert reverse("round-step", args=[given.code, "sft"]) not in text
    assert reverse("round-step", args=[given.code, "demonstrate"]) in see("dashboard")


def test_round_looks_for_news_until_it_is_closed_also_where_nothing_is_running(
    see: Callable[..., str],
) -> None:
    given = rounds.open_round(base_model=stored_model())
    asks = f'hx-get="{reverse("round-detail", args=[given.code])}" hx-trigger="every'
    assert {step.state for step in rounds.steps(given, rounds.read_facts([given]))} == {"ready", "waiting"}
    assert asks in see("round-detail", given.code)
    given.closed_at = timezone.now()
    given.save()
    assert asks not in see("round-detail", given.code)


def test_evaluation_shows_win_rate_and_interval(see: Callable[..., str]) -> None:
    baseline, policy = PolicyFactory.create(), PolicyFactory.create()
    batch = draft_batch(TaskKind.EVALUATION, k=2, baseline=baseline)
    for ranks in ([1, 2], [1, 2], [1, 1], [2, 1]):
        ranking(ranks, batch=batch, policies=[policy, baseline])
    evaluation = Evaluation.objects.create(name="Final", policy=policy, baseline=baseline, batch=batch)
    for text in (see("evaluation-detail", evaluation.code), see("evaluation-list")):
        assert "62.5 %" in text


def test_pages_say_how_many_prompts_were_used_before(see: Callable[..., str]) -> None:
    baseline, policy = PolicyFactory.create(), PolicyFactory.create()
    judged = draft_batch(TaskKind.EVALUATION, k=2, baseline=baseline)
    compared = draft_batch(k=2)
    for batch in (judged, compared):
        ranking([1, 2], batch=batch, policies=[policy, baseline])
        batch.settings = {**batch.settings, "used_before": 3}
        batch.save()
    evaluation = Evaluation.objects.create(name="Final", policy=policy, baseline=baseline, batch=judged)
    given = rounds.open_round(base_model=stored_model())
    given.comparison_batch = compared
    given.save()
    assert "3 of the prompts stood in an earlier evaluation too." in see("evaluation-detail", evaluation.code)
    assert "3 of the prompts had been compared before." in see("round-detail", given.code)
    assert "3 of the prompts, in other batches of this kind" in see("batch-detail", judged.code)


@pytest.mark.parametrize("name", LISTS)
def test_lists_cost_the_same_however_long(
    client: Client, dana: User, name: str, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(4):
        models.register_model(run=sft_run(), facts={})
    assert Model.objects.of_kind(ModelKind.SFT).count() == 4
    client.force_login(dana)
    with django_assert_max_num_queries(26 if name == "dashboard" else 8):
        assert client.get(reverse(name)).status_code == 200


def test_two_datasets_are_compared_and_records_are_filtered(see: Callable[..., str], client: Client) -> None:
    demonstration(text="Drink warm milk.")
    older = datasets.freeze_dataset(kind="sft")
    demonstration(text="Sleep early.")
    newer = datasets.freeze_dataset(kind="sft")
    text = see("dataset-compare", newer.code, query=f"?other={older.code}")
    assert "Came" in text
    for query in ("", "?other=nonsense", f"?other={newer.code}"):
        page = client.get(reverse("dataset-compare", args=[newer.code]) + query, follow=True)
        assert "Choose another dataset" in page.content.decode()
    filtered = see("dataset-detail", newer.code, query="?q=milk")
    assert "warm milk" in filtered
    assert "Sleep early" not in filtered
    assert "No record fits" in see("dataset-detail", newer.code, query="?q=nothing+like+it")


def test_a_part_comes_in_the_shape_that_trl_reads(client: Client, dana: User) -> None:
    client.force_login(dana)
    demonstration(text="Sleep early.")
    dataset = datasets.freeze_dataset(kind="sft")
    address = reverse("dataset-part", args=[dataset.code, "train"])
    response = client.get(address + "?format=trl")
    assert b'"completion": "Sleep early."' in b"".join(response.streaming_content)  # type: ignore[attr-defined]
    assert client.get(address + "?format=csv").status_code == 404


def test_a_part_is_downloaded_as_parquet_that_datasets_reads(
    client: Client, dana: User, tmp_path: Path
) -> None:
    client.force_login(dana)
    made = [ranking([1, 2, 3], likert=[7, 4, 1], flags={"fails_task": True}), ranking([2, 1])]
    dataset = datasets.freeze_dataset(kind="comparisons")
    address = reverse("dataset-part", args=[dataset.code, "train"]) + "?format=parquet"
    assert address in client.get(reverse("dataset-detail", args=[dataset.code])).content.decode()
    response = client.get(address)
    assert response["Content-Disposition"].endswith('-train.parquet"')
    file = tmp_path / "train.parquet"
    file.write_bytes(b"".join(response.streaming_content))  # type: ignore[attr-defined]
    loaded = load_dataset("parquet", data_files={"train": str(file)}, cache_dir=str(tmp_path))["train"]
    assert {row["id"] for row in loaded} == {str(row.code) for row in made}
    assert sorted(len(row["outputs"]) for row in loaded) == [2, 3]


def test_lost_files_are_said_before_a_parquet_file_begins(client: Client, dana: User) -> None:
    client.force_login(dana)
    demonstration()
    dataset = datasets.freeze_dataset(kind="sft")
    artifacts.delete(dataset.folder)
    address = reverse("dataset-part", args=[dataset.code, "train"]) + "?format=parquet"
    assert "not where they were stored" in client.get(address, follow=True).content.decode()


def test_a_public_set_has_no_parquet(client: Client, dana: User) -> None:
    client.force_login(dana)
    rows = [(1, {"prompt": "Say", "choices": ["a", "b"], "answer": 0})]
    dataset, _ = import_benchmark(key="own", form="choice", rows=rows)
    address = reverse("dataset-part", args=[dataset.code, "test"]) + "?format=parquet"
    assert client.get(address).status_code == 404
    assert address not in client.get(reverse("dataset-detail", args=[dataset.code])).content.decode()
