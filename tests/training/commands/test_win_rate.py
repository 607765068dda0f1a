import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from tests.factories import PolicyFactory
from tests.training.factories import ranking

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


def test_nothing_to_compare_is_an_error_for_people_and_null_for_machines() -> None:
    for name in ("ppo", "sft"):
        PolicyFactory.create(name=name)
    assert json.loads(win_rate("--policy", "ppo", "--baseline", "sft", "--json"))["win_rate"] is None
    with pytest.raises(CommandError, match="No ranking holds responses of both"):
        win_rate("--policy", "ppo", "--baseline", "sft")
