"""Erasing a person's prompts reaches rows, datasets and models."""

import json

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from labeling.errors import InvalidInput, NotFound, NotPermitted
from labeling.models import AuditEvent, Demonstration, Prompt, Response, Role, User
from tests.factories import PromptFactory, UserFactory
from tests.training.factories import demonstration
from training.models import Dataset, Model, ModelKind
from training.rules.datasets import freeze_dataset, read_records
from training.rules.erasure import erase_prompts_of, erased_prompts_seen, prompts_in

pytestmark = pytest.mark.django_db
SECRET = "My aunt Wilhelmina asks how to sleep."


@pytest.fixture
def mia() -> User:
    """A manager."""
    return UserFactory.create(role=Role.MANAGER)


@pytest.fixture
def dana() -> User:
    """A researcher."""
    return UserFactory.create(role=Role.RESEARCHER)


@pytest.fixture
def theirs() -> Prompt:
    """A prompt that will be erased, with a demonstration, beside one of somebody else."""
    prompt = PromptFactory.create(text=SECRET, author_key="u_gone", external_id="7")
    demonstration(prompt=prompt, text="Tell Wilhelmina to rest.")
    demonstration(prompt=PromptFactory.create(author_key="u_stays"))
    return prompt


def test_words_go_and_rows_stay(theirs: Prompt, mia: User) -> None:
    done = erase_prompts_of(author_key="u_gone", by=mia, reason="asked for it")
    theirs.refresh_from_db()
    assert (theirs.text, theirs.external_id, theirs.held_reason) == ("", "", "erased")
    assert done.erasure.responses == done.erasure.labels == 1
    assert not Response.objects.filter(text__icontains="wilhelmina").exists()
    assert sorted(Demonstration.objects.values_list("text", flat=True)) == ["", "Sleep early."]
    event = AuditEvent.objects.get(action="erase_prompts")
    assert event.detail["reason"] == "asked for it"
    assert "Wilhelmina" not in json.dumps(event.detail)


def test_dataset_gets_a_version_without_them_and_the_old_one_stays_as_it_was(
    theirs: Prompt, mia: User
) -> None:
    old = freeze_dataset(kind="sft")
    assert prompts_in(old, {str(theirs.code)}) == 1
    done = erase_prompts_of(author_key="u_gone", by=mia, reason="asked for it")
    ((found, newer),) = done.datasets
    assert found == old
    assert newer is not None
    assert (old.rows, newer.rows) == (2, 1)
    assert prompts_in(newer, {str(theirs.code)}) == 0
    assert SECRET not in json.dumps(read_records(newer, split="train", count=10))


def test_models_that_saw_them_are_marked(theirs: Prompt, mia: User, monkeypatch: pytest.MonkeyPatch) -> None:
    freeze_dataset(kind="sft")
    model = Model.objects.create(name="saw-it", kind=ModelKind.SFT)
    monkeypatch.setattr("training.rules.erasure.models_of", lambda dataset: [model])
    done = erase_prompts_of(author_key="u_gone", by=mia, reason="asked for it")
    assert done.models == (model,)
    assert erased_prompts_seen(model) == 1


def test_erasing_needs_a_manager_a_reason_and_prompts(theirs: Prompt, mia: User, dana: User) -> None:
    with pytest.raises(NotPermitted):
        erase_prompts_of(author_key="u_gone", by=dana, reason="curious")
    with pytest.raises(InvalidInput):
        erase_prompts_of(author_key="u_gone", by=mia, reason=" ")
    with pytest.raises(NotFound):
        erase_prompts_of(author_key="u_nobody", by=mia, reason="asked for it")
    assert Prompt.objects.get(pk=theirs.pk).text == SECRET


def test_command_says_what_it_erased(theirs: Prompt, capsys: pytest.CaptureFixture[str]) -> None:
    freeze_dataset(kind="sft")
    call_command("erase_author", "--author", "u_gone", "--reason", "asked for it", "--json")
    report = json.loads(capsys.readouterr().out)
    assert (report["prompts"], report["labels"], len(report["datasets"])) == (1, 1, 1)
    assert Dataset.objects.count() == 2


def test_page_asks_for_a_reason_and_a_confirmation(theirs: Prompt, mia: User, client: Client) -> None:
    client.force_login(mia)
    address = reverse("author-erase", args=["u_gone"])
    assert "1 prompt" in client.get(address).content.decode()
    assert client.post(address, {"reason": "asked for it"}).status_code == 422
    assert Prompt.objects.get(pk=theirs.pk).text == SECRET
    assert client.post(address, {"reason": "asked for it", "is_meant": "on"}).status_code == 302
    assert Prompt.objects.get(pk=theirs.pk).text == ""
