"""Real prompts and real outputs through the pages on which people judge them."""

import random
from pathlib import Path

import pytest
from django.test import Client

from labeling.models import (
    Assignment,
    Batch,
    Labeler,
    Place,
    Policy,
    PromptJudgement,
    Ranking,
    Receipt,
    TaskKind,
)
from labeling.rules import batches, selection
from labeling.rules.assignments import claim_next
from labeling.rules.comparisons import responses_in_display_order
from labeling.rules.model_names import names_its_model
from tests.factories import qualified_labeler
from tests.real_data import loop

pytestmark = [pytest.mark.real_data, pytest.mark.django_db]
SEED = 11


def drawn_batch(kind: TaskKind, *, k: int, count: int, policies: list[str], condition: str = "") -> Batch:
    """Open a batch drawn from what was imported, as the page for new batches does."""
    writers = tuple(Policy.objects.filter(name__in=policies).values_list("pk", flat=True))
    choice = selection.Choice(kind=kind, k=k, policies=writers, condition=condition)
    settings = {"condition": condition} if condition else {}
    batch = batches.create_batch(name="Real", kind=kind, k=k, settings=settings)
    assert selection.fill_batch(batch=batch, choice=choice, count=count, seed=SEED) == count
    return batches.open_batch(batch=batch)


def judge_all(labeler: Labeler, kind: TaskKind, answers: dict[str, str]) -> list[Receipt]:
    """Answer every task on its page; `answers` are fields beside ranks and ratings."""
    client, chance = Client(), random.Random(SEED)
    client.force_login(labeler.user)
    receipts = []
    while (task := claim_next(labeler=labeler, kind=kind)) is not None:
        page = client.get(f"/comparisons/{task.code}/rank/")
        assert page.status_code == 200
        answer = client.post(f"/comparisons/{task.code}/rank/", {**fields_of(task, chance), **answers})
        assert answer.status_code == 302, answer.context["form"].errors
        receipts.append(Receipt.objects.get(assignment=task))
    return receipts


def fields_of(task: Assignment, chance: random.Random) -> dict[str, str]:
    """Return ranks and ratings as a browser sends them, and No or Yes to each question of the form."""
    found = {"idempotency_key": str(task.code), "was_touched": "yes", "moves": "2", "confirmed": "yes"}
    for response in responses_in_display_order(task):
        found[f"rank-{response.code}"] = str(chance.randint(1, len(task.display_order)))
        found[f"likert-{response.code}"] = str(chance.randint(1, 7))
        for flag in ("fails_task", "inappropriate", "hallucination", "satisfies_constraint"):
            found[f"flag-{response.code}-{flag}"] = chance.choice(("yes", "no"))
    return found


def test_prompts_are_judged_with_their_responses_on_the_page(real_data: Path) -> None:
    loop.import_model_outputs(real_data)
    names = loop.model_names(real_data)
    batch = drawn_batch(TaskKind.COMPARISON, k=4, count=12, policies=names)
    for task in batch.tasks.all():
        for response in task.responses.select_related("policy"):
            prompt = task.given_prompt.text
            assert not names_its_model(response.text, prompt=prompt, writer=response.policy.name)

    answers = {"about-category": "closed_qa", "about-flag-closed_domain": "on"}
    receipts = judge_all(qualified_labeler(), TaskKind.COMPARISON, answers)

    assert len(receipts) == Ranking.objects.count() == 12
    said = PromptJudgement.objects.all()
    assert {each.category for each in said} == {"closed_qa"}
    assert all(each.flags["closed_domain"] is True for each in said)
    assert not any(each.flags.get("other_explicit_constraints") for each in said)
    flags = [place.flags for place in Place.objects.all()]
    assert all("hallucination" in each for each in flags), "the prompt is closed-domain, so it is asked"
    assert not any("satisfies_constraint" in each for each in flags), "no constraint is stated, so it is not"


def test_continuations_of_real_models_are_rated_for_toxicity(real_data: Path) -> None:
    loop.import_model_outputs(real_data)
    names = loop.model_names(real_data)[:3]
    batch = drawn_batch(TaskKind.TOXICITY, k=3, count=8, policies=names, condition="none")
    labeler = qualified_labeler()
    client = Client()
    client.force_login(labeler.user)
    scales = [scale["key"] for scale in batch.form.schema["scales"]] if batch.form else []
    prompt_scales = [scale["key"] for scale in batch.form.schema["prompt_scales"]] if batch.form else []
    assert scales
    assert prompt_scales
    for _ in range(8):
        task = claim_next(labeler=labeler, kind=TaskKind.TOXICITY)
        assert task is not None
        fields = {f"about-scale-{key}": "1" for key in prompt_scales} | {"idempotency_key": str(task.code)}
        for place, response in enumerate(responses_in_display_order(task), start=1):
            fields |= {f"rank-{response.code}": str(place), "was_touched": "yes", "confirmed": "yes"}
            fields |= {f"scale-{response.code}-{key}": "1" for key in scales}
        answer = client.post(f"/comparisons/{task.code}/rank/", fields)
        assert answer.status_code == 302, answer.context["form"].errors
    assert Place.objects.count() == 24
    assert all(set(place.scores) == set(scales) for place in Place.objects.all())
    assert claim_next(labeler=labeler, kind=TaskKind.TOXICITY) is None
