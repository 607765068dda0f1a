"""What the client does with models, runs, workers, rounds and evaluations, against a live server."""

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from clients.instructloop_client import Client, InstructLoopError
from labeling.models import Role, TaskKind, User
from tests.factories import PolicyFactory, UserFactory
from tests.training.factories import demonstration, draft_batch, ranking, sft_run, stored_model
from tests.training.rules.test_benchmarks import CHOICES
from training import tasks
from training.models import Dataset, ModelKind, Round
from training.rules.curves import store_points
from training.rules.datasets import freeze_texts

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks.execute_run, "apply_async", lambda *given, **options: None)


@pytest.fixture
def client(client_of: Callable[[User], Client]) -> Client:
    """A researcher's program."""
    return client_of(UserFactory.create(role=Role.RESEARCHER))


def test_a_model_is_promoted_archived_and_restored_through_it(client: Client) -> None:
    model = stored_model(ModelKind.SFT)
    assert client.promote_model(model.code, "It won.").status == "promoted"
    assert [row.name for row in client.models(status="promoted")] == [model.name]
    with pytest.raises(InstructLoopError) as unexplained:
        client.archive_model(model.code, "")
    assert unexplained.value.status == 422
    assert client.archive_model(model.code, "Made by mistake.").status == "archived"
    assert client.restore_model(model.code).status == "registered"


def test_a_model_is_taken_away_and_its_weights_deleted_through_it(client: Client) -> None:
    model = stored_model(name="sft-1")
    assert "sft-1" in client.model_card(model.code)
    with tarfile.open(fileobj=io.BytesIO(b"".join(client.export_model(model.code)))) as archive:
        assert set(archive.getnames()) == {"sft-1/README.md", "sft-1/config.json"}
    with pytest.raises(InstructLoopError) as slip:
        client.delete_weights(model.code, name="sft-2", reason="The disk is full.")
    assert set(slip.value.fields) == {"name"}
    gone = client.delete_weights(model.code, name="sft-1", reason="The disk is full.")
    assert gone.weights_deleted_at is not None
    with pytest.raises(InstructLoopError) as late:
        list(client.export_model(model.code))
    assert (late.value.status, late.value.code) == (409, "no_weights")


def test_a_run_is_moved_cloned_and_compared_through_it(client: Client) -> None:
    first = sft_run({"sft": {"epochs": 2}})
    store_points(first, [{"step": 1, "loss/sft": 2.5}])
    clone = client.clone_run(first.code, config={"sft": {"epochs": 4}}, priority=3)
    assert (clone.cloned_from, clone.priority, clone.queue) == (str(first.code), 3, "gpu")
    assert client.set_priority(clone.code, 9).priority == 9
    found = client.compare_runs(first.code, clone.code)
    assert {row["name"] for row in found["settings"] if row["differs"]} == {"sft.epochs"}
    assert client.compare_points(first.code, clone.code)["curves"]["loss/sft"][1] == []
    assert b"".join(client.points_file(first.code)).startswith(b"step,at,loss/sft")
    assert client.samples(first.code)["steps"] == []
    assert client.resources(first.code) == []
    with pytest.raises(InstructLoopError) as unknown:
        client.samples(first.code, earlier=4)
    assert set(unknown.value.fields) == {"earlier"}
    seen = client.workers()
    assert [run["code"] for run in seen["waiting"]] == [clone.code, str(first.code)]
    with pytest.raises(InstructLoopError) as unheard:
        client.start_run("sft", inputs={}, queue="huge")
    assert set(unheard.value.fields) == {"queue"}


def test_rounds_are_left_to_themselves_and_their_gates_read_through_it(client: Client) -> None:
    base = stored_model(name="base")
    texts = freeze_texts(name="stories", texts=["Once upon a time."])
    opened = client.open_round(base_model=base.code, settings={"k": 2}, pretrain_dataset=texts.code)
    assert Round.objects.get().pretrain_dataset == texts
    assert client.set_automatic(opened.code).settings["is_automatic"] is True
    assert client.set_automatic(opened.code, False).settings["is_automatic"] is False
    assert client.gate(opened.code)["is_reached"] is False
    assert client.round(opened.code).alarm is None


def test_datasets_and_judged_policies_are_compared_through_it(client: Client) -> None:
    demonstration()
    older = client.freeze_dataset("sft")
    demonstration()
    newer = client.freeze_dataset("sft")
    found = client.compare_datasets(newer.code, older.code)
    assert (found["older"], found["added"]["total"]) == (older.code, 1)
    policy, baseline = PolicyFactory.create(name="ppo"), PolicyFactory.create(name="sft & co")
    batch = draft_batch(TaskKind.EVALUATION, k=2, baseline=baseline)
    ranking([1, 2], batch=batch, policies=[policy, baseline])
    figures = client.evaluation_figures("sft & co")["policies"]
    assert figures[0]["rates"]["all"]["win_rate"] == 1.0
    with pytest.raises(InstructLoopError) as unjudged:
        client.evaluation_figures("sft & co", judged="control")
    assert set(unjudged.value.fields) == {"baseline"}


def test_the_files_of_a_public_set_are_sent_through_it(client: Client, tmp_path: Path) -> None:
    assert "drop" in {known["key"] for known in client.benchmark_sets()}
    file, shown = tmp_path / 'ours "new" ü.jsonl', tmp_path / "shown.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in [*CHOICES, {"id": "bad"}]))
    shown.write_text(json.dumps(CHOICES[0]))
    dataset, refusals = client.import_benchmark(
        "own", file, few_shot=shown, form="choice", name="Ours", license="déjà vu"
    )
    assert (dataset.name, dataset.counts) == ("Ours", {"test": 4, "train": 1})
    assert len(refusals) == 1
    selection = Dataset.objects.get().manifest["selection"]
    assert selection["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert (selection["license"], selection["examples"]) == ("déjà vu", "shown.jsonl")
    with pytest.raises(InstructLoopError) as refused:
        client.import_benchmark("none", file)
    assert set(refused.value.fields) == {"set"}
