"""Every policy beside every other, against tables worked by hand."""

import pytest
from django.test import Client
from django.urls import reverse

from labeling.models import Cohort, Policy, Prompt, PromptSource, Role, Split, TaskKind
from tests.factories import LabelerFactory, PolicyFactory, PromptFactory, UserFactory
from tests.training.factories import draft_batch, ranking, sft_run
from training.models import Model, ModelKind
from training.rules.evaluation_figures import (
    Judged,
    figures_against,
    judged_policies,
    shown_policies,
    table_rows,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def judged() -> tuple[Policy, Policy]:
    """Two policies on three prompts: train labelers prefer the first twice, a held-out one the second."""
    ppo, sft = PolicyFactory.create(name="ppo"), PolicyFactory.create(name="sft")
    batch = draft_batch(TaskKind.EVALUATION, k=2, baseline=sft)
    held_out = LabelerFactory.create(cohort=Cohort.HELD_OUT)
    for ranks, likert, labeler, source in (
        ([1, 2], [7, 3], LabelerFactory.create(), PromptSource.API),
        ([1, 1], [5, 5], LabelerFactory.create(), PromptSource.PLAYGROUND),
        ([2, 1], [2, 6], held_out, PromptSource.PLAYGROUND),
    ):
        ranking(
            ranks,
            batch=batch,
            prompt=PromptFactory.create(source=source),
            labeler=labeler,
            policies=[ppo, sft],
            likert=likert,
            flags={"hallucination": ranks[0] == 2},
        )
    return ppo, sft


def test_figures_are_those_of_the_table(judged: tuple[Policy, Policy]) -> None:
    ppo, sft = judged
    assert judged_policies() == [ppo, sft]
    first, second = figures_against(sft, [ppo, sft])
    assert {key: rate.value for key, rate in first.rates.items()} == {
        "all": 0.5,
        "train": 0.75,
        "held_out": 0,
    }
    assert {key: rate.value for key, rate in first.by_distribution.items()} == {"gpt": 1, "instruct": 0.25}
    assert first.likert.value == pytest.approx(14 / 3)
    assert second.likert.value == pytest.approx(14 / 3)
    assert first.flags["hallucination"].value == pytest.approx(1 / 3)
    assert first.flags["hallucination"].count == 3
    assert second.rates["all"].value is None


def test_the_table_says_of_whom_and_of_what(judged: tuple[Policy, Policy]) -> None:
    header, *rows = table_rows(figures_against(judged[1], list(judged)))
    assert header[:3] == ["policy", "measure", "group"]
    assert ["ppo", "win_rate", "train"] in [row[:3] for row in rows]
    assert ["sft", "flag", "hallucination"] in [row[:3] for row in rows]


def test_the_page_shows_them_and_gives_them_as_csv(client: Client, judged: tuple[Policy, Policy]) -> None:
    client.force_login(UserFactory.create(role=Role.RESEARCHER))
    address = reverse("evaluation-figures")
    text = client.get(address, {"baseline": str(judged[1].code)}).content.decode()
    assert "Win rate against sft" in text
    assert "hallucination" in text
    response = client.get(address, {"baseline": str(judged[1].code), "format": "csv"})
    lines = b"".join(response.streaming_content).decode().splitlines()  # type: ignore[attr-defined]
    assert lines[0].startswith("policy,measure,group")
    assert any(line.startswith("ppo,win_rate,all,0.5,") for line in lines)


@pytest.fixture
def many(judged: tuple[Policy, Policy]) -> list[Policy]:
    """Twenty-five policies that were judged against sft beside the two, the newest last by name too."""
    batch = draft_batch(TaskKind.EVALUATION, k=2, baseline=judged[1])
    others: list[Policy] = [PolicyFactory.create(name=f"run-{number:02}") for number in range(25)]
    for other in others:
        ranking([1, 2], batch=batch, policies=[other, judged[1]])
    return others


def test_the_newest_policies_are_shown_beside_the_baseline(
    judged: tuple[Policy, Policy], many: list[Policy]
) -> None:
    known = judged_policies()
    assert known == [judged[0], *many, judged[1]]
    assert shown_policies(known, baseline=judged[1]) == [*many[5:], judged[1]]
    assert shown_policies(known, baseline=many[0]) == [many[0], *many[5:]]
    assert shown_policies(known, [str(many[2].code), "unknown"], judged[1]) == [many[2], judged[1]]


def test_the_page_says_how_many_policies_are_not_shown_and_takes_others(
    client: Client, judged: tuple[Policy, Policy], many: list[Policy]
) -> None:
    client.force_login(UserFactory.create(role=Role.RESEARCHER))
    address, baseline = reverse("evaluation-figures"), str(judged[1].code)
    page = client.get(address, {"baseline": baseline})
    assert [row.policy for row in page.context["figures"]] == [*many[5:], judged[1]]
    assert "6 of 27 judged policies are not shown" in page.content.decode()
    chosen = client.get(address, {"baseline": baseline, "policy": [str(many[0].code), str(judged[0].code)]})
    assert [row.policy for row in chosen.context["figures"]] == [judged[0], many[0], judged[1]]
    assert len(chosen.context["policies"]) == 27  # any of them may be the baseline
    file = client.get(address, {"baseline": baseline, "format": "csv"})
    lines = b"".join(file.streaming_content).decode().splitlines()  # type: ignore[attr-defined]
    rated = {line.split(",")[0] for line in lines if ",win_rate,all," in line}
    assert rated == {policy.name for policy in (*many, judged[0])}


def test_the_page_says_so_where_nobody_has_judged(client: Client) -> None:
    client.force_login(UserFactory.create(role=Role.RESEARCHER))
    assert "No policy has been judged yet" in client.get(reverse("evaluation-figures")).content.decode()


def test_labelers_and_origins_of_prompts_are_crossed(judged: tuple[Policy, Policy]) -> None:
    ppo, sft = judged
    first = figures_against(sft, [ppo])[0]
    assert {key: rate.value for key, rate in first.by_both.items()} == {
        ("train", "gpt"): 1,
        ("train", "instruct"): 0.5,
        ("held_out", "instruct"): 0,
    }


def test_answers_of_a_trained_policy_to_training_authors_are_left_out_and_counted(
    client: Client, judged: tuple[Policy, Policy]
) -> None:
    ppo, sft = judged
    Model.objects.create(name="ppo", kind=ModelKind.PPO, folder="models/ppo", policy=ppo, run=sft_run())
    Prompt.objects.filter(source=PromptSource.API).update(split=Split.TEST)
    assert figures_against(sft, [ppo])[0].rates["all"].judgements == 1
    client.force_login(UserFactory.create(role=Role.RESEARCHER))
    page = client.get(reverse("evaluation-figures")).content.decode()
    assert "2 rankings of a policy trained here are left out: their prompts are by authors" in page


@pytest.fixture
def controlled(judged: tuple[Policy, Policy]) -> tuple[Policy, Policy]:
    """The same policies in a round's comparisons: each wins one, the second on a prompt drawn at random."""
    batch = draft_batch(TaskKind.COMPARISON, k=2)
    for ranks, way in (([1, 2], "doubt"), ([2, 1], "random")):
        given = ranking(ranks, batch=batch, policies=list(judged))
        given.task.chosen_by = way
        given.task.save(update_fields=["chosen_by"])
    return judged


def test_final_figures_leave_comparisons_out(controlled: tuple[Policy, Policy]) -> None:
    ppo, sft = controlled
    assert figures_against(sft, [ppo])[0].rates["all"].judgements == 3


def test_control_figures_take_only_prompts_drawn_at_random(controlled: tuple[Policy, Policy]) -> None:
    ppo, sft = controlled
    assert judged_policies(Judged.CONTROL) == [ppo, sft]
    rate = figures_against(sft, [ppo], Judged.CONTROL)[0].rates["all"]
    assert (rate.value, rate.judgements) == (0, 1)


def test_the_page_can_be_narrowed_to_the_control_share(
    client: Client, controlled: tuple[Policy, Policy]
) -> None:
    client.force_login(UserFactory.create(role=Role.RESEARCHER))
    address = reverse("evaluation-figures")
    asked = {"baseline": str(controlled[1].code), "judged": "control"}
    assert "only on prompts drawn at random" in client.get(address, asked).content.decode()
    response = client.get(address, {**asked, "format": "csv"})
    lines = b"".join(response.streaming_content).decode().splitlines()  # type: ignore[attr-defined]
    assert any(line.startswith("ppo,win_rate,all,0") and line.endswith(",1,1") for line in lines), lines


def test_without_a_control_share_the_page_says_where_one_comes_from(
    client: Client, judged: tuple[Policy, Policy]
) -> None:
    client.force_login(UserFactory.create(role=Role.RESEARCHER))
    page = client.get(reverse("evaluation-figures"), {"judged": "control"}).content.decode()
    assert "No control share has been judged yet" in page
