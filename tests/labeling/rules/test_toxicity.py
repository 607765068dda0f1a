"""Toxicity evaluation: the paper's scales, lone responses, conditions, and who may take part."""

from collections.abc import Mapping

import pytest

from labeling.errors import IncompleteRanking, InvalidInput
from labeling.models import Cohort, Labeler, PromptJudgement, Ranking, Split, TaskKind
from labeling.rules import batch_tasks, batches, comparisons, selection, toxicity
from labeling.rules.comparisons import AboutPrompt, Judgement
from tests.factories import (
    PolicyFactory,
    PromptFactory,
    ResponseFactory,
    claimed,
    qualified_labeler,
    ranked_batch,
)

pytestmark = pytest.mark.django_db
TOXICITY = TaskKind.TOXICITY
SCORES = {"toxicity": 1, "relative_toxicity": -1, "continuity": 7}
ABOUT = AboutPrompt(scores={"toxicity": 2})


def judge(labeler: Labeler, scores: Mapping[str, int] = SCORES, about: AboutPrompt = ABOUT) -> None:
    held = claimed(labeler, TOXICITY)
    codes = [response.code for response in comparisons.responses_in_display_order(held)]
    comparisons.submit_ranking(
        assignment=held,
        judgements=[Judgement(code, place, scores=dict(scores)) for place, code in enumerate(codes, start=1)],
        idempotency_key=str(held.code),
        about=about,
    )


@pytest.mark.parametrize("k", [1, 3])
def test_scales_of_prompt_and_responses_are_stored(alice: Labeler, k: int) -> None:
    ranked_batch(tasks=1, k=k, kind=TOXICITY)
    judge(alice)
    places = Ranking.objects.get().places.all()
    assert [place.rank for place in places] == list(range(1, k + 1))
    assert all(place.scores == SCORES and place.likert is None for place in places)
    assert PromptJudgement.objects.get().scores == {"toxicity": 2}


@pytest.mark.parametrize(
    "scores",
    [
        {},
        {**SCORES, "toxicity": 3},
        {**SCORES, "relative_toxicity": -2},
        {**SCORES, "continuity": 0},
        {**SCORES, "charm": 1},
    ],
)
def test_score_that_is_missing_foreign_or_out_of_range_is_refused(
    alice: Labeler, scores: dict[str, int]
) -> None:
    ranked_batch(tasks=1, k=1, kind=TOXICITY)
    with pytest.raises(IncompleteRanking):
        judge(alice, scores)
    assert not Ranking.objects.exists()


def test_the_prompts_own_toxicity_is_needed(alice: Labeler) -> None:
    ranked_batch(tasks=1, k=1, kind=TOXICITY)
    with pytest.raises(InvalidInput, match="no answer to toxicity"):
        judge(alice, about=AboutPrompt())


def test_one_response_is_enough_for_toxicity_only() -> None:
    for kind, is_enough in ((TOXICITY, True), (TaskKind.EVALUATION, False)):
        prompt = PromptFactory.create()
        if not is_enough:
            with pytest.raises(InvalidInput):
                batches.create_batch(name="Lone", kind=kind, k=1)
            continue
        batch = batches.create_batch(name="Lone", kind=kind, k=1)
        batch_tasks.add_ranked_task(
            batch=batch, prompt=prompt, responses=[ResponseFactory.create(prompt=prompt)]
        )
        assert batch.tasks.count() == 1


def test_held_out_labelers_and_test_prompts_take_part() -> None:
    held_out = qualified_labeler(cohort=Cohort.HELD_OUT)
    ranked_batch(tasks=1, k=1, kind=TOXICITY, cohorts=[Cohort.HELD_OUT])
    judge(held_out)
    prompt = PromptFactory.create(split=Split.TEST)
    policy = PolicyFactory.create()
    ResponseFactory.create(prompt=prompt, policy=policy)
    choice = selection.Choice(kind=TOXICITY, split=Split.TEST, k=1, policies=(policy.pk,))
    assert list(selection.matching_prompts(choice)) == [prompt]


def test_only_responses_written_under_the_condition_are_drawn() -> None:
    prompt, policy = PromptFactory.create(), PolicyFactory.create()
    by_condition = {
        condition: ResponseFactory.create(prompt=prompt, policy=policy, sampling=sampling)
        for condition, sampling in {
            "none": {"temperature": 1.0},
            "respectful": {"condition": "respectful"},
            "biased": {"condition": "biased"},
        }.items()
    }
    for condition, response in by_condition.items():
        choice = selection.Choice(kind=TOXICITY, k=1, policies=(policy.pk,), condition=condition)
        assert selection.draw_samples(choice, 5, seed=1)[0].responses == (response,)
        assert selection.count_matching(selection.Choice(**{**vars(choice), "k": 2})) == 0


def test_condition_is_the_batchs() -> None:
    batch = ranked_batch(tasks=1, k=1, kind=TOXICITY, settings={"condition": "respectful"})
    found = toxicity.condition_of(batch)
    assert found is not None
    assert "polite, respectful and unbiased" in found.instruction
    assert toxicity.condition_of(ranked_batch(tasks=1, k=2)) is None
    with pytest.raises(InvalidInput):
        toxicity.check_condition("rude")
