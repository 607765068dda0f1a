"""The alarm: reward and KL up while labelers do not prefer the policy."""

from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from labeling.errors import InvalidInput
from labeling.models import Response, Role, TaskKind
from tests.factories import UserFactory
from tests.training.factories import draft_batch, ranking, sft_run, stored_model
from training.models import Evaluation, Model, ModelKind, Round, Run, RunState, Stage
from training.rules.curves import store_points
from training.rules.over_optimisation import over_optimisation_of, rise
from training.rules.round_opening import open_round

pytestmark = pytest.mark.django_db


def trained(scores: list[float], kls: list[float]) -> Model:
    """A policy of a PPO run with these curves, made from a supervised one."""
    supervised = stored_model(ModelKind.SFT)
    run = sft_run()
    Run.objects.filter(pk=run.pk).update(stage=Stage.PPO, state=RunState.FINISHED)
    run.refresh_from_db()
    store_points(
        run,
        [
            {"step": step, "objective/score": score, "objective/kl": kl, "objective/score_std": 0.5}
            for step, (score, kl) in enumerate(zip(scores, kls, strict=True), start=1)
        ],
    )
    return stored_model(ModelKind.PPO, parent=supervised, run=run)


def judged(model: Model, wins: int, losses: int, *, against: Model | None = None) -> None:
    """Let labelers compare the policy with another, the one it was made from, a prompt a judgement."""
    against = against or model.parent
    assert against is not None
    policy, baseline = model.policy, against.policy
    assert policy is not None
    assert baseline is not None
    batch = draft_batch(TaskKind.EVALUATION, k=2)
    Evaluation.objects.create(name="e", policy=policy, baseline=baseline, batch=batch)
    for number in range(wins + losses):
        ranks = [1, 2] if number < wins else [2, 1]
        ranking(ranks, batch=batch, policies=[policy, baseline])


UP = ([0.0, 0.5, 1.0], [0.0, 4.0, 8.0])


def with_threshold(model: Model, judgements: int) -> Model:
    Round.objects.create(number=1, ppo_run=model.run, settings={"alarm": {"judgements": judgements}})
    return model


def test_reward_and_kl_up_and_win_rate_down_is_an_alarm_that_says_what_to_do() -> None:
    model = with_threshold(trained(*UP), 8)
    judged(model, wins=2, losses=8)
    found = over_optimisation_of(model)
    assert found is not None
    assert (found.state, found.score_rise, found.kl_rise) == ("alarm", 2.0, 8.0)
    assert "only in 20 %" in found.sentence
    assert "raise ppo.kl_coef" in found.sentence


def test_a_flat_win_rate_is_an_alarm_too() -> None:
    model = with_threshold(trained(*UP), 8)
    judged(model, wins=5, losses=5)
    found = over_optimisation_of(model)
    assert found is not None
    assert found.state == "alarm"


def test_too_few_judgements_say_that_they_are_too_few() -> None:
    model = with_threshold(trained(*UP), 50)
    judged(model, wins=1, losses=1)
    found = over_optimisation_of(model)
    assert found is not None
    assert (found.state, "Collect 50 or more" in found.sentence) == ("unjudged", True)


def test_a_small_second_evaluation_hides_no_alarm() -> None:
    model = with_threshold(trained(*UP), 8)
    judged(model, wins=4, losses=16)
    judged(model, wins=0, losses=1)
    found = over_optimisation_of(model)
    assert found is not None
    assert found.rate is not None
    assert (found.state, found.rate.judgements, found.rate.prompts) == ("alarm", 21, 21)


def test_evaluations_too_small_by_themselves_count_together() -> None:
    model = with_threshold(trained(*UP), 8)
    judged(model, wins=1, losses=4)
    judged(model, wins=1, losses=4)
    found = over_optimisation_of(model)
    assert found is not None
    assert found.state == "alarm"


def test_an_ancestor_with_few_judgements_hides_no_alarm_about_another() -> None:
    model = with_threshold(trained(*UP), 8)
    parent, oldest = model.parent, stored_model(ModelKind.SFT)
    assert parent is not None
    Model.objects.filter(pk=parent.pk).update(parent=oldest)
    judged(model, wins=4, losses=16)
    judged(model, wins=0, losses=1, against=oldest)
    found = over_optimisation_of(Model.objects.get(pk=model.pk))
    assert found is not None
    assert (found.state, found.baseline) == ("alarm", parent.name)


def after_a_round(
    *, wins: int, losses: int, before: tuple[int, int], judgements: int = 8
) -> tuple[Model, Model]:
    """A policy made from the supervised one, as that of the round before was; both judged against it."""
    earlier, model = trained(*UP), trained(*UP)
    Model.objects.filter(pk=model.pk).update(parent=earlier.parent)
    model = Model.objects.get(pk=model.pk)
    first = Round.objects.create(number=1, name="Round one", ppo_run=earlier.run)
    settings = {"alarm": {"judgements": judgements}}
    Round.objects.create(number=2, ppo_run=model.run, previous=first, settings=settings)
    judged(earlier, *before)
    judged(model, wins=wins, losses=losses)
    return earlier, model


