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
