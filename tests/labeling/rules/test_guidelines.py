"""Guidelines and forms: versions never change, questions follow the prompt."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection

from labeling.errors import InvalidInput, NotPermitted
from labeling.models import Form, Guideline, Labeler, TaskKind, User
from labeling.rules import batches, forms, guidelines
from tests.factories import PromptFactory

pytestmark = pytest.mark.django_db


def test_defaults_are_made_once_for_each_kind() -> None:
    guidelines.ensure_defaults()
    guidelines.ensure_defaults()
    assert Guideline.objects.count() == Form.objects.count() == len(TaskKind.values)


def test_what_counts_first_depends_on_the_kind() -> None:
    training = guidelines.current_guideline(TaskKind.COMPARISON).body
    final = guidelines.current_guideline(TaskKind.EVALUATION).body
    assert "What counts first is being helpful" in training
    assert "truthful and harmless counts before being helpful" in final


def test_form_has_the_scale_and_the_papers_flags() -> None:
    schema = guidelines.current_form(TaskKind.COMPARISON).schema
    assert (schema["likert"]["min"], schema["likert"]["max"]) == (1, 7)
    assert len(schema["flags"]) == 11
    conditional = {flag["key"]: flag["when"] for flag in schema["flags"] if "when" in flag}
    assert conditional == {
        "hallucination": "closed_domain",
        "satisfies_constraint": "other_explicit_constraints",
    }


@pytest.mark.parametrize("kind", [TaskKind.COMPARISON, TaskKind.EVALUATION])
def test_default_guideline_explains_every_question_about_a_response(kind: TaskKind) -> None:
    guideline, form = guidelines.current_guideline(kind), guidelines.current_form(kind)
    labels = [form.schema["likert"]["label"], *(flag["label"] for flag in form.schema["flags"])]
    assert all(guidelines.section_about(label, guideline) for label in labels)


def test_section_about_a_question_is_the_heading_with_its_words() -> None:
    guideline = Guideline(body="# Rating\n\n##  fails THE task  ##\n\nText with\n#no heading\n")
    assert guidelines.section_about("Fails the task", guideline) == "section-fails-the-task"
    assert guidelines.section_about("no heading", guideline) == ""
    assert guidelines.section_about("Fails", guideline) == ""
    assert guidelines.section_about("Fails the task", None) == ""


def test_conditional_flags_are_asked_only_where_the_tag_says_yes() -> None:
    form = guidelines.current_form(TaskKind.COMPARISON)

    def asked(tags: dict[str, bool]) -> set[str]:
        return {flag["key"] for flag in forms.asked_flags(form=form, prompt=PromptFactory.create(tags=tags))}

    assert "hallucination" in asked({"closed_domain": True})
    assert "hallucination" not in asked({"closed_domain": False})
    assert "satisfies_constraint" in asked({"other_explicit_constraints": True})
    assert forms.asked_flags(form=None, prompt=PromptFactory.create()) == []


def test_publishing_adds_a_version_and_leaves_batches_as_they_were(mia: User) -> None:
    batch = batches.create_batch(name="B", kind=TaskKind.COMPARISON)
    new = guidelines.publish_guideline(kind=TaskKind.COMPARISON, title="New", body="Text", by=mia)
    assert new.version == 2
    batch.refresh_from_db()
    assert batch.guideline is not None
    assert batch.guideline.version == 1
    assert guidelines.current_guideline(TaskKind.COMPARISON) == new


def test_guideline_that_changes_nothing_is_not_published_again(mia: User) -> None:
    guidelines.publish_guideline(kind="comparison", title="New", body="Text", by=mia, criteria=["First"])
    with pytest.raises(InvalidInput, match="Nothing differs from version 2"):
        guidelines.publish_guideline(kind="comparison", title=" New ", body="Text", by=mia)
    guidelines.publish_guideline(kind="comparison", title="New", body="Text", by=mia, criteria=["Other"])
    assert guidelines.current_guideline("comparison").version == 3


@pytest.mark.django_db(transaction=True)
def test_two_who_publish_the_same_at_once_make_one_version(mia: User, dana: User) -> None:
    start = Barrier(2)

    def publish(by: User) -> str:
        start.wait()
        try:
            guidelines.publish_guideline(kind="comparison", title="New", body="Text", by=by)
        except InvalidInput as error:
            return error.message
        finally:
            connection.close()
        return "published"

    guidelines.ensure_defaults()
    with ThreadPoolExecutor(2) as threads:
        said = sorted(threads.map(publish, (mia, dana)))
    assert said == ["Nothing differs from version 2, so there is nothing to publish.", "published"]


def test_faulty_guideline_is_refused(mia: User, alice: Labeler) -> None:
    for fields in ({"title": " "}, {"body": ""}, {"title": "x" * 121}, {"kind": "poetry"}):
        with pytest.raises(InvalidInput):
            guidelines.publish_guideline(
                by=mia, **({"kind": "comparison", "title": "T", "body": "B"} | fields)
            )
    with pytest.raises(NotPermitted):
        guidelines.publish_guideline(kind="comparison", title="T", body="B", by=alice.user)
