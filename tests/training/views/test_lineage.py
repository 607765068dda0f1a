"""Pages and endpoints of lineage from the other end."""

import pytest
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from labeling.models import Role
from tests.factories import LabelerFactory, UserFactory, qualified_labeler
from tests.training.factories import demonstration
from tests.training.rules.test_round_outcomes import judged, turn
from tests.training.rules.test_seen_by import trained
from training.models import Round
from training.rules.datasets import freeze_dataset

pytestmark = pytest.mark.django_db


def logged_in(role: str) -> Client:
    client = Client()
    user = UserFactory.create(role=role)
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.mark.parametrize("role", [Role.MANAGER, Role.RESEARCHER])
def test_staff_read_what_saw_a_prompt_and_a_labeler(role: str) -> None:
    made = demonstration()
    model = trained("sft-seen", dataset=freeze_dataset(kind="sft"))
    client = logged_in(role)
    for name, code in (("prompt-models", made.prompt.code), ("labeler-models", made.labeler.code)):
        page = client.get(reverse(name, args=[code])).content.decode()
        assert "sft-seen" in page
        assert "trained on it" in page
        assert (reverse("model-detail", args=[model.code]) in page) == (role == Role.RESEARCHER)


def test_a_prompt_in_no_dataset_says_so() -> None:
    made = demonstration()
    page = logged_in(Role.RESEARCHER).get(reverse("prompt-models", args=[made.prompt.code]))
    assert "In no dataset" in page.content.decode()


def test_programs_read_the_same() -> None:
    made = demonstration()
    dataset = freeze_dataset(kind="sft")
    trained("sft-seen", dataset=dataset)
    client = APIClient()
    client.force_authenticate(UserFactory.create(role=Role.RESEARCHER))
    body = client.get(f"/api/v1/labelers/{made.labeler.code}/seen-by/").json()
    assert [row["records"] for row in body["datasets"]] == [1]
    assert [(row["name"], row["is_direct"]) for row in body["models"]] == [("sft-seen", True)]
    assert client.get(f"/api/v1/prompts/{made.prompt.code}/seen-by/").json()["runs"][0]["stage"] == "sft"


def test_labelers_read_how_their_round_did_and_no_model_name() -> None:
    ana = qualified_labeler()
    row = turn(ana)
    evaluation = judged(row, wins=30, losses=4)
    type(evaluation.batch).objects.filter(pk=evaluation.batch_id).update(status="closed")
    client = Client()
    client.force_login(ana.user, backend="django.contrib.auth.backends.ModelBackend")
    page = client.get(reverse("work-rounds")).content.decode()
    assert "Round 1" in page
    assert "It got better." in page
    assert "2 comparisons" in page
    assert "secret-policy" not in page
    body = client.get("/api/v1/rounds/own/").json()
    assert (body[0]["comparisons"], body[0]["state"]) == (2, "judged")
    assert "secret-policy" not in str(body)


def test_labelers_without_a_round_read_what_will_stand_there() -> None:
    someone = LabelerFactory.create()
    Round.objects.create(number=1)
    client = Client()
    client.force_login(someone.user, backend="django.contrib.auth.backends.ModelBackend")
    assert "Nothing to tell yet" in client.get(reverse("work-rounds")).content.decode()


def test_a_model_leads_to_each_labeler_behind_it_and_back() -> None:
    made = demonstration()
    model = trained("sft-seen", dataset=freeze_dataset(kind="sft"))
    client = logged_in(Role.RESEARCHER)
    address = reverse("labeler-models", args=[made.labeler.code])
    assert address in client.get(reverse("model-detail", args=[model.code])).content.decode()
    assert reverse("model-detail", args=[model.code]) in client.get(address).content.decode()
