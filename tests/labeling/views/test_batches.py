"""Batches: listed, made, opened, watched, closed."""

import re
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from labeling.models import (
    AnchorSet,
    Assignment,
    AuditEvent,
    Batch,
    BatchTemplate,
    Candidate,
    Labeler,
    Policy,
    Prompt,
    Reading,
    Split,
    TaskKind,
    User,
)
from labeling.rules import assignments, batches, comparisons, guidelines, quality_reports
from labeling.rules.judgements import Judgement
from labeling.rules.ranking_imports import import_rankings
from tests.factories import (
    PolicyFactory,
    PromptFactory,
    ResponseFactory,
    claimed,
    qualified_labeler,
    ranked_batch,
    writing_batch,
)
from tests.labeling.views.conftest import Visit


def body(**changes: Any) -> dict[str, Any]:
    base = {
        "name": "Round 2", "kind": "demonstration", "count": "2", "is_fresh": "on", "k": "4",
        "cohorts": ["train"], "overlap": "2", "shared_percent": "50", "priority": "0", "lease_minutes": "30",
    }  # fmt: skip
    return base | changes


def mix(policies: list[Policy], share: str) -> dict[str, str]:
    """The same part of the K for each of some policies."""
    return {f"share-{policy.pk}": share for policy in policies}


@pytest.fixture
def answered(db: None) -> list[Policy]:
    """Three prompts, each answered by three policies."""
    policies = PolicyFactory.create_batch(3)
    for prompt in PromptFactory.create_batch(3):
        for policy in policies:
            ResponseFactory.create(prompt=prompt, policy=policy)
    return policies


def test_good_form_makes_a_draft_with_tasks_drawn(mia: User, visit: Visit) -> None:
    PromptFactory.create_batch(3)
    answer = visit(mia).post(reverse("batch-create"), body())
    batch = Batch.objects.get()
    assert answer["Location"] == reverse("batch-detail", args=[batch.code])
    assert (batch.status, batch.tasks.count(), batch.overlap, batch.lease_seconds) == ("draft", 2, 2, 1800)
    assert batch.tasks.filter(is_shared=True).count() == 1


def test_ranked_form_makes_tasks_of_k_responses_by_the_chosen_policies(
    mia: User, answered: list[Policy], visit: Visit
) -> None:
    visit(mia).post(
        reverse("batch-create"),
        body(kind="comparison", k="2", count="3", presort="on", **mix(answered[:2], "fill")),
    )
    batch = Batch.objects.get()
    assert batch.settings["presort"] is True
    writers = set(Candidate.objects.filter(task__batch=batch).values_list("response__policy", flat=True))
    assert writers == {policy.pk for policy in answered[:2]}
    assert Candidate.objects.count() == 6


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"count": "5"}, "Only 3 prompts match; ask for 3 or fewer."),
        ({"language": "de"}, "Select a valid choice"),
        ({"split": "test"}, "Prompts of test authors never train"),
        ({"cohorts": ["held_out"]}, "Held-out labelers take only evaluations"),
        ({"cohorts": []}, "This field is required"),
        ({"kind": "comparison"}, "Choose below whose responses are compared"),
        ({"kind": "toxicity", "reads_first": "on"}, "goes on from its prompt and is not read alone"),
        ({"overlap": "0"}, "greater than or equal to 1"),
        ({"shared_percent": "140"}, "less than or equal to 100"),
        ({"deadline_at": "2020-01-01T10:00"}, "The deadline is over already"),
    ],
)
def test_bad_form_is_refused_with_what_is_allowed(
    mia: User, answered: list[Policy], visit: Visit, changes: dict[str, Any], sentence: str
) -> None:
    answer = visit(mia).post(reverse("batch-create"), body(**changes))
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert not Batch.objects.exists()


