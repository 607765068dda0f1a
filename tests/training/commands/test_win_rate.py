import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from labeling.models import Cohort, TaskKind
from tests.factories import LabelerFactory, PolicyFactory
from tests.training.factories import draft_batch, ranking

pytestmark = pytest.mark.django_db


def win_rate(*args: str) -> str:
    out = StringIO()
    call_command("win_rate", *args, stdout=out)
    return out.getvalue()


def test_numbers_are_given_to_machines_and_people() -> None:
    policies = [PolicyFactory.create(name="ppo"), PolicyFactory.create(name="sft")]
    for ranks in ([1, 2], [1, 2], [1, 1], [2, 1]):
        ranking(ranks, policies=policies)
    report = json.loads(win_rate("--policy", "ppo", "--baseline", "sft", "--json"))
    assert (report["win_rate"], report["wins"], report["losses"], report["ties"]) == (0.625, 2, 1, 1)
    assert report["low"] < 0.625 < report["high"]
    assert report["prompts"] == 4
    text = win_rate("--policy", "ppo", "--baseline", str(policies[1].code))
    assert "62.5%" in text
    assert "Counted 4 judgements of 4 prompts" in text


def test_ratings_have_intervals_clustered_by_prompt() -> None:
    policies = [PolicyFactory.create(name="ppo"), PolicyFactory.create(name="sft")]
    for likert in ([6, 3], [4, 3]):
        ranking([1, 2], policies=policies, likert=likert)
    report = json.loads(win_rate("--policy", "ppo", "--baseline", "sft", "--json"))
    # A mean of 5 with an error of 1; both ratings of the baseline are alike.
    ratings = [report["likert"], report["likert_low"], report["likert_high"]]
    assert ratings == pytest.approx([5.0, 5 - 1.96, 5 + 1.96], abs=0.001)
    assert [report[f"baseline_likert{end}"] for end in ("", "_low", "_high")] == [3.0, 3.0, 3.0]
    text = win_rate("--policy", "ppo", "--baseline", "sft")
    assert "Mean rating, 1 to 7: 5.00 (95 % interval 3.04 to 6.96); baseline 3.00" in text


def test_unknown_policy_names_those_there_are() -> None:
    PolicyFactory.create(name="sft")
    with pytest.raises(CommandError, match='no policy "ghost"; there are sft'):
        win_rate("--policy", "ghost", "--baseline", "sft")


def test_nothing_to_compare_is_said_to_people_and_null_for_machines() -> None:
    for name in ("ppo", "sft"):
        PolicyFactory.create(name=name)
    assert json.loads(win_rate("--policy", "ppo", "--baseline", "sft", "--json"))["win_rate"] is None
    assert "Counted 0 judgements" in win_rate("--policy", "ppo", "--baseline", "sft")


def test_final_evaluations_count_alone_where_there_are_any() -> None:
    policies = [PolicyFactory.create(name="ppo"), PolicyFactory.create(name="sft")]
    asked = ("--policy", "ppo", "--baseline", "sft", "--json")
    for _ in range(3):
        ranking([2, 1], policies=policies)
    assert json.loads(win_rate(*asked))["losses"] == 3
    batch = draft_batch(TaskKind.EVALUATION, k=2, baseline=policies[1])
    held_out = LabelerFactory.create(cohort=Cohort.HELD_OUT)
    ranking([1, 2], policies=policies, batch=batch, labeler=held_out)
    counts = {}
    for words in ("", "--all", "--cohort=train", f"--batch={batch.code}", "--chosen-by=random"):
        report = json.loads(win_rate(*asked, *words.split()))
        counts[words] = (report["wins"], report["losses"], report["finals_only"])
    assert list(counts.values()) == [(1, 0, True), (1, 3, False), (0, 0, True), (1, 0, False), (0, 0, False)]
    assert list(json.loads(win_rate(*asked))["cohorts"]) == ["held_out"]
    assert "tied (half each), in final evaluations only." in win_rate(*asked[:-1])
