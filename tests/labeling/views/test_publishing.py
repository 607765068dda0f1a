"""Publishing the next guideline and the next form, and reading what changed."""

from typing import Any

import pytest
from django.urls import reverse

from labeling.models import AuditEvent, Form, Guideline, Labeler, TaskKind, User
from labeling.rules import batches, guidelines
from tests.labeling.views.conftest import Visit

KIND = TaskKind.COMPARISON


def posted(form: Form, **changes: str) -> dict[str, Any]:
    """Return the editor's fields as the page serves them for a version."""
    schema = form.schema
    body: dict[str, Any] = {"likert_label": "Overall quality", "note": "", "has_likert": "on"}
    body |= {f"anchor_{point}": words for point, words in schema["likert"]["anchors"].items()}
    if schema.get("asks_category"):
        body["asks_category"] = "on"
    for part in ("flags", "prompt_flags", "scales", "prompt_scales"):
        rows = schema.get(part, [])
        body |= {f"{part}-TOTAL_FORMS": str(len(rows) + 1), f"{part}-INITIAL_FORMS": str(len(rows))}
        for at, row in enumerate(rows):
            body |= {f"{part}-{at}-{name}": value for name, value in row.items()}
            body[f"{part}-{at}-ORDER"] = str(at + 1)
    return body | changes


def url(name: str = "form-publish") -> str:
    return reverse(name, args=[KIND.value])


def test_list_shows_every_version_of_every_kind(mia: User, visit: Visit) -> None:
    guidelines.ensure_defaults()
    guidelines.publish_guideline(kind=KIND, title="Second", body="Text", by=mia)
    page = visit(mia).get(reverse("version-list")).content.decode()
    assert "Second" in page
    assert "Toxicity evaluation" in page
    assert page.count("current") >= 8


def test_labelers_publish_nothing(alice: Labeler, visit: Visit) -> None:
    for address in (reverse("version-list"), url(), url("guideline-publish")):
        assert visit(alice).get(address).status_code == 403


def test_guideline_is_previewed_with_what_changed_and_published(dana: User, visit: Visit) -> None:
    newest = guidelines.current_guideline(KIND)
    body = {"title": "New", "criteria": "Truthful\nHelpful", "body": newest.body + "\nBe **brief**."}
    page = visit(dana).post(url("guideline-publish"), body | {"preview": "1"}).content.decode()
    assert "<ins>" in page
    assert "<strong>brief</strong>" in page
    assert Guideline.objects.filter(kind=KIND).count() == 1
    assert visit(dana).post(url("guideline-publish"), body | {"publish": "1"}).status_code == 302
    new = guidelines.current_guideline(KIND)
    assert (new.version, new.title, new.criteria) == (2, "New", ["Truthful", "Helpful"])
    assert AuditEvent.objects.filter(action="publish_guideline").exists()


def test_guideline_published_from_a_browser_differs_only_where_it_was_changed(
    dana: User, alice: Labeler, visit: Visit
) -> None:
    newest = guidelines.current_guideline(KIND)
    changed = newest.body.replace("Rank 1 is best.", "Rank 1 is the best.").replace("\n", "\r\n")
    body = {"title": "New", "criteria": "Truthful\r\nHelpful", "body": changed}
    page = visit(dana).post(url("guideline-publish"), body | {"preview": "1"}).content.decode()
    assert (page.count("<ins>"), page.count("<del>")) == (1, 0)
    visit(dana).post(url("guideline-publish"), body | {"publish": "1"})
    new = guidelines.current_guideline(KIND)
    assert "\r" not in new.body
    guidelines.acknowledge(guideline=newest, labeler=alice)
    page = visit(alice).get(reverse("guideline-changes", args=[new.code])).content.decode()
    assert page.count("words unchanged") == 1
    assert "<ins>the " in page


def test_form_is_previewed_with_what_changed_and_published(dana: User, visit: Visit) -> None:
    form = guidelines.current_form(KIND)
    batch = batches.create_batch(name="Before", kind=KIND)
    at = len(form.schema["flags"])
    row = {f"flags-{at}-key": "too_long", f"flags-{at}-label": "Too long", f"flags-{at}-help": ""}
    row |= {f"flags-{at}-when": "continuation_style", "flags-0-DELETE": "on", "note": "Length matters."}
    body = posted(form, **row)
    page = visit(dana).post(url(), body | {"preview": "1"}).content.decode()
    assert "too_long" in page
    assert '<span class="badge bad">gone</span>' in page
    assert Form.objects.filter(kind=KIND).count() == 1
    answer = visit(dana).post(url(), body | {"publish": "1"})
    new = guidelines.current_form(KIND)
    assert answer["Location"] == reverse("form-detail", args=[new.code])
    assert (new.version, new.note) == (2, "Length matters.")
    keys = [flag["key"] for flag in new.schema["flags"]]
    assert keys[-1] == "too_long"
    assert "fails_task" not in keys
    assert new.schema["likert"]["anchors"] == form.schema["likert"]["anchors"]
    batch.refresh_from_db()
    assert batch.form == form
    assert "Too long" in visit(dana).get(answer["Location"]).content.decode()


def test_form_without_a_change_is_not_published(dana: User, visit: Visit) -> None:
    answer = visit(dana).post(url(), posted(guidelines.current_form(KIND)) | {"publish": "1"})
    assert answer.status_code == 422
    assert "Nothing differs from version 1" in answer.content.decode()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"flags-0-key": "Not A Key"}, "Small letters, digits, underscores."),
        ({"flags-0-label": ""}, "This field is required."),
        ({"flags-1-key": "fails_task"}, "stands twice"),
    ],
)
def test_question_that_cannot_be_asked_is_named(
    dana: User, visit: Visit, changes: dict[str, str], words: str
) -> None:
    body = posted(guidelines.current_form(KIND), **changes)
    answer = visit(dana).post(url(), body | {"publish": "1"})
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert Form.objects.filter(kind=KIND).count() == 1


def test_a_row_is_added_and_nothing_typed_is_lost(dana: User, visit: Visit) -> None:
    form = guidelines.current_form(KIND)
    body = posted(form, **{"flags-0-label": "Misses the point"}) | {"add": "flags"}
    page = visit(dana).post(url(), body).content.decode()
    assert f'name="flags-{len(form.schema["flags"]) + 1}-key"' in page
    assert 'value="Misses the point"' in page