def test_too_few_responses_are_counted_honestly(mia: User, answered: list[Policy], visit: Visit) -> None:
    PromptFactory.create_batch(5)  # without responses
    answer = visit(mia).post(
        reverse("batch-create"), body(kind="comparison", k="3", count="8", **mix(answered, "fill"))
    )
    assert "Only 3 prompts match and have 3 responses by these policies" in answer.content.decode()


def test_test_prompts_held_prompts_and_personal_data_are_never_drawn_for_training(
    mia: User, visit: Visit
) -> None:
    PromptFactory.create(split=Split.TEST)
    PromptFactory.create(held_reason="over_cap")
    PromptFactory.create(has_pii=True)
    good = PromptFactory.create()
    visit(mia).post(reverse("batch-create"), body(count="1"))
    assert Prompt.objects.get(tasks__batch=Batch.objects.get()) == good


def test_form_sent_twice_makes_one_batch_and_under_another_name_another(mia: User, visit: Visit) -> None:
    PromptFactory.create_batch(4)
    client, url = visit(mia), reverse("batch-create")
    code = client.get(url).context["form"]["code"].value()
    first = client.post(url, body(code=code))
    again = client.post(url, body(code=code), follow=True)  # the prompts of the first are no longer fresh
    batch = Batch.objects.get()
    assert str(batch.code) == code
    assert first["Location"] == again.redirect_chain[0][0] == reverse("batch-detail", args=[code])
    assert "is made already; nothing was made twice" in again.content.decode()
    client.post(url, body(code=code, name="Another"))
    assert Batch.objects.count() == 2


def test_guidelines_forms_and_anchors_stand_under_their_kind(mia: User, visit: Visit) -> None:
    guidelines.publish_guideline(kind="comparison", title="Read both", body="Twice.", by=mia)
    newest = guidelines.current_guideline("comparison")
    AnchorSet.objects.create(name="Fixed pairs", kind="toxicity")
    form = visit(mia).get(reverse("batch-create")).context["form"]
    groups = dict(form.fields["guideline"].choices)
    assert groups["Comparison"][0] == (newest.pk, "Version 2, Read both")
    assert set(groups) == {"", *(str(kind.label) for kind in TaskKind)}
    assert '<optgroup label="Toxicity evaluation">' in str(form["anchor_set"])
    PromptFactory.create_batch(2)
    visit(mia).post(reverse("batch-create"), body(guideline=groups["Demonstration"][0][0]))
    chosen = Batch.objects.get().guideline
    assert chosen is not None
    assert chosen.kind == "demonstration"


def test_labels_of_kinds_in_the_style_sheet_are_those_of_the_kinds() -> None:
    """The options of other kinds are hidden by the label of their group."""
    sheet = (settings.BASE_DIR / "static/css/batches.css").read_text()
    for kind in TaskKind:
        rule = f'option[value="{kind.value}"]:checked) optgroup:not([label="{kind.label}"])'
        assert rule in sheet


def test_code_of_somebody_elses_batch_makes_none(mia: User, olga: User, visit: Visit) -> None:
    PromptFactory.create_batch(4)
    theirs = Batch.objects.get(code=_made(visit(olga)))
    answer = visit(mia).post(reverse("batch-create"), body(code=theirs.code))
    assert answer.status_code == 422
    assert "made already" in answer.content.decode()
    assert Batch.objects.get() == theirs


def _made(client: Client) -> str:
    return client.post(reverse("batch-create"), body())["Location"].split("/")[-2]


def test_look_counts_and_draws_and_makes_nothing(mia: User, answered: list[Policy], visit: Visit) -> None:
    sent = body(kind="comparison", k="3", count="3", shared_percent="10", look="1", **mix(answered, "1"))
    answer = visit(mia).post(reverse("batch-create"), sent, headers={"HX-Request": "true"})
    page = answer.content.decode()
    assert "3 prompts match" in page
    assert "3 tasks, 4 labels: 1 shared by 2 labelers, 2 labeled once." in page
    look = page.split('id="batch-look"')[1]
    assert "Response C" in look
    assert all(policy.name not in look for policy in answered)
    assert not Batch.objects.exists()


