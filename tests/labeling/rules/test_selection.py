"""Which prompts and responses become tasks."""

import random
from collections import Counter
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from labeling.models import Candidate, Prompt, Split, TaskKind, User
from labeling.rules import batch_changes, batches, selection
from labeling.rules.selection import Choice
from tests.factories import PolicyFactory, PromptFactory, ResponseFactory, ranked_batch, writing_batch

pytestmark = pytest.mark.django_db

WRITING = Choice(kind=TaskKind.DEMONSTRATION)


def found(choice: Choice) -> set[Prompt]:
    return set(selection.matching_prompts(choice))


def test_held_prompts_and_personal_data_are_never_drawn() -> None:
    PromptFactory.create(held_reason="over_cap")
    PromptFactory.create(has_pii=True)
    good = PromptFactory.create()
    assert found(WRITING) == {good}


def test_test_authors_reach_only_final_evaluations() -> None:
    prompt = PromptFactory.create(split=Split.TEST)
    policies = [ResponseFactory.create(prompt=prompt).policy.pk for _ in range(2)]
    assert found(WRITING) == set()
    assert found(Choice(kind=TaskKind.COMPARISON, k=2, policies=tuple(policies))) == set()
    assert found(Choice(kind=TaskKind.EVALUATION, k=2, policies=tuple(policies))) == {prompt}


def test_filters_narrow_by_split_source_category_and_language() -> None:
    german = PromptFactory.create(language="de", source="api", category="chat", split=Split.VALID)
    PromptFactory.create()
    each: list[dict[str, Any]] = [
        {"language": "de"}, {"source": "api"}, {"category": "chat"}, {"split": "valid"}
    ]  # fmt: skip
    for filters in each:
        assert found(Choice(kind=TaskKind.DEMONSTRATION, **filters)) == {german}


def test_prompts_that_have_a_task_of_the_kind_are_left_out_unless_wanted() -> None:
    writing_batch(tasks=2)
    fresh = PromptFactory.create()
    assert found(WRITING) == {fresh}
    assert len(found(Choice(kind=TaskKind.DEMONSTRATION, is_fresh=False))) == 3
    ranked_batch(tasks=1)  # tasks of another kind do not count
    assert Prompt.objects.count() - len(found(WRITING)) == 2


def test_ranked_kinds_need_k_responses_by_the_chosen_policies_and_one_of_the_baseline() -> None:
    chosen, other, baseline = PolicyFactory.create_batch(3)
    prompt = PromptFactory.create()
    for index in range(2):
        ResponseFactory.create(prompt=prompt, policy=chosen, index=index)
    ResponseFactory.create(prompt=prompt, policy=other)
    wanted = Choice(kind=TaskKind.EVALUATION, k=2, policies=(chosen.pk,))
    assert found(wanted) == {prompt}
    assert found(Choice(kind=TaskKind.EVALUATION, k=3, policies=(chosen.pk,))) == set()
    against = Choice(kind=TaskKind.EVALUATION, k=2, policies=(chosen.pk,), baseline=baseline.pk)
    assert found(against) == set()
    ResponseFactory.create(prompt=prompt, policy=baseline)
    assert found(against) == {prompt}


def test_same_seed_draws_the_same_tasks() -> None:
    PromptFactory.create_batch(20)
    one, other = (selection.draw_samples(WRITING, 5, seed=3) for _ in range(2))
    assert [sample.prompt for sample in one] == [sample.prompt for sample in other]
    assert len({sample.prompt for sample in one}) == 5


def test_each_policy_gets_its_turn_before_any_gets_a_second() -> None:
    prompt = PromptFactory.create()
    policies = PolicyFactory.create_batch(3)
    responses = [
        ResponseFactory.create(prompt=prompt, policy=policy, index=index)
        for policy in policies
        for index in range(3)
    ]
    choice = Choice(kind=TaskKind.COMPARISON, k=5, policies=tuple(policy.pk for policy in policies))
    for seed in range(5):
        chosen = selection.choose_responses(responses, choice, random.Random(seed))
        assert sorted(Counter(response.policy_id for response in chosen).values()) == [1, 2, 2]
        assert len({response.pk for response in chosen}) == 5


