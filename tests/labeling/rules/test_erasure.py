"""Erasing a person's prompts: no word of them is left in any row that stays."""

import json
from collections.abc import Iterator

import pytest
from django.apps import apps
from django.db import models

from labeling.models import (
    Assignment,
    AuditEvent,
    Labeler,
    Ranking,
    Receipt,
    Response,
    TaskKind,
    User,
    WrittenPrompt,
)
from labeling.rules import (
    adjudications,
    assignments,
    batches,
    comparisons,
    erasure,
    flags,
    gold,
    response_reports,
    reviews,
    revisions,
    submissions,
    written_prompts,
)
from labeling.rules.judgements import Judgement
from tests.factories import claimed, qualified_labeler, ranked_batch

pytestmark = pytest.mark.django_db
SECRET = "Wilhelmina"
RANKING = TaskKind.COMPARISON


def rows_with(word: str) -> Iterator[str]:
    """Name every row of the labeling app, but audit rows, in which a word stands."""
    for model in (each for each in _models() if each is not AuditEvent):
        for row in model._default_manager.values():
            if word.lower() in json.dumps(row, default=str).lower():
                yield f"{model.__name__}: {row}"


def _models() -> list[type[models.Model]]:
    return list(apps.get_app_config("labeling").get_models())


def judged(slot: Assignment, note: str = "") -> list[Judgement]:
    shown = comparisons.responses_in_display_order(slot)
    return [Judgement(response.code, place, 4, note=note) for place, response in enumerate(shown, 1)]


def test_words_of_a_written_prompt_go_from_its_receipts_and_drafts(alice: Labeler) -> None:
    batch = batches.create_batch(name="W", kind=TaskKind.PROMPT)
    written_prompts.add_prompt_tasks(batch=batch, count=2)
    batches.open_batch(batch=batch)
    slot = claimed(alice, TaskKind.PROMPT)
    assignments.save_draft(assignment=slot, version=0, payload={"text": f"{SECRET} half"})
    key = submissions.content_key(slot, {"text": f"{SECRET} whole"})
    receipt = written_prompts.submit_written_prompt(
        assignment=slot, text=f"{SECRET} whole", idempotency_key=key
    )
    revisions.reopen_submission(receipt=receipt)
    written_prompts.submit_written_prompt(
        assignment=slot, text=f"{SECRET} again, and whole", idempotency_key="b"
    )
    told = set(Receipt.objects.values_list("content_hash", flat=True)) | {key}
    assert any(rows_with(SECRET))
    erasure.erase_author(author_key=written_prompts.author_key(alice), by=None, reason="asked for it")
    assert list(rows_with(SECRET)) == []
    for receipt in Receipt.objects.all():
        assert receipt.content == {}
        assert told.isdisjoint({receipt.content_hash, receipt.idempotency_key})
    assert WrittenPrompt.objects.count() == 2


def test_remarks_that_quote_a_prompt_go_with_it(alice: Labeler, dana: User) -> None:
    batch = ranked_batch(tasks=1, overlap=2)
    task = batch.tasks.get()
    skipped = claimed(qualified_labeler(), RANKING)
    response = Response.objects.filter(candidacies__task=task).earliest("pk")
    report = response_reports.report_response(
        assignment=skipped, response=response.code, reason="other", note=f"quotes {SECRET}"
    )
    skip = assignments.skip(assignment=skipped, reason="unclear", note=f"who is {SECRET}?")
    flags.answer_skip(skip=skip, text=f"{SECRET} is an aunt", by=dana)
    flags.answer_report(report=report, text=f"{SECRET} stays", by=dana)
    for labeler, turned in ((alice, False), (qualified_labeler(), True)):
        slot = claimed(labeler, RANKING)
        ranks = judged(slot, note=f"names {SECRET}")
        comparisons.submit_ranking(
            assignment=slot, judgements=ranks[::-1] if turned else ranks, idempotency_key=str(slot.code),
            notes=f"all about {SECRET}",
        )  # fmt: skip
    ranking = Ranking.objects.get(assignment=slot)
    reviews.review_ranking(ranking=ranking, decision="excluded", by=dana, comment=f"{SECRET} again")
    flags.answer_note(ranking=ranking, text=f"{SECRET} it is", by=dana)
    gold.mark_gold(task=task, judgements=judged(slot, note=SECRET), reason=f"{SECRET} first", by=dana)
    adjudications.adjudicate(
        task=task, judgements=judged(slot, note=SECRET), reason=f"{SECRET} last", by=dana
    )
    assert len(list(rows_with(SECRET))) > 8
    prompt = task.given_prompt
    erasure.erase_author(author_key=prompt.author_key, by=None, reason="asked for it")
    assert list(rows_with(SECRET)) == []