def test_filters_of_a_batch_are_named_on_its_page_as_on_the_form(mia: User, visit: Visit) -> None:
    PromptFactory.create_batch(2, category="open_qa")
    client = visit(mia)
    made = client.post(reverse("batch-create"), body(category="open_qa", source="playground"), follow=True)
    page = made.content.decode()
    assert "<dd>Open QA</dd>" in page
    assert "open_qa" not in page


def test_missing_responses_are_said_before_anything_is_made(
    mia: User, answered: list[Policy], visit: Visit
) -> None:
    extra = ResponseFactory.create(prompt=Prompt.objects.all()[0])
    sent = body(kind="comparison", k="2", count="1", look="1", **mix([answered[0], extra.policy], "1"))
    page = visit(mia).post(reverse("batch-create"), sent).content.decode()
    assert f"{extra.policy.name}: 2 of 3 prompts lack 1 response" in page


@pytest.mark.parametrize(
    ("k", "shares", "sentence"),
    [
        ("2", ["1", "2", ""], "The policies give 3 responses, K is 2"),
        ("3", ["1", "1", ""], "The policies give 2 of 3 responses"),
    ],
)
def test_mix_that_does_not_make_up_k_is_refused(
    mia: User, answered: list[Policy], visit: Visit, k: str, shares: list[str], sentence: str
) -> None:
    given = {f"share-{policy.pk}": share for policy, share in zip(answered, shares, strict=True)}
    answer = visit(mia).post(reverse("batch-create"), body(kind="comparison", k=k, count="1", **given))
    assert answer.status_code == 422
    assert sentence in answer.content.decode()


def test_fixed_shares_stand_in_every_task(mia: User, answered: list[Policy], visit: Visit) -> None:
    sent = body(kind="comparison", k="2", count="3", **mix(answered[:1], "1"), **mix(answered[1:], "fill"))
    visit(mia).post(reverse("batch-create"), sent)
    for task in Batch.objects.get().tasks.all():
        writers = {candidate.response.policy_id for candidate in task.candidates.all()}
        assert answered[0].pk in writers
        assert len(writers) == 2


def test_template_of_a_batch_starts_the_next_one(mia: User, answered: list[Policy], visit: Visit) -> None:
    client = visit(mia)
    client.post(
        reverse("batch-create"),
        body(kind="comparison", k="2", count="2", category="", priority="4", **mix(answered[:2], "1")),
    )
    batch = Batch.objects.get()
    client.post(reverse("batch-template", args=[batch.code]), {"template-name": "Weekly"})
    template = BatchTemplate.objects.get()
    for query in (f"template={template.code}", f"like={batch.code}"):
        page = client.get(f"{reverse('batch-create')}?{query}").content.decode()
        share = page.split(f'name="share-{answered[0].pk}"')[1].split("</select>")[0]
        assert '<option value="1" selected>' in share
        assert 'name="priority" value="4"' in page
    again = client.post(reverse("batch-template", args=[batch.code]), {"template-name": "Weekly"})
    assert "There is a template" in again.content.decode()
    client.post(reverse("batch-template-archive", args=[template.code]))
    assert not BatchTemplate.objects.current().exists()


def test_batch_of_prompt_writing_is_made_without_prompts(mia: User, visit: Visit) -> None:
    visit(mia).post(reverse("batch-create"), body(kind="prompt", count="3", written_kind="few_shot"))
    batch = Batch.objects.get()
    assert batch.tasks.filter(prompt=None).count() == 3
    assert batch.settings["prompt_kind"] == "few_shot"


def test_preview_is_the_labelers_own_page_and_stores_nothing(
    mia: User, answered: list[Policy], visit: Visit
) -> None:
    sent = body(kind="comparison", k="3", count="3", **mix(answered, "1"))
    counts = [model.objects.count() for model in (Batch, Labeler, User, Candidate, AuditEvent)]
    answer = visit(mia).post(reverse("batch-draft-preview"), sent)
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "Rank all 3" in page
    assert "Nothing here is stored" in page
    assert all(policy.name not in page for policy in answered)
    assert [model.objects.count() for model in (Batch, Labeler, User, Candidate, AuditEvent)] == counts


