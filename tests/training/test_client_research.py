"""What the client does with models, runs, workers, rounds and evaluations, against a live server."""

import io
import tarfile
from collections.abc import Callable

import pytest

from clients.instructloop_client import Client, InstructLoopError
from labeling.models import Role, User
from tests.factories import UserFactory
from tests.training.factories import sft_run, stored_model
from training import tasks
from training.models import ModelKind
from training.rules.curves import store_points

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
