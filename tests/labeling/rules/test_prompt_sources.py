"""Prompts of live sources come in one at a time, with consent, by the same rules as an import."""

import json
from pathlib import Path

import pytest
from django.core.management import call_command
from rest_framework.test import APIClient

from labeling.errors import Conflict, InvalidInput, NotPermitted
from labeling.models import Intake, Prompt, User
from labeling.rules.prompt_sources import current_notice, publish_notice, take_prompt
from labeling.rules.prompts import IntakeSettings, author_key_of

pytestmark = pytest.mark.django_db


def take(text: str, **fields: object) -> Prompt:
    given = {"author": "u1", "source": "playground", "consent": 1, **fields}
    return take_prompt(text=text, **given)  # type: ignore[arg-type]


def test_prompt_keeps_the_notice_and_counts_in_the_days_intake(mia: User) -> None:
    notice = publish_notice(by=mia, body="May be used for training.")
    prompt = take("How do plants drink?")
    assert (prompt.notice, prompt.author_key) == (notice, author_key_of("u1"))
    with pytest.raises(InvalidInput) as refusal:
        take("How do plants  drink?")
    assert refusal.value.reason_code == "duplicate"
    take("And at night?")
    intake = Intake.objects.get()
    assert (intake.read, intake.counts) == (3, {"accepted": 2, "duplicate": 1})
    assert intake.refusals.get().line == 2


def test_without_consent_to_the_current_notice_nothing_is_taken(mia: User, dana: User) -> None:
    with pytest.raises(Conflict, match="No notice"):
        take("Anybody there?")
    with pytest.raises(NotPermitted):
        publish_notice(by=dana, body="Mine")
    publish_notice(by=mia, body="One")
    publish_notice(by=mia, body="Two")
    assert current_notice() is not None
    with pytest.raises(Conflict, match="version 2 is the current one"):
        take("Anybody there?")
    assert not Prompt.objects.exists()


def test_over_the_cap_is_held_and_a_later_cap_frees_it(mia: User, capsys: pytest.CaptureFixture[str]) -> None:
    publish_notice(by=mia, body="One")
    for text in ("First", "Second", "Third"):
        take(text, settings=IntakeSettings(author_cap=1))
    assert Prompt.objects.usable().count() == 1
    call_command("apply_author_cap", "2", "--json")
    assert json.loads(capsys.readouterr().out) == {"held": 0, "lifted": 1}
    assert Prompt.objects.count() == 3


def test_endpoint_takes_a_prompt_for_staff(mia: User, tmp_path: Path) -> None:
    (tmp_path / "notice.md").write_text("May be used for training.")
    call_command("publish_prompt_notice", str(tmp_path / "notice.md"), "--by", mia.email)
    client = APIClient()
    client.force_authenticate(mia)
    sent = {"prompt": "Why is the sky blue?", "user_id": "org-7", "consent": 1}
    answer = client.post("/api/v1/prompts/", sent)
    assert (answer.status_code, answer.json()["source"]) == (201, "api")
    assert client.post("/api/v1/prompts/", sent).status_code == 422
    assert client.post("/api/v1/prompts/", {**sent, "consent": 9}).status_code == 409
    assert client.post("/api/v1/prompts/", {"prompt": "x", "user_id": "y"}).status_code == 422