def test_batch_whose_responses_are_read_first_is_made_shown_and_made_again(
    mia: User, answered: list[Policy], visit: Visit
) -> None:
    client = visit(mia)
    sent = body(kind="comparison", k="3", count="2", reads_first="on", **mix(answered, "1"))
    client.post(reverse("batch-create"), sent)
    batch = Batch.objects.get()
    assert batch.settings["reads_first"] is True
    page = client.get(reverse("batch-detail", args=[batch.code])).content.decode()
    assert "labelers note what each response seems to say" in page
    again = client.get(f"{reverse('batch-create')}?like={batch.code}").content.decode()
    box = again.split('name="reads_first"')[1].split(">")[0]
    assert "checked" in box


def test_preview_shows_the_page_before_the_prompt_and_then_the_ranking_and_stores_nothing(
    mia: User, answered: list[Policy], visit: Visit
) -> None:
    client = visit(mia)
    sent = body(kind="comparison", k="3", count="3", reads_first="on", **mix(answered, "1"))
    page = client.post(reverse("batch-draft-preview"), sent).content.decode()
    assert "Read before the prompt" in page
    client.post(reverse("batch-create"), sent)
    batch = Batch.objects.get()
    for address in (
        reverse("batch-preview", args=[batch.code]),
        reverse("task-preview", args=[batch.tasks.all()[0].code]),
    ):
        page = client.get(address).content.decode()
        assert "Read before the prompt" in page
        assert f'href="{address}?after=readings"' in page
        assert "Rank all 3" in client.get(f"{address}?after=readings").content.decode()
    assert not Assignment.objects.exists()
    assert not Reading.objects.exists()


@pytest.mark.parametrize("kind", ["demonstration", "comparison", "prompt", "evaluation", "toxicity"])
def test_batch_of_each_kind_can_be_looked_at_as_a_labeler(
    mia: User, answered: list[Policy], visit: Visit, kind: str
) -> None:
    client = visit(mia)
    client.post(reverse("batch-create"), body(kind=kind, k="3", count="2", **mix(answered, "1")))
    batch = Batch.objects.get()
    answer = client.get(reverse("batch-preview", args=[batch.code]))
    assert answer.status_code == 200
    assert "Nothing here is stored" in answer.content.decode()
    assert not Assignment.objects.exists()
    if batch.tasks.first():
        task = batch.tasks.all()[0]
        assert client.get(reverse("task-preview", args=[task.code])).status_code == 200


def test_running_batch_is_changed_and_changed_back_on_its_page(mia: User, visit: Visit) -> None:
    batch = writing_batch(tasks=4, overlap=2)
    client = visit(mia)
    page = client.get(reverse("batch-manage", args=[batch.code])).content.decode()
    assert "Withdraw the open slots" in page
    client.post(reverse("batch-pause", args=[batch.code]), {"pause-reason": "Mending the guideline"})
    batch.refresh_from_db()
    assert batch.status == "paused"
    client.post(reverse("batch-pause", args=[batch.code]))
    sent = {
        "change-name": "Other", "change-priority": "9", "change-lease_minutes": "45",
        "change-cohorts": ["train"], "change-deadline_at": "", "change-labeler_cap": "40",
    }  # fmt: skip
    client.post(reverse("batch-change", args=[batch.code]), sent)
    batch.refresh_from_db()
    assert (batch.name, batch.priority, batch.lease_seconds, batch.labeler_cap) == ("Other", 9, 2700, 40)
    page = client.get(reverse("batch-manage", args=[batch.code])).content.decode()
    said = page.partition('undo" method')[2].partition("</form>")[0]
    assert "before: name Writing" in said  # beside the button: what it puts back
    event = AuditEvent.objects.filter(action="change_batch").latest("pk")
    client.post(reverse("batch-undo", args=[batch.code]), {"event": str(event.code)})
    batch.refresh_from_db()
    assert (batch.name, batch.priority, batch.lease_seconds, batch.labeler_cap) == ("Writing", 0, 1800, None)
    answer = client.post(
        reverse("batch-balance", args=[batch.code]),
        {"balance-which": "shared", "balance-overlap": "3", "balance-only_unanswered": "on"}, follow=True,
    )  # fmt: skip
    assert "4 tasks changed: 4 slots opened, 0 withdrawn." in answer.content.decode()
    assert (
        b"12 open slots withdrawn"
        in client.post(reverse("batch-withdraw", args=[batch.code]), follow=True).content
    )
    wrong = client.post(reverse("batch-change", args=[batch.code]), sent | {"change-cohorts": ["held_out"]})
    assert wrong.status_code == 422
    assert "Held-out labelers take only evaluations" in wrong.content.decode()


