"""What programs decide about models, and how they take one away."""

import io
import tarfile

import pytest
from rest_framework.test import APIClient

from labeling.models import AuditEvent, Role
from tests.factories import UserFactory
from tests.training.factories import sft_run, stored_model
from tests.training.rules.test_over_optimisation import UP, judged, trained, with_threshold
from training.models import Model, ModelKind, RunInput
from training.rules import artifacts

pytestmark = pytest.mark.django_db


@pytest.fixture
def dana() -> APIClient:
    """A researcher's program."""
    client = APIClient()
    client.force_authenticate(UserFactory.create(role=Role.RESEARCHER))
    return client


def url(model: Model, what: str) -> str:
    return f"/api/v1/models/{model.code}/{what}/"


def test_a_model_is_promoted_archived_and_restored(dana: APIClient) -> None:
    older, newer = stored_model(ModelKind.SFT), stored_model(ModelKind.SFT)
    assert dana.post(url(older, "promote")).json()["status"] == "promoted"
    dana.post(url(newer, "promote"), {"reason": "It won."}, format="json")
    listed = dana.get("/api/v1/models/?status=promoted").json()["results"]
    assert [(row["name"], row["status_reason"]) for row in listed] == [(newer.name, "It won.")]
    unexplained = dana.post(url(older, "archive"), {"reason": "no"}, format="json")
    assert (unexplained.status_code, set(unexplained.json()["fields"])) == (422, {"reason"})
    for _ in range(2):
        archived = dana.post(url(older, "archive"), {"reason": "Made by mistake."}, format="json")
        assert (archived.status_code, archived.json()["status"]) == (200, "archived")
    refused = dana.post(url(older, "promote"))
    assert (refused.status_code, refused.json()["code"]) == (409, "model_state")
    assert dana.post(url(older, "restore")).json()["status"] == "registered"


def test_weights_are_deleted_once_and_only_by_name(dana: APIClient) -> None:
    model = stored_model()
    body = {"name": "another", "reason": "The disk is full."}
    slip = dana.post(url(model, "delete-weights"), body, format="json")
    assert (slip.status_code, set(slip.json()["fields"])) == (422, {"name"})
    assert artifacts.exists(model.folder)
    firsts = [
        dana.post(url(model, "delete-weights"), {**body, "name": model.name}, format="json").json()
        for _ in range(2)
    ]
    assert firsts[0]["weights_deleted_at"] == firsts[1]["weights_deleted_at"] is not None
    assert AuditEvent.objects.filter(action="delete_weights").count() == 1
    gone = dana.get(url(model, "export"))
    assert (gone.status_code, gone.json()["code"]) == (409, "no_weights")


def test_weights_that_a_run_reads_are_kept(dana: APIClient) -> None:
    model = stored_model()
    RunInput.objects.filter(run=sft_run(), name="policy").update(model=model)
    body = {"name": model.name, "reason": "The disk is full."}
    refused = dana.post(url(model, "delete-weights"), body, format="json")
    assert (refused.status_code, refused.json()["code"]) == (409, "model_in_use")
    assert artifacts.exists(model.folder)


def test_a_model_is_read_about_and_taken_away(dana: APIClient) -> None:
    model = stored_model(name="ours/sft")
    card = dana.get(url(model, "card"))
    assert card["Content-Type"] == "text/markdown; charset=utf-8"
    assert "ours/sft" in card.content.decode()
    answer = dana.get(url(model, "export"))
    assert answer["Content-Disposition"] == 'attachment; filename="ours-sft.tar"'
    with tarfile.open(fileobj=io.BytesIO(b"".join(answer.streaming_content))) as archive:  # type: ignore[attr-defined]
        assert set(archive.getnames()) == {"ours-sft/README.md", "ours-sft/config.json"}
    assert AuditEvent.objects.filter(action="export_model").count() == 1
    artifacts.delete(model.folder)
    lost = dana.get(url(model, "export"))
    assert (lost.status_code, lost.json()["code"]) == (404, "not_found")


def test_an_alarm_names_its_baseline_and_win_rate(dana: APIClient) -> None:
    model = with_threshold(trained(*UP), 8)
    assert model.parent is not None
    judged(model, wins=2, losses=8)
    body = dana.get(f"/api/v1/models/{model.code}/").json()
    assert body["alarm"]["state"] == "alarm"
    assert (body["alarm"]["baseline"], body["alarm"]["win_rate"]) == (model.parent.name, 0.2)
    assert (body["alarm"]["judgements"], body["alarm"]["wanted"]) == (10, 8)
    assert body["alarm"]["sentence"] == body["over_optimisation"]
    assert dana.get(f"/api/v1/models/{model.parent.code}/").json()["alarm"] is None


def test_an_alarm_before_anybody_judged_has_no_win_rate(dana: APIClient) -> None:
    body = dana.get(f"/api/v1/models/{trained(*UP).code}/").json()["alarm"]
    assert (body["state"], body["baseline"], body["win_rate"], body["judgements"]) == (
        "unjudged",
        "",
        None,
        0,
    )
