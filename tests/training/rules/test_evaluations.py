"""Win rates against tables worked by hand."""

import pytest
from django.core.cache import cache

from labeling.errors import InvalidInput
from labeling.models import Cohort, Policy, Prompt, Ranking, Response, Review, TaskKind
from labeling.rules import adjudications, reviews
from labeling.rules.judgements import Judgement
from tests.factories import LabelerFactory, PolicyFactory, PromptFactory, ResponseFactory, UserFactory
from tests.training.factories import draft_batch, ranking, sft_run, stored_model
from training.models import Evaluation, ModelKind
from training.rules.costs import win_rates_of
from training.rules.datasets import freeze_dataset
from training.rules.evaluation_figures import figures_against
from training.rules.evaluations import (
    PromptVerdicts,
    clustered_share,
    difference_of,
    rate_of,
    splits_of,
    start_evaluation,
    win_rate,
    win_rates,
    win_rates_by_cohort,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def policy() -> Policy:
    return PolicyFactory.create(name="ppo")


@pytest.fixture
def baseline() -> Policy:
    return PolicyFactory.create(name="sft")


def test_ties_count_half(policy: Policy, baseline: Policy) -> None:
    for ranks in ([1, 2], [1, 2], [1, 2], [2, 1], [1, 1]):
        ranking(ranks, policies=[policy, baseline])
    rate = win_rate(policy=policy, baseline=baseline)
    assert (rate.wins, rate.losses, rate.ties, rate.prompts) == (3, 1, 1, 5)
    assert rate.value == pytest.approx(3.5 / 5)
    opposite = win_rate(policy=baseline, baseline=policy)
    assert opposite.value == pytest.approx(1.5 / 5)


def test_interval_of_single_judgements_is_close_to_wilsons() -> None:
    """60 of 100: Wilson's interval is 0.502 to 0.691 (Newcombe 1998, method 3)."""
    value, low, high = clustered_share([[1.0]] * 60 + [[0.0]] * 40)
    assert value == pytest.approx(0.6)
    assert low == pytest.approx(0.502, abs=0.002)
    assert high == pytest.approx(0.691, abs=0.002)


def test_difference_of_two_rates_has_newcombes_interval() -> None:
    """56 of 70 less 48 of 80: 0.052 to 0.334 (Newcombe 1998, table II, method 10)."""
    first = rate_of(PromptVerdicts(prompt, int(prompt < 56), int(prompt >= 56), 0) for prompt in range(70))
    second = rate_of(PromptVerdicts(prompt, int(prompt < 48), int(prompt >= 48), 0) for prompt in range(80))
    found = difference_of(first, second)
    assert found == pytest.approx((0.2, 0.052, 0.334), abs=0.002)
    assert difference_of(second, first) == pytest.approx((-0.2, -0.334, -0.052), abs=0.002)
    assert difference_of(first, rate_of([])) is None


def test_judgements_of_one_prompt_do_not_narrow_the_interval_where_they_agree() -> None:
    once = clustered_share([[1.0]] * 12 + [[0.0]] * 8)
    thrice = clustered_share([[1.0] * 3] * 12 + [[0.0] * 3] * 8)
    assert thrice == pytest.approx(once)
    spread = clustered_share([[1.0, 1.0, 0.0]] * 20)
    assert spread[2] is not None
    assert spread[1] is not None


def test_unanimous_verdict_still_has_an_interval() -> None:
    value, low, high = clustered_share([[1.0]] * 10)
    assert value == 1.0
    assert high == pytest.approx(1.0)
    assert low == pytest.approx(0.722, abs=0.001)  # 1 / (1 + 1.96^2 / 10)


def test_no_judgement_gives_no_value(policy: Policy, baseline: Policy) -> None:
    rate = win_rate(policy=policy, baseline=baseline)
    assert (rate.value, rate.low, rate.high, rate.prompts) == (None, None, None, 0)


def test_overlap_counts_judgements_but_one_prompt(policy: Policy, baseline: Policy) -> None:
    first = ranking([1, 2], policies=[policy, baseline], prompt=PromptFactory.create())
    ranking([2, 1], task=first.task)
    rate = win_rate(policy=policy, baseline=baseline)
    assert (rate.judgements, rate.prompts, rate.value) == (2, 1, 0.5)


def test_every_pair_of_the_two_in_a_longer_ranking_counts(policy: Policy, baseline: Policy) -> None:
    ranking([1, 2, 3, 4], policies=[policy, baseline, policy, PolicyFactory.create()])
    rate = win_rate(policy=policy, baseline=baseline)
    assert (rate.wins, rate.losses) == (1, 1)


def test_superseded_rankings_do_not_count(policy: Policy, baseline: Policy) -> None:
    first = ranking([2, 1], policies=[policy, baseline])
    second = ranking([1, 2], task=first.task, labeler=first.labeler)
    second.supersedes = first
    second.save()
    assert win_rate(policy=policy, baseline=baseline).value == 1.0


def every_count(evaluation: Evaluation) -> set[tuple[int, int, int]]:
    """Wins, losses and ties as each of the ways of counting has them."""
    policy, baseline = evaluation.policy, evaluation.baseline
    [figures] = figures_against(baseline, [policy])
    rates = (
        win_rate(policy=policy, baseline=baseline, batch=evaluation.batch),
        win_rates([evaluation])[evaluation.pk],
        win_rates_of([evaluation])[evaluation.pk],
        figures.rates["all"],
    )
    return {(rate.wins, rate.losses, rate.ties) for rate in rates}


def judged_evaluation(policy: Policy, baseline: Policy) -> tuple[Evaluation, Ranking]:
    """An evaluation in which one labeler prefers the policy."""
    batch = draft_batch(TaskKind.EVALUATION, k=2, baseline=baseline)
    evaluation = Evaluation.objects.create(name="e", policy=policy, baseline=baseline, batch=batch)
    return evaluation, ranking([1, 2], policies=[policy, baseline], batch=batch)


def test_what_a_review_left_out_does_not_count_until_it_is_taken_back(
    policy: Policy, baseline: Policy
) -> None:
    evaluation, good = judged_evaluation(policy, baseline)
    bad = ranking([2, 1], task=good.task)
    by = UserFactory.create(role="manager")
    assert every_count(evaluation) == {(1, 1, 0)}
    review = reviews.review_ranking(ranking=bad, decision=Review.Decision.EXCLUDED, comment="Random", by=by)
    assert every_count(evaluation) == {(1, 0, 0)}
    assert freeze_dataset(kind="evaluation").rows == 1
    reviews.undo_review(review=review, by=by)
    assert every_count(evaluation) == {(1, 1, 0)}


def test_surplus_work_does_not_count_nor_what_was_taken_back(policy: Policy, baseline: Policy) -> None:
    evaluation, good = judged_evaluation(policy, baseline)
    taken_back = ranking([2, 1], task=good.task)
    assert every_count(evaluation) == {(1, 1, 0)}
    Ranking.objects.filter(pk=taken_back.pk).update(is_surplus=True)  # as undo does
    assert every_count(evaluation) == {(1, 0, 0)}
    assert freeze_dataset(kind="evaluation").rows == 1


def test_the_best_of_several_is_not_the_policys_own(policy: Policy, baseline: Policy) -> None:
    evaluation, _ = judged_evaluation(policy, baseline)
    best = ranking([2, 1], policies=[policy, baseline], batch=evaluation.batch)
    places = best.places.select_related("response")
    for sampling in ({"best_of": 16, "temperature": 1.0}, {"best_of": 1}):
        Response.objects.filter(places__in=places.filter(rank=2)).update(sampling=sampling)
        counts = {(1, 0, 0)} if sampling["best_of"] > 1 else {(1, 1, 0)}
        assert every_count(evaluation) == counts
        cache.clear()  # what a response is sampled by never changes
    Response.objects.filter(places__in=places.filter(rank=1)).update(sampling={"best_of": 4})
    assert every_count(evaluation) == {(1, 0, 0)}  # nor is a baseline's


def test_an_adjudication_does_not_count_beside_the_labelers(policy: Policy, baseline: Policy) -> None:
    evaluation, good = judged_evaluation(policy, baseline)
    ranking([2, 1], task=good.task)
    codes = [candidate.response.code for candidate in good.task.candidates.select_related("response")]
    adjudications.adjudicate(
        task=good.task,
        judgements=[Judgement(code=code, rank=rank) for rank, code in enumerate(codes, start=1)],
        reason="The first is right.",
        by=UserFactory.create(role="researcher"),
    )
    assert every_count(evaluation) == {(1, 1, 0)}


def test_batch_and_cohort_narrow_what_counts(policy: Policy, baseline: Policy) -> None:
    batch = draft_batch(TaskKind.EVALUATION, k=2, baseline=baseline)
    held_out = LabelerFactory.create(cohort=Cohort.HELD_OUT)
    ranking([1, 2], policies=[policy, baseline], batch=batch, likert=[6, 3])
    ranking([2, 1], policies=[policy, baseline], batch=batch, labeler=held_out, likert=[2, 5])
    ranking([2, 1], policies=[policy, baseline])
    rate = win_rate(policy=policy, baseline=baseline, batch=batch)
    assert (rate.value, rate.likert, rate.baseline_likert) == (0.5, 4.0, 4.0)
    assert (rate.likert_low, rate.likert_high) == pytest.approx((1.0, 7.0))  # 6 and 2: an error of 2
    assert (rate.baseline_likert_low, rate.baseline_likert_high) == pytest.approx((2.04, 5.96), abs=0.001)
    by_cohort = win_rates_by_cohort(policy=policy, baseline=baseline, batch=batch)
    assert {(found.likert, found.likert_low) for found in by_cohort.values()} == {(6.0, None), (2.0, None)}
    assert {cohort: found.value for cohort, found in by_cohort.items()} == {"train": 1.0, "held_out": 0.0}


def test_policy_is_not_compared_with_itself(policy: Policy) -> None:
    with pytest.raises(InvalidInput, match="cannot be compared with itself"):
        win_rate(policy=policy, baseline=policy)


def test_evaluation_orders_one_response_of_each() -> None:
    ppo, sft = stored_model(ModelKind.PPO), stored_model(ModelKind.SFT)
    assert ppo.policy is not None
    assert sft.policy is not None
    prompts: list[Prompt] = PromptFactory.create_batch(3, split="test")
    evaluation, runs = start_evaluation(policy=ppo.policy, baseline=sft.policy, prompts=prompts)
    assert [run.inputs.get(name="policy").model for run in runs] == [ppo, sft]
    assert evaluation.batch.baseline == sft.policy
    assert Evaluation.objects.get().batch.cohorts == ["held_out", "train"]


def test_a_policy_trained_here_is_not_judged_on_training_authors() -> None:
    ppo, outside = stored_model(ModelKind.PPO, run=sft_run()), PolicyFactory.create()
    assert ppo.policy is not None
    prompts: list[Prompt] = [PromptFactory.create(split=split) for split in ("test", "train", "valid")]
    for pair in ((ppo.policy, outside), (outside, ppo.policy)):
        with pytest.raises(InvalidInput, match="1 of 3 prompts are by authors whose prompts train") as caught:
            start_evaluation(policy=pair[0], baseline=pair[1], prompts=prompts)
        assert caught.value.fields == {"split": "train"}
    assert not Evaluation.objects.exists()


def test_policies_from_elsewhere_are_judged_on_all_prompts() -> None:
    policy, baseline = PolicyFactory.create(), PolicyFactory.create()
    prompts: list[Prompt] = [PromptFactory.create(split=split) for split in ("train", "train", "test")]
    for prompt in prompts:
        for writer in (policy, baseline):
            ResponseFactory.create(prompt=prompt, policy=writer)
    evaluation, runs = start_evaluation(policy=policy, baseline=baseline, prompts=prompts)
    assert not runs
    assert splits_of(evaluation) == {"train": 2, "test": 1}


def test_win_rates_of_a_list_are_those_of_each_evaluation() -> None:
    evaluations = []
    for orders in (([1, 2], [2, 1], [1, 1]), ([1, 2], [1, 2]), ()):
        policy, baseline = PolicyFactory.create(), PolicyFactory.create()
        batch = draft_batch(TaskKind.EVALUATION, k=2, baseline=baseline)
        for ranks in orders:
            task = ranking(ranks, batch=batch, policies=[policy, baseline]).task
            ranking([1, 2], task=task)
        evaluations.append(
            Evaluation.objects.create(name="One", policy=policy, baseline=baseline, batch=batch)
        )
    for row, rate in win_rates(evaluations).items():
        given = Evaluation.objects.get(pk=row)
        single = win_rate(policy=given.policy, baseline=given.baseline, batch=given.batch)
        assert rate == single