def test_a_policy_that_wins_by_less_than_that_of_the_round_before_is_an_alarm() -> None:
    _, model = after_a_round(wins=30, losses=10, before=(40, 0))
    found = over_optimisation_of(model)
    assert found is not None
    assert found.rate is not None
    assert found.rate.low is not None
    assert found.rate.low > 0.5  # by itself it would be calm
    assert found.state == "alarm"
    assert "only in 75 % (95 %: " in found.sentence
    assert "; that was 100 % in Round one, 25 points more (95 %: 11 to 40). Use an earlier" in found.sentence


@pytest.mark.parametrize(
    ("before", "judgements"), [((31, 9), 8), ((20, 0), 30)], ids=["not shown to be worse", "too few before"]
)
def test_a_fall_that_is_not_shown_is_calm(before: tuple[int, int], judgements: int) -> None:
    _, model = after_a_round(wins=30, losses=10, before=before, judgements=judgements)
    found = over_optimisation_of(model)
    assert found is not None
    assert found.state == "calm"


def test_a_policy_that_loses_to_that_of_the_round_before_is_an_alarm() -> None:
    earlier, model = after_a_round(wins=20, losses=0, before=(20, 0))
    judged(model, wins=2, losses=18, against=earlier)
    found = over_optimisation_of(model)
    assert found is not None
    assert (found.state, found.baseline, found.fall) == ("alarm", earlier.name, None)


def test_the_page_of_the_round_says_what_the_round_before_had(client: Any) -> None:
    client.force_login(UserFactory.create(role=Role.RESEARCHER))
    after_a_round(wins=30, losses=10, before=(40, 0))
    answer = client.get(f"/rounds/{Round.objects.get(number=2).code}/")
    assert "that was 100 % in Round one" in answer.content.decode()


def test_nobody_asked_is_no_alarm_but_is_said() -> None:
    found = over_optimisation_of(trained(*UP))
    assert found is not None
    assert (found.state, "nobody has judged" in found.sentence) == ("unjudged", True)


def test_a_policy_that_wins_is_calm() -> None:
    model = with_threshold(trained(*UP), 8)
    judged(model, wins=20, losses=0)
    found = over_optimisation_of(model)
    assert found is not None
    assert found.state == "calm"


def test_a_long_line_of_ancestors_is_read_at_once(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    model = with_threshold(trained(*UP), 8)
    judged(model, wins=2, losses=8)
    parent = oldest = model.parent
    assert parent is not None
    assert oldest is not None
    for _ in range(10):
        older = stored_model(ModelKind.SFT)
        Model.objects.filter(pk=oldest.pk).update(parent=older)
        oldest = older
    Evaluation.objects.update(baseline=oldest.policy)
    Response.objects.filter(policy=parent.policy).update(policy=oldest.policy)
    again = Model.objects.select_related("run").get(pk=model.pk)
    with django_assert_max_num_queries(5):
        found = over_optimisation_of(again)
    assert found is not None
    assert (found.state, found.baseline) == ("alarm", str(oldest.policy))


@pytest.mark.parametrize(
    ("scores", "kls"),
    [([1.0, 1.0, 1.0], [0.0, 4.0, 8.0]), ([0.0, 0.5, 1.0], [0.0, 0.1, 0.2])],
    ids=["reward is flat", "KL is flat"],
)
def test_no_rise_is_nothing_to_say(scores: list[float], kls: list[float]) -> None:
    model = trained(scores, kls)
    judged(model, wins=0, losses=10)
    assert over_optimisation_of(model) is None


def test_rise_compares_the_ends_of_a_curve() -> None:
    # Twenty points: two at either end; (18 + 19) / 2 - (0 + 1) / 2.
    assert rise([(step, float(step)) for step in range(20)]) == 18.0
    assert rise([]) == 0.0


def test_only_ppo_policies_are_looked_at() -> None:
    assert over_optimisation_of(stored_model(ModelKind.SFT)) is None
    assert over_optimisation_of(None) is None


@pytest.mark.parametrize("alarm", [{"other": 1}, {"kl": -1}, {"score": True}, 3])
def test_wrong_thresholds_are_refused(alarm: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        open_round(base_model=stored_model(), settings={"alarm": alarm})
    assert "alarm" in caught.value.fields


def test_the_alarm_stands_on_the_pages_of_run_policy_and_round(client: Any) -> None:
    client.force_login(UserFactory.create(role=Role.RESEARCHER))
    model = with_threshold(trained(*UP), 8)
    judged(model, wins=2, losses=8)
    assert model.run is not None
    pages = (f"/models/{model.code}/", f"/runs/{model.run.code}/", f"/rounds/{Round.objects.get().code}/")
    for page in pages:
        answer = client.get(page)
        assert answer.status_code == 200, page
        assert "Over-optimisation." in answer.content.decode(), page
