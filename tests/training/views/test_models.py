"""A model's page: promoted, archived, stripped of its weights with its name typed, and downloaded."""

import io
import tarfile
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse
from transformers import AutoModelForCausalLM, AutoTokenizer

from labeling.models import Role
from tests.factories import UserFactory
from tests.training.factories import stored_model
from tests.training.talks import policy
from training.models import Model, ModelStatus
from training.rules import artifacts

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def dana(client: Client) -> None:
    """A researcher, logged in."""
    client.force_login(UserFactory.create(role=Role.RESEARCHER))


def decide(client: Client, model: Model, decision: str, **data: str) -> str:
    address = reverse("model-decide", args=[model.code, decision])
    return client.post(address, data, follow=True).content.decode()


def test_a_model_is_promoted_archived_and_brought_back(client: Client) -> None:
    model = stored_model(name="ada-7")
    assert "ada-7 is promoted" in decide(client, model, "promote")
    assert "ada-7 is registered again" in decide(client, model, "restore")
    assert "Say why" in decide(client, model, "archive")
    assert "in the archive" in decide(client, model, "archive", reason="made by mistake")
    assert "ada-7" not in client.get(reverse("model-list")).content.decode()
    assert "ada-7" in client.get(reverse("model-list") + "?archive=yes").content.decode()


def test_weights_are_deleted_only_when_the_name_is_typed(
    client: Client, django_capture_on_commit_callbacks: object
) -> None:
    model = stored_model(name="tiny")
    page = decide(client, model, "delete-weights", reason="to save space", name="tinny")
    assert "Type the name" in page
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        decide(client, model, "delete-weights", reason="to save space", name="tiny")
    model.refresh_from_db()
    assert model.status == ModelStatus.ARCHIVED
    assert not artifacts.exists(model.folder)
    page = client.get(reverse("model-detail", args=[model.code])).content.decode()
    assert "Its weights were deleted" in page
    assert reverse("model-export", args=[model.code]) not in page


def test_a_decision_that_is_none_is_not_found(client: Client) -> None:
    model = stored_model()
    assert client.post(reverse("model-decide", args=[model.code, "burn"])).status_code == 404
    assert client.get(reverse("model-decide", args=[model.code, "promote"])).status_code == 405


def test_a_model_and_its_card_are_downloaded(client: Client) -> None:
    model = stored_model(name="tiny")
    card = client.get(reverse("model-card", args=[model.code]))
    assert card["Content-Type"].startswith("text/markdown")
    assert f'filename="{model.name}.md"' in card["Content-Disposition"]
    archive = client.get(reverse("model-export", args=[model.code]))
    content = b"".join(archive.streaming_content)  # type: ignore[attr-defined]
    assert b"tiny/config.json" in content
    artifacts.delete(model.folder)
    page = client.get(reverse("model-export", args=[model.code]), follow=True).content.decode()
    assert "not where they were stored" in page


def test_a_download_is_unpacked_loaded_by_transformers_and_imported_again(
    client: Client, tmp_path: Path
) -> None:
    model = policy("group/tiny")
    response = client.get(reverse("model-export", args=[model.code]))
    assert response["Content-Disposition"] == 'attachment; filename="group-tiny.tar"'
    content = io.BytesIO(b"".join(response.streaming_content))  # type: ignore[attr-defined]
    with tarfile.open(fileobj=content) as archive:
        archive.extractall(tmp_path, filter="data")
    folder = tmp_path / "group-tiny"
    loaded = AutoModelForCausalLM.from_pretrained(folder)
    words = AutoTokenizer.from_pretrained(folder)("say red", return_tensors="pt")
    assert loaded(**words).logits.isfinite().all()

    wanted = {"source": str(tmp_path), "name": "again", "kind": "sft"}
    wrong = client.post(reverse("model-import"), wanted)
    assert "saved, as group-tiny inside it is." in wrong.content.decode()
    page = client.post(reverse("model-import"), {**wanted, "source": str(folder)}, follow=True)
    assert "again is in the registry" in page.content.decode()
    again = Model.objects.get(name="again")
    stored = artifacts.local_folder(again.folder)
    assert stored is not None
    weights = "model.safetensors"
    assert (stored / weights).read_bytes() == (folder / weights).read_bytes()
    assert again.policy is not None


def test_a_model_named_on_the_hub_is_not_downloaded_here(client: Client) -> None:
    model = stored_model()
    Model.objects.update(folder="", source="owner/name")
    page = client.get(reverse("model-export", args=[model.code]), follow=True).content.decode()
    assert "get it there" in page