def test_repeated_texts_come_last_and_the_baseline_first() -> None:
    prompt = PromptFactory.create()
    baseline, *policies = PolicyFactory.create_batch(4)
    same = [ResponseFactory.create(prompt=prompt, policy=policy, text="same") for policy in policies[:2]]
    different = ResponseFactory.create(prompt=prompt, policy=policies[2], text="different")
    against = ResponseFactory.create(prompt=prompt, policy=baseline, text="baseline")
    choice = Choice(
        kind=TaskKind.EVALUATION, k=3, policies=tuple(p.pk for p in policies), baseline=baseline.pk
    )
    for seed in range(5):
        chosen = selection.choose_responses([*same, different, against], choice, random.Random(seed))
        assert against in chosen
        assert Counter(response.text for response in chosen)["same"] == 1


def test_filling_a_batch_records_how_it_was_drawn() -> None:
    prompt = PromptFactory.create()
    policies = [ResponseFactory.create(prompt=prompt).policy.pk for _ in range(3)]
    batch = batches.create_batch(name="Drawn", kind=TaskKind.COMPARISON, k=2)
    choice = Choice(kind=TaskKind.COMPARISON, k=2, policies=tuple(policies))
    assert selection.fill_batch(batch=batch, choice=choice, count=4, seed=7) == 1
    batch.refresh_from_db()
    assert (batch.settings["seed"], batch.settings["count"]) == (7, 4)
    assert batch.settings["choice"]["policies"] == policies
    assert Candidate.objects.filter(task__batch=batch).count() == 2


def test_what_a_batch_has_of_an_author_counts_towards_the_cap_when_it_is_extended(mia: User) -> None:
    PromptFactory.create_batch(6, author_key="busy")
    PromptFactory.create(author_key="rare")
    choice = Choice(kind=TaskKind.DEMONSTRATION, author_cap=2)
    batch = batches.create_batch(name="Capped", kind=TaskKind.DEMONSTRATION)
    assert selection.fill_batch(batch=batch, choice=choice, count=2, seed=1) == 2
    left = 3 - 2  # two of the busy author, one of the other
    assert selection.count_matching(choice, batch) == left
    assert batch_changes.extend_batch(batch=batch, choice=choice, count=5, by=mia) == left
    authors = Counter(batch.tasks.values_list("prompt__author_key", flat=True))
    assert authors == {"busy": 2, "rare": 1}
    assert selection.count_matching(choice, batch) == 0


def test_extended_batch_has_each_prompt_once_though_others_may_repeat_them(mia: User) -> None:
    PromptFactory.create_batch(3)
    choice = Choice(kind=TaskKind.DEMONSTRATION, is_fresh=False)
    batch = batches.create_batch(name="Again", kind=TaskKind.DEMONSTRATION)
    selection.fill_batch(batch=batch, choice=choice, count=2, seed=1)
    assert selection.count_matching(choice, batch) == 1
    assert selection.count_matching(choice) == 3
    assert batch_changes.extend_batch(batch=batch, choice=choice, count=3, by=mia) == 1
    assert batch.tasks.values("prompt").distinct().count() == batch.tasks.count() == 3


def test_many_prompts_are_drawn_a_few_hundred_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = PolicyFactory.create()
    for prompt in PromptFactory.create_batch(12):
        ResponseFactory.create_batch(2, prompt=prompt, policy=policy)
    choice = Choice(kind=TaskKind.COMPARISON, k=2, policies=(policy.pk,))
    at_once = selection.draw_samples(choice, 12, seed=4)
    monkeypatch.setattr(selection, "PROMPTS_AT_ONCE", 5)
    with CaptureQueriesContext(connection) as queries:
        in_parts = selection.draw_samples(choice, 12, seed=4)
    assert in_parts == at_once
    assert len(queries) == 1 + 2 * 3  # the order, then prompts and responses of five, five and two