def test_drawn_batch_takes_more_prompts_by_the_same_filters(mia: User, visit: Visit) -> None:
    PromptFactory.create_batch(5)
    client = visit(mia)
    client.post(reverse("batch-create"), body(count="2"))
    batch = Batch.objects.get()
    client.post(reverse("batch-open", args=[batch.code]))
    answer = client.post(reverse("batch-extend", args=[batch.code]), {"extend-count": "3"}, follow=True)
    assert "3 tasks added" in answer.content.decode()
    assert batch.tasks.count() == 5


def test_more_prompts_are_added_once_however_often_the_button_was_pressed(mia: User, visit: Visit) -> None:
    PromptFactory.create_batch(6)
    client = visit(mia)
    client.post(reverse("batch-create"), body())
    batch = Batch.objects.get()
    page = client.get(reverse("batch-manage", args=[batch.code]))
    sent = {"extend-count": "2", "extend-key": page.context["extend_form"]["key"].value()}
    url = reverse("batch-extend", args=[batch.code])
    assert "2 tasks added" in client.post(url, sent, follow=True).content.decode()
    assert "nothing was added twice" in client.post(url, sent, follow=True).content.decode()
    assert batch.tasks.count() == 4
    sent["extend-key"] = client.get(page.request["PATH_INFO"]).context["extend_form"]["key"].value()
    client.post(url, sent)
    assert batch.tasks.count() == 6


def test_anchors_are_made_of_two_policies_and_stand_in_a_batch(
    mia: User, answered: list[Policy], visit: Visit
) -> None:
    client = visit(mia)
    sent = {"name": "SFT", "kind": "comparison", "watched": answered[0].pk, "against": answered[1].pk}
    assert "only 3 prompts" in client.post(reverse("anchor-list"), sent | {"count": "4"}).content.decode()
    client.post(reverse("anchor-list"), sent | {"count": "2"})
    anchor_set = AnchorSet.objects.get()
    client.post(
        reverse("batch-create"),
        body(kind="comparison", k="3", count="2", anchor_set=str(anchor_set.pk), anchor_overlap="3",
             **mix(answered, "1")),
    )  # fmt: skip
    anchored = Batch.objects.get().tasks.filter(is_anchor=True)
    assert [(task.overlap, task.candidates.count(), task.is_shared) for task in anchored] == [
        (3, 2, False)
    ] * 2
    client.post(reverse("anchor-retire", args=[anchor_set.code]))
    assert not AnchorSet.objects.current().exists()


