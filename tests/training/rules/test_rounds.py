"""A turn of the loop, step by step; the training process is a stand-in, everything else is real."""

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from labeling.errors import Conflict, InvalidInput
from labeling.models import AuditEvent, Batch, Prompt, Review, Role, Split, TaskKind, User
from labeling.rules.adjudications import adjudicate
from labeling.rules.batches import add_ranked_task, close_batch
from labeling.rules.gold import mark_gold
from labeling.rules.judgements import Judgement
from labeling.rules.reviews import review_ranking
from tests.factories import LabelerFactory, PolicyFactory, PromptFactory, ResponseFactory, UserFactory
from tests.training.factories import demonstration, draft_batch, ranking, sft_dataset, sft_run, stored_model
from training.models import Dataset, Evaluation, Model, ModelKind, Round, Run, RunState
from training.rules import round_steps, rounds, run_execution
from training.rules.datasets import freeze_dataset, freeze_texts
from training.rules.run_execution import execute_run

pytestmark = pytest.mark.django_db(transaction=True)

Play = Callable[[Mapping[str, Any]], None]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_execution, "POLL_SECONDS", 0.05)


def start(given: Round, key: str) -> list[Run]:
    """Press the button of a step and let a worker do its runs."""
    runs = rounds.start_step(given=given, key=key)
    for run in runs:
        assert execute_run(run.code) == RunState.FINISHED
    given.refresh_from_db()
    return runs


def state(given: Round, key: str) -> str:
    return next(step.state for step in rounds.steps(given) if step.key == key)


def label(batch: Batch | None) -> None:
    """Let somebody rank everything in a batch, the first response first, and close it."""
    assert batch is not None
    for task in batch.tasks.all():
        ranking(list(range(1, task.responses.count() + 1)), task=task)
    batch.refresh_from_db()
    close_batch(batch=batch)