def test_list_is_searched_and_goes_on_by_key(
    mia: User, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labeling.views.batches.BATCHES_A_PAGE", 2)
    for number in range(5):
        batches.create_batch(name=f"Week {number}", kind=TaskKind.DEMONSTRATION)
    client = visit(mia)
    first = client.get(reverse("batch-list"))
    assert [batch.name for batch in first.context["page"].rows] == ["Week 4", "Week 3"]
    second = client.get(reverse("batch-list") + first.context["page"].next)
    assert [batch.name for batch in second.context["page"].rows] == ["Week 2", "Week 1"]
    back = client.get(reverse("batch-list") + second.context["page"].previous)
    assert [batch.name for batch in back.context["page"].rows] == ["Week 4", "Week 3"]
    assert [
        batch.name for batch in client.get(reverse("batch-list"), {"q": "week 0"}).context["page"].rows
    ] == ["Week 0"]


def test_opening_and_closing_move_the_batch_and_say_what_follows(mia: User, visit: Visit) -> None:
    PromptFactory.create_batch(2)
    client = visit(mia)
    client.post(reverse("batch-create"), body())
    batch = Batch.objects.get()
    assert b"is open" in client.post(reverse("batch-open", args=[batch.code]), follow=True).content
    again = client.post(reverse("batch-open", args=[batch.code]), follow=True)
    assert b"is not a draft" in again.content
    assert b"is closed" in client.post(reverse("batch-close", args=[batch.code]), follow=True).content
    batch.refresh_from_db()
    assert batch.status == "closed"


def test_detail_shows_progress_labelers_and_skips_with_reasons(
    mia: User, alice: Labeler, visit: Visit
) -> None:
    batch = ranked_batch(tasks=3)
    mine = claimed(alice, TaskKind.COMPARISON)
    assignments.skip(assignment=mine, reason="broken", note="All three are cut off")
    page = visit(mia).get(reverse("batch-detail", args=[batch.code])).content.decode()
    for part in ("0 of 3 labels", "L-ALICE", "Every response is broken", "All three are cut off"):
        assert part in page


def test_progress_refreshes_alone(mia: User, visit: Visit) -> None:
    batch = writing_batch(tasks=1)
    url = reverse("batch-detail", args=[batch.code])
    answer = visit(mia).get(url, headers={"HX-Request": "true"})
    assert answer.content.strip().startswith(b"<section")


def test_progress_reads_only_what_it_shows(mia: User, alice: Labeler, visit: Visit) -> None:
    batch = ranked_batch(tasks=2)
    claimed(alice, TaskKind.COMPARISON)
    client, url = visit(mia), reverse("batch-detail", args=[batch.code])
    client.get(url)
    with CaptureQueriesContext(connection) as whole:
        client.get(url)
    with CaptureQueriesContext(connection) as part:
        page = client.get(url, headers={"HX-Request": "true"}).content.decode()
    assert "Being worked on" in page
    assert len(whole) - len(part) >= 6
    assert not any("labeling_skip" in query["sql"] for query in part.captured_queries)


def test_agreement_of_a_large_batch_is_the_kept_one_with_its_date(
    mia: User, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = ranked_batch(tasks=1, k=2, overlap=2)
    for place in (0, 1):
        slot = claimed(qualified_labeler(), TaskKind.COMPARISON)
        codes = sorted(response.code for response in comparisons.responses_in_display_order(slot))
        judgements = [Judgement(codes[place], 1, 5), Judgement(codes[1 - place], 2, 4)]
        comparisons.submit_ranking(assignment=slot, judgements=judgements, idempotency_key=str(slot.code))
    client, url = visit(mia), reverse("batch-detail", args=[batch.code])
    assert "as of" not in client.get(url).content.decode()
    monkeypatch.setattr(quality_reports, "AT_ONCE", 1)
    monkeypatch.setattr(quality_reports, "AT_ONCE_IF_NOTHING_IS_KEPT", 1)
    assert "no figure yet" in client.get(url).content.decode()
    quality_reports.refresh_reports()
    monkeypatch.setattr(quality_reports, "batch_agreement", None)
    figure = quality_reports.batch_figure(batch, rankings=2)
    assert figure.value == 0
    page = client.get(url, headers={"HX-Request": "true"}).content.decode()
    assert "0.0 %" in page
    assert "as of" in page


def test_list_costs_the_same_for_two_batches_as_for_twelve(
    mia: User, visit: Visit, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client = visit(mia)
    for _ in range(2):
        writing_batch(tasks=1)
    with django_assert_num_queries(5):
        client.get(reverse("batch-list"))
    for _ in range(10):
        writing_batch(tasks=1)
    with django_assert_num_queries(5):
        page = client.get(reverse("batch-list")).content.decode()
    assert page.count("0 of 1") >= 12


def test_empty_list_says_how_to_begin(mia: User, visit: Visit) -> None:
    page = visit(mia).get(reverse("batch-list")).content.decode()
    assert "No batches yet" in page
    assert reverse("batch-create") in page
    assert b"No batch fits this filter" in visit(mia).get(reverse("batch-list"), {"state": "open"}).content


def test_ticked_tasks_move_to_a_batch_of_other_cohorts(mia: User, dana: User, visit: Visit) -> None:
    source = writing_batch(tasks=2)
    other = batches.create_batch(name="For researchers", kind=TaskKind.DEMONSTRATION, cohorts=["researcher"])
    address = f"/batches/{source.code}/tasks/"
    page = visit(mia).get(address).content.decode()
    assert "For researchers (researcher)" in page
    task = source.tasks.first()
    assert task is not None
    answer = visit(mia).post(
        f"{address}move/", {"tasks": [str(task.code)], "to": str(other.code)}, follow=True
    )
    assert "1 task moved to “For researchers”" in answer.content.decode()
    assert other.tasks.get() == task
    empty = visit(mia).post(f"{address}move/", {"to": str(other.code)}, follow=True).content.decode()
    assert "Tick the tasks to move" in empty


def test_the_style_of_the_form_names_each_kind_as_its_options_are_grouped() -> None:
    """Under another name the options of a kind would all be hidden."""
    style = (settings.BASE_DIR / "static/css/batches.css").read_text(encoding="utf-8")
    for kind in TaskKind:
        hides = f'option[value="{kind.value}"]:checked) optgroup:not([label="{kind.label}"])'
        assert hides in style, f"the options of {kind.label} would be hidden"


def test_ticked_tasks_are_given_to_a_labeler_and_taken_back(mia: User, alice: Labeler, visit: Visit) -> None:
    batch = writing_batch(tasks=2)
    address = f"/batches/{batch.code}/tasks/"
    assert '<option value="L-ALICE">' in visit(mia).get(address).content.decode()
    task = batch.tasks.first()
    assert task is not None
    given = {"tasks": [str(task.code)], "labeler": "l-alice", "days": "2"}
    for where in ("give", "move"):  # Enter in the labeler's field presses the first button
        said = visit(mia).post(f"{address}{where}/", given, follow=True).content.decode()
        assert "1 task given to L-ALICE." in said
        start = visit(alice).get("/work/").content.decode()
        assert "A manager gave you this task" in start
        page = visit(mia).get(f"/batches/{batch.code}/").content.decode()
        (back,) = re.findall(r'action="(/tasks/given/[^"]+/take-back/)"', page)
        assert "anybody’s again" in visit(mia).post(back, follow=True).content.decode()
    for wrong, sentence in (
        ({**given, "labeler": "L-NOBODY"}, "There is no labeler “L-NOBODY”"),
        ({**given, "tasks": []}, "Tick the tasks to give"),
        ({**given, "days": "31"}, "Tick the tasks to give"),
    ):
        assert sentence in visit(mia).post(f"{address}give/", wrong, follow=True).content.decode()
    assert not Assignment.objects.leased().exists()


def test_imported_batch_says_how_many_labels_came(mia: User, visit: Visit) -> None:
    row = {"prompt": "Q", "responses": ["yes", "no"], "ranks": [1, 2]}
    import_rankings(rows=[row | {"labeler": "L1"}, row | {"labeler": "L2"}])
    client = visit(mia)
    assert "came whole" in client.get(reverse("batch-list")).content.decode()
    page = client.get(reverse("batch-detail", args=[Batch.objects.get().code])).content.decode()
    assert "came with the import" in page
    assert "Nobody has begun" not in page
    assert "Being worked on" not in page