def test_many_open_rounds_are_read_in_as_many_queries_as_one(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    def opened(number: int) -> Round:
        made = {"sft_dataset": sft_dataset(), "sft_run": sft_run(), "comparison_batch": draft_batch(k=2)}
        batch = draft_batch(TaskKind.EVALUATION, k=2)
        policies = {"policy": PolicyFactory.create(), "baseline": PolicyFactory.create()}
        evaluation = Evaluation.objects.create(name="e", batch=batch, **policies)
        return Round.objects.create(number=number, evaluation=evaluation, **made)

    rows = [opened(number) for number in range(1, 4)]
    for some in (rows[:1], rows):
        with django_assert_num_queries(6):
            found = rounds.next_steps(some)
        assert {step.key for step in found.values() if step} == {"demonstrate"}
    Round.objects.filter(pk=rows[0].pk).update(closed_at=timezone.now())
    assert rounds.next_steps(rows)[rows[0].pk] is None


def test_first_round_goes_from_a_base_model_to_the_next_round(trainer: Play) -> None:
    for split in (Split.TRAIN, Split.TRAIN, Split.VALID, Split.TEST, Split.TEST):
        PromptFactory.create(split=split)
    texts = freeze_texts(name="stories", texts=["Once upon a time."])
    first = rounds.open_round(
        base_model=stored_model(), pretrain_dataset=texts, settings={"prompts": 2, "valid_prompts": 1, "k": 2}
    )
    assert [step.state for step in rounds.steps(first)] == ["ready"] + ["waiting"] * 9

    assert start(first, "demonstrate") == []
    assert state(first, "demonstrate") == "running"
    assert first.demonstration_batch is not None
    for task in first.demonstration_batch.tasks.all():
        demonstration(prompt=task.prompt)
    close_batch(batch=first.demonstration_batch)
    start(first, "freeze_demonstrations")
    assert first.sft_dataset is not None
    assert first.sft_dataset.counts == {"train": 2, "valid": 1}

    trainer({})
    start(first, "sft")
    sft = rounds.sft_model(first)
    assert sft is not None
    assert sft.kind == ModelKind.SFT

    trainer({"answers": 2})
    start(first, "sample")
    assert (state(first, "sample"), state(first, "compare")) == ("done", "running")
    label(first.comparison_batch)

    trainer({})
    start(first, "freeze_comparisons")
    assert state(first, "reward") == "held"
    with pytest.raises(Conflict, match=r"Train the reward model \(held\)"):
        rounds.start_step(given=first, key="reward")
    rounds.open_gate(given=first, reason="One labeler must do for this test.", by=UserFactory.create())
    start(first, "reward")
    (run,) = start(first, "ppo")
    assert {given.name for given in run.inputs.all()} == {"policy", "reward", "prompts", "pretrain"}

    trainer({"answers": 1})
    assert len(start(first, "evaluate")) == 2
    assert first.evaluation is not None
    label(first.evaluation.batch)
    assert "Win rate" in next(step.detail for step in rounds.steps(first) if step.key == "evaluate")

    last = rounds.steps(first)[-1]
    assert last.detail.startswith("Verdict: ")
    assert "is not shown to be better than" in last.detail

    runs = start(first, "next")
    second = Round.objects.get(previous=first)
    assert first.closed_at is not None
    assert rounds.next_step(first) is None
    assert second.settings["k"] == 2
    assert [run.inputs.get(name="policy").model for run in runs] == [sft, Model.objects.get(kind="ppo")]
    upcoming = rounds.next_step(second)
    assert upcoming is not None
    assert (upcoming.key, upcoming.state) == ("compare", "running")


def test_step_is_done_once_however_often_its_button_is_pressed() -> None:
    PromptFactory.create()
    given = rounds.open_round(base_model=stored_model(), settings={"prompts": 1, "valid_prompts": 0})
    rounds.start_step(given=given, key="demonstrate")
    with pytest.raises(Conflict, match="Collect demonstrations"):
        rounds.start_step(given=given, key="demonstrate")
    assert Batch.objects.count() == 1


def test_step_before_its_turn_is_refused() -> None:
    given = rounds.open_round(base_model=stored_model())
    with pytest.raises(Conflict, match="does not wait for that step"):
        rounds.start_step(given=given, key="ppo")


def test_failed_run_is_replaced_by_a_new_one(trainer: Play) -> None:
    demonstration()
    given = rounds.open_round(base_model=stored_model(), settings={"prompts": 1, "valid_prompts": 0})
    rounds.start_step(given=given, key="demonstrate")
    assert given.demonstration_batch is not None
    close_batch(batch=given.demonstration_batch)
    start(given, "freeze_demonstrations")
    trainer({"crash": "no memory"})
    (run,) = rounds.start_step(given=given, key="sft")
    execute_run(run.code)
    assert state(given, "sft") == "failed"
    trainer({})
    (other,) = start(given, "sft")
    assert other != run
    assert state(given, "sft") == "done"


def test_round_without_what_it_needs_is_refused() -> None:
    with pytest.raises(InvalidInput, match="needs a base model"):
        rounds.open_round()
    with pytest.raises(InvalidInput, match="writes nothing"):
        rounds.open_round(base_model=stored_model(ModelKind.REWARD))
    with pytest.raises(InvalidInput) as error:
        rounds.open_round(base_model=stored_model(), settings={"k": 1, "configs": {"sft": "nope"}, "x": 1})
    assert set(error.value.fields) == {"k", "configs", "x"}


def test_round_is_followed_once() -> None:
    first = rounds.open_round(base_model=stored_model())
    rounds.open_round(previous=first)
    with pytest.raises(Conflict, match="followed"):
        rounds.open_round(previous=first)


def round_with(*ranks: list[int], settings: Mapping[str, Any] | None = None, prompts: int = 12) -> Round:
    """Return a round whose comparisons were each ranked by one labeler for each list of ranks, and frozen."""
    given = rounds.open_round(base_model=stored_model(), settings=settings)
    given.comparison_batch = draft_batch(k=3)
    people = [LabelerFactory.create() for _ in ranks]
    for _ in range(prompts):
        task = ranking(ranks[0], batch=given.comparison_batch, labeler=people[0]).task
        for labeler, theirs in zip(people[1:], ranks[1:], strict=True):
            ranking(theirs, task=task, labeler=labeler)
    given.comparisons_dataset = freeze_dataset(kind="comparisons")
    given.save()
    return given


def checks(given: Round) -> dict[str, bool]:
    return {check.key: check.has_passed for check in rounds.gate_of(given).checks}


def test_gate_is_open_where_labelers_overlap_and_agree() -> None:
    gate = rounds.gate_of(round_with([1, 2, 3], [1, 2, 3]))
    assert gate.is_open
    assert {check.key for check in gate.checks} == {
        "overlap", "agreement", "gold", "authors", "held_out", "personal_data",
    }  # fmt: skip
    assert [(check.key, check.found) for check in gate.checks if check.is_note] == [
        ("gold", "no task has a reference")
    ]


def test_gate_holds_back_without_overlap_and_without_agreement() -> None:
    alone, quarrel = round_with([1, 2, 3]), round_with([1, 2, 3], [3, 2, 1])
    assert {key for key, passed in checks(alone).items() if not passed} == {"overlap", "agreement"}
    assert {key for key, passed in checks(quarrel).items() if not passed} == {"agreement"}
    off = {"gate": {"overlap": 0, "agreement": 0}}
    assert rounds.gate_of(round_with([1, 2, 3], settings=off)).is_open


def test_gate_counts_gold_where_there_is_some() -> None:
    given = round_with([1, 2, 3], [1, 2, 3])
    assert given.comparison_batch is not None
    task = given.comparison_batch.tasks.first()
    assert task is not None
    codes = [candidate.response.code for candidate in task.candidates.select_related("response")]
    backwards = [Judgement(code=code, rank=3 - at) for at, code in enumerate(codes)]
    mark_gold(task=task, judgements=backwards, reason="They missed it.", by=researcher())
    gold = next(check for check in rounds.gate_of(given).checks if check.key == "gold")
    assert (gold.has_passed, gold.found) == (False, "0 of 6 pairs as the reference has them (0 %)")


def test_gate_holds_back_where_nobody_has_answered_the_gold() -> None:
    given = round_with([1, 2, 3], [1, 2, 3])
    prompt = PromptFactory.create()
    responses = [ResponseFactory.create(prompt=prompt) for _ in range(3)]
    assert given.comparison_batch is not None
    task = add_ranked_task(batch=given.comparison_batch, prompt=prompt, responses=responses)
    order = [Judgement(code=response.code, rank=at) for at, response in enumerate(responses, start=1)]
    mark_gold(task=task, judgements=order, reason="It is plain.", by=researcher())
    gold = next(check for check in rounds.gate_of(given).checks if check.key == "gold")
    assert (gold.has_passed, gold.is_note, gold.found) == (
        False, False, "nobody has answered the 1 gold task",
    )  # fmt: skip


def test_gate_counts_neither_adjudications_nor_what_a_review_left_out() -> None:
    given = round_with([1, 2, 3], prompts=2)
    assert given.comparison_batch is not None
    settled, reviewed = given.comparison_batch.tasks.order_by("pk")
    ranking([2, 1, 3], task=settled)
    codes = [candidate.response.code for candidate in settled.candidates.select_related("response")]
    order = [Judgement(code=code, rank=rank) for rank, code in enumerate(codes, start=1)]
    adjudicate(task=settled, judgements=order, reason="The first is right.", by=researcher())
    bad = ranking([3, 2, 1], task=reviewed)

    def overlap() -> str:
        return next(check.found for check in rounds.gate_of(given).checks if check.key == "overlap")

    assert overlap() == "2 of 2 tasks have two labelers or more (100 %)"
    manager = UserFactory.create(role=Role.MANAGER)
    review_ranking(ranking=bad, decision=Review.Decision.EXCLUDED, comment="Random", by=manager)
    assert overlap() == "1 of 2 tasks have two labelers or more (50 %)"
    mark_gold(task=settled, judgements=order, reason="It is plain.", by=researcher())
    gold = next(check for check in rounds.gate_of(given).checks if check.key == "gold")
    assert gold.found == "5 of 6 pairs as the reference has them (83 %)"


def test_gate_looks_at_all_that_is_trained_on_not_only_at_the_batch_of_its_round() -> None:
    round_before = ranking([1, 2, 3])
    given = round_with([1, 2, 3], [1, 2, 3])
    assert rounds.gate_of(given).is_open
    Prompt.objects.filter(pk=round_before.task.given_prompt.pk).update(has_pii=True)
    assert checks(given)["personal_data"] is False
    left_out = ranking([1, 2, 3], batch=given.comparison_batch).task.given_prompt
    Prompt.objects.update(has_pii=False)
    Prompt.objects.filter(pk=left_out.pk).update(has_pii=True)
    assert checks(given)["personal_data"] is True
    Dataset.objects.update(traced_at=None)
    given.refresh_from_db()
    assert {key for key, passed in checks(given).items() if not passed} == {"authors", "personal_data"}


def test_demonstrations_pass_a_gate_of_their_own_before_they_train(trainer: Play) -> None:
    prompt = PromptFactory.create(split=Split.TRAIN)
    given = rounds.open_round(base_model=stored_model(), settings={"prompts": 1, "valid_prompts": 0})
    start(given, "demonstrate")
    demonstration(prompt=prompt)
    assert given.demonstration_batch is not None
    close_batch(batch=given.demonstration_batch)
    with pytest.raises(Conflict, match="frozen no labels yet"):
        rounds.open_gate(given=given, reason="We want to see what comes.", by=researcher())
    start(given, "freeze_demonstrations")
    assert state(given, "sft") == "ready"
    Prompt.objects.update(has_pii=True)
    PromptFactory.create(author_key=prompt.author_key, split=Split.TEST)
    assert state(given, "sft") == "held"
    with pytest.raises(Conflict, match=r"Train the supervised policy \(held\)"):
        rounds.start_step(given=given, key="sft")
    signed = rounds.open_gate(given=given, reason="The names are made up.", by=researcher())
    assert set(signed.failed) == {"sft_authors", "sft_personal_data"}
    trainer({})
    start(given, "sft")
    ranking([1, 2, 3], prompt=prompt)
    Prompt.objects.update(has_pii=False)
    given.comparisons_dataset = freeze_dataset(kind="comparisons")
    gate = rounds.gate_of(given)
    assert "authors" in {check.key for check in gate.failed}
    assert gate.override is None


def test_gate_sees_personal_data_and_an_author_in_two_splits() -> None:
    given = round_with([1, 2, 3], [1, 2, 3])
    assert given.comparison_batch is not None
    prompt = given.comparison_batch.tasks.first().prompt  # type: ignore[union-attr]
    assert prompt is not None
    prompt.has_pii, prompt.split = True, Split.TRAIN
    prompt.save()
    PromptFactory.create(author_key=prompt.author_key, split=Split.TEST)
    found = checks(given)
    assert (found["personal_data"], found["authors"]) == (False, False)


def test_gate_is_opened_once_with_a_reason_and_a_signature() -> None:
    given, dana = round_with([1, 2, 3]), researcher()
    with pytest.raises(InvalidInput, match="10 to 1000 characters"):
        rounds.open_gate(given=given, reason="because", by=dana)
    override = rounds.open_gate(given=given, reason="A pilot with one labeler.", by=dana)
    assert set(override.failed) == {"overlap", "agreement"}
    assert AuditEvent.objects.filter(action="open_gate", actor=dana).exists()
    with pytest.raises(Conflict, match="open already"):
        rounds.open_gate(given=given, reason="A pilot with one labeler.", by=dana)


def test_signature_opens_no_gate_for_what_fails_only_later() -> None:
    given, dana = round_with([1, 2, 3]), researcher()
    first = rounds.open_gate(given=given, reason="A pilot with one labeler.", by=dana)
    assert rounds.gate_of(given).override == first
    Prompt.objects.filter(tasks__batch=given.comparison_batch).update(has_pii=True, split=Split.TRAIN)
    gate = rounds.gate_of(given)
    assert (gate.is_open, gate.override, gate.earlier) == (False, None, first)
    second = rounds.open_gate(given=given, reason="The addresses are made up.", by=dana)
    assert set(second.failed) == {"overlap", "agreement", "personal_data"}
    assert rounds.gate_of(given).override == second
    Prompt.objects.update(has_pii=False)
    assert rounds.gate_of(given).is_open


def test_automatic_round_goes_on_until_it_needs_people(trainer: Play) -> None:
    for _ in range(2):
        demonstration(prompt=PromptFactory.create(split=Split.TRAIN))
    given = rounds.open_round(
        base_model=stored_model(),
        settings={"prompts": 2, "valid_prompts": 0, "is_automatic": True},
        by=researcher(),
    )
    assert rounds.advance_rounds() == []
    given.refresh_from_db()
    assert state(given, "demonstrate") == "running"
    assert rounds.advance_rounds() == []
    assert given.demonstration_batch is not None
    close_batch(batch=given.demonstration_batch)
    assert rounds.advance_rounds() == []  # it freezes
    trainer({})
    (run,) = rounds.advance_rounds()
    assert (run.stage, rounds.advance_rounds()) == ("sft", [])
    assert execute_run(run.code) == RunState.FINISHED


def test_automatic_round_stops_at_a_failed_run_and_says_why(trainer: Play) -> None:
    demonstration()
    given = rounds.open_round(
        base_model=stored_model(), settings={"prompts": 1, "valid_prompts": 0, "is_automatic": True}
    )
    rounds.advance_rounds()
    given.refresh_from_db()
    assert given.demonstration_batch is not None
    close_batch(batch=given.demonstration_batch)
    rounds.advance_rounds()
    trainer({"crash": "no memory"})
    (run,) = rounds.advance_rounds()
    execute_run(run.code)
    assert rounds.advance_rounds() == []
    given.refresh_from_db()
    assert given.settings["is_automatic"] is False
    assert "Train the supervised policy" in given.settings["stopped"]
    rounds.set_automatic(given=given, is_automatic=True)
    assert given.settings["stopped"] == ""


def test_automatic_round_without_prompts_stops_with_the_reason() -> None:
    given = rounds.open_round(base_model=stored_model(), settings={"is_automatic": True})
    assert rounds.advance_rounds() == []
    given.refresh_from_db()
    assert "Collect demonstrations" in given.settings["stopped"]


def test_automatic_round_that_breaks_stops_with_the_reason_and_keeps_no_other_waiting(
    settings: Any, tmp_path: Path
) -> None:
    demonstration()
    PromptFactory.create()
    chosen = {"prompts": 1, "valid_prompts": 0, "is_automatic": True}
    goes_on, broken = (
        rounds.open_round(base_model=stored_model(), settings=chosen, by=researcher()) for _ in range(2)
    )
    broken.demonstration_batch = draft_batch()
    Batch.objects.update(status=Batch.Status.CLOSED)
    broken.save()
    (tmp_path / "file").write_text("no folder")
    settings.ARTIFACTS_URL = (tmp_path / "file" / "store").as_uri()
    assert rounds.advance_rounds() == []
    broken.refresh_from_db()
    goes_on.refresh_from_db()
    assert broken.settings["is_automatic"] is False
    assert broken.settings["stopped"].startswith("Freeze demonstrations: NotADirectoryError")
    assert goes_on.demonstration_batch is not None
    assert goes_on.settings["is_automatic"] is True


def test_stopping_a_round_changes_nothing_that_somebody_set_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    PromptFactory.create()
    given = rounds.open_round(base_model=stored_model(), settings={"is_automatic": True})

    def refuse(**step: Any) -> None:
        Round.objects.update(settings={**given.settings, "k": 7})
        raise InvalidInput("It cannot be.")

    monkeypatch.setattr(rounds, "start_step", refuse)
    assert rounds.advance_rounds() == []
    given.refresh_from_db()
    assert (given.settings["k"], given.settings["stopped"]) == (7, "Collect demonstrations: It cannot be.")
    Round.objects.update(settings={**given.settings, "is_automatic": True, "stopped": ""})

    def refuse_after_a_colleague(**step: Any) -> None:
        rounds.set_automatic(given=given, is_automatic=False)
        raise InvalidInput("It cannot be.")

    monkeypatch.setattr(rounds, "start_step", refuse_after_a_colleague)
    assert rounds.advance_rounds() == []
    given.refresh_from_db()
    assert given.settings["stopped"] == ""


def test_mix_says_how_many_responses_each_policy_writes() -> None:
    PromptFactory.create(split=Split.TRAIN)
    mix = {"newest": 2, "previous": 1, "sft": 1}
    first = rounds.open_round(base_model=stored_model(), settings={"k": 4, "mix": mix, "valid_prompts": 0})
    supervised = stored_model(ModelKind.SFT, "supervised")
    supervised.run = first.sft_run = finished(sft_run())
    supervised.save()
    newest = stored_model(ModelKind.PPO, "newest")
    newest.run = first.ppo_run = finished(sft_run())
    newest.save()
    first.save()
    second = rounds.open_round(previous=first)
    runs = round_steps.KINDS["sample"].start(second, None)
    counts = {run.inputs.get(name="policy").model: parse(run)["sample"]["k"] for run in runs}
    assert counts == {supervised: 2, newest: 2}


def finished(run: Run) -> Run:
    Run.objects.filter(pk=run.pk).update(state=RunState.FINISHED)
    run.refresh_from_db()
    return run


def parse(run: Run) -> dict[str, Any]:
    return tomllib.loads(run.config)


def researcher() -> User:
    user: User = UserFactory.create(role=Role.RESEARCHER)
    return user
