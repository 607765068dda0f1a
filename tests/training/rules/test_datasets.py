"""Freezing: who may train, what is written, and that it never changes."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any
from uuid import UUID

import datasets as huggingface
import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from labeling.errors import InvalidInput
from labeling.models import Assignment, Batch, Cohort, Place, PromptSource, Ranking, Split, TaskKind
from labeling.rules.comparisons import Judgement, responses_in_display_order, submit_ranking
from labeling.rules.readings import Said, store_readings
from tests.factories import (
    LabelerFactory,
    PolicyFactory,
    PromptFactory,
    claimed,
    qualified_labeler,
    ranked_batch,
)
from tests.training.factories import demonstration, draft_batch, ranking
from training.models import Dataset, Evaluation, Round
from training.rules import datasets
from training.rules.datasets import freeze_dataset, freeze_texts, read_records

pytestmark = pytest.mark.django_db


def folder_of(dataset: Dataset) -> Path:
    return Path(settings.ARTIFACTS_URL.removeprefix("file://")) / dataset.folder


def records(dataset: Dataset, split: str = "train") -> list[dict[str, Any]]:
    return read_records(dataset, split=split, count=1000)


def test_author_split_decides_part() -> None:
    for split in Split:
        demonstration(prompt=PromptFactory.create(split=split))
    dataset = freeze_dataset(kind="sft")
    assert dataset.counts == {"train": 1, "valid": 1, "test": 1}
    assert [records(dataset, split)[0]["split"] for split in Split.values] == Split.values


def test_held_out_labelers_are_left_out_and_counted() -> None:
    ranking([1, 2])
    ranking([1, 2], labeler=LabelerFactory.create(cohort=Cohort.HELD_OUT))
    dataset = freeze_dataset(kind="comparisons")
    assert dataset.rows == 1
    assert dataset.manifest["dropped"] == {"held_out_labeler": 1}


def test_held_out_labelers_have_a_test_part_of_their_own() -> None:
    ranking([1, 2])
    ranking([1, 2], labeler=LabelerFactory.create(cohort=Cohort.HELD_OUT))
    dataset = freeze_dataset(kind="comparisons", selection={"cohorts": [Cohort.HELD_OUT]})
    assert dataset.counts == {"test": 1}
    assert records(dataset, "test")[0]["labeler_group"] == Cohort.HELD_OUT


def test_what_was_read_before_the_prompt_stands_beside_each_response_and_nowhere_else() -> None:
    ranking([1, 2])
    before = freeze_dataset(kind="comparisons")
    for reads_first in (True, False):
        ranked_batch(tasks=1, k=2, reads_first=reads_first)
        held = claimed(qualified_labeler(), TaskKind.COMPARISON)
        shown = responses_in_display_order(held)
        if reads_first:
            said = [Said(shown[0].code, "A tip"), Said(shown[1].code, cannot_tell=True)]
            store_readings(assignment=held, said=said)
            read = {shown[0].text: ("A tip", False), shown[1].text: ("", True)}
        judgements = [Judgement(response.code, 1, 4) for response in shown]
        submit_ranking(assignment=held, judgements=judgements, idempotency_key="k")
        Batch.objects.filter(pk=held.batch_id).update(status=Batch.Status.CLOSED)
    dataset = freeze_dataset(kind="comparisons")
    old, with_readings, without = records(dataset)
    assert [old] == records(before)
    found = {output["text"]: output["reading"] for output in with_readings["outputs"]}
    assert {text: (said["text"], said["cannot_tell"]) for text, said in found.items()} == read
    assert not [output for record in (old, without) for output in record["outputs"] if "reading" in output]


def test_a_thousand_labelers_and_assignments_are_read_along() -> None:
    ranked_batch(tasks=1, k=2, reads_first=True)
    held = claimed(qualified_labeler(), TaskKind.COMPARISON)
    shown = responses_in_display_order(held)
    store_readings(assignment=held, said=[Said(response.code, "A tip") for response in shown])
    count = 1000
    labelers = LabelerFactory.create_batch(count)
    slots = Assignment.objects.bulk_create(
        [Assignment(task=held.task, batch=held.batch, kind=held.kind, state="submitted", labeler=labeler)
         for labeler in labelers]
    )  # fmt: skip
    rows = Ranking.objects.bulk_create(
        [Ranking(task=held.task, labeler=slot.labeler, assignment=slot) for slot in slots]
    )
    Place.objects.bulk_create(
        [
            Place(ranking=row, response=response, rank=rank)
            for row in rows
            for rank, response in enumerate(shown, 1)
        ]
    )
    assert freeze_dataset(kind="comparisons").rows == count


def test_evaluation_rankings_never_train() -> None:
    ranking([1, 2], batch=draft_batch(TaskKind.EVALUATION, k=2))
    with pytest.raises(InvalidInput, match="no row may be taken"):
        freeze_dataset(kind="comparisons")


def test_personal_data_stays_out_of_train_only() -> None:
    demonstration()
    demonstration(prompt=PromptFactory.create(has_pii=True))
    demonstration(prompt=PromptFactory.create(has_pii=True, split=Split.TEST))
    dataset = freeze_dataset(kind="sft")
    assert dataset.counts == {"train": 1, "test": 1}
    assert dataset.manifest["dropped"] == {"personal_data": 1}


def test_empty_surplus_and_held_rows_are_left_out_and_counted() -> None:
    demonstration()
    demonstration(text="  \n")
    demonstration(is_surplus=True)
    demonstration(prompt=PromptFactory.create(held_reason="over_cap"))
    dataset = freeze_dataset(kind="sft")
    assert dataset.rows == 1
    assert dataset.manifest["dropped"] == {"empty": 1, "surplus": 1, "prompt_held": 1}


def test_newest_revision_is_taken() -> None:
    first = demonstration(text="Sleep.")
    demonstration(prompt=first.prompt, labeler=first.labeler, text="Sleep early.", supersedes=first)
    assert [record["completion"] for record in records(freeze_dataset(kind="sft"))] == ["Sleep early."]


def test_old_selection_gives_the_old_bytes_after_new_labels() -> None:
    first = demonstration(text="Sleep.")
    before = freeze_dataset(kind="sft")
    demonstration(prompt=first.prompt, labeler=first.labeler, text="Sleep early.", supersedes=first)
    demonstration()
    assert freeze_dataset(kind="sft").hash != before.hash
    assert freeze_dataset(kind="sft", selection=before.manifest["selection"]).hash == before.hash


def test_freezing_twice_gives_the_same_dataset() -> None:
    ranking([1, 2, 2])
    first = freeze_dataset(kind="comparisons")
    assert freeze_dataset(kind="comparisons") == first
    assert Dataset.objects.count() == 1
    assert len(list(folder_of(first).parent.iterdir())) == 1


def test_labels_of_other_batches_leave_the_dataset_of_a_batch_the_same() -> None:
    selection = {"batches": [str(ranking([1, 2]).task.batch.code)]}
    first = freeze_dataset(kind="comparisons", selection=selection)
    ranking([2, 1])
    assert freeze_dataset(kind="comparisons", selection=selection) == first


def test_freezing_again_brings_back_a_folder_that_was_lost() -> None:
    demonstration()
    first = freeze_dataset(kind="sft")
    shutil.rmtree(folder_of(first))
    assert freeze_dataset(kind="sft") == first
    assert len(records(first)) == 1
    assert json.loads((folder_of(first) / "manifest.json").read_text()) == first.manifest


def test_hash_is_of_the_files() -> None:
    demonstration()
    demonstration(prompt=PromptFactory.create(split=Split.VALID))
    dataset = freeze_dataset(kind="sft")
    manifest = json.loads((folder_of(dataset) / "manifest.json").read_text())
    lines = ""
    for part in manifest["parts"]:
        content = (folder_of(dataset) / part["path"]).read_bytes()
        assert part["sha256"] == hashlib.sha256(content).hexdigest()
        assert part["rows"] == content.count(b"\n")
        lines += f"{part['split']} {part['path']} {part['rows']} {part['sha256']}\n"
    assert manifest["hash"] == dataset.hash == hashlib.sha256(lines.encode()).hexdigest()
    assert manifest["code"] == str(dataset.code)


def test_ranking_stays_one_record_with_ties_and_unasked_flags_absent() -> None:
    prompt = PromptFactory.create(category="brainstorming", tags={"ambiguous": False})
    ranking([1, 3, 2, 2], prompt=prompt, likert=[6, 2, 5, 5], flags={"fails_task": False})
    (record,) = records(freeze_dataset(kind="comparisons"))
    assert [output["oid"] for output in record["outputs"]] == ["A", "B", "C", "D"]
    assert [output["rank"] for output in record["outputs"]] == [1, 3, 2, 2]
    assert [output["likert"] for output in record["outputs"]] == [6, 2, 5, 5]
    assert record["outputs"][0]["flags"] == {"fails_task": False}
    assert record["prompt_tags"] == {"ambiguous": False}
    assert record["labeler_group"] == "train"


def test_ppo_prompts_are_customers_only_unless_sources_are_named() -> None:
    PromptFactory.create(source=PromptSource.API)
    PromptFactory.create(source=PromptSource.LABELER)
    dataset = freeze_dataset(kind="ppo_prompts")
    assert dataset.rows == 1
    assert dataset.manifest["dropped"] == {"other_source": 1}
    assert freeze_dataset(kind="ppo_prompts", selection={"sources": ["labeler"]}).rows == 1


def test_evaluation_records_compare_with_the_baseline() -> None:
    policy, baseline = PolicyFactory.create(name="ppo"), PolicyFactory.create(name="sft")
    batch = draft_batch(TaskKind.EVALUATION, k=2, baseline=baseline)
    prompt = PromptFactory.create(split=Split.TEST)
    ranking([1, 2], batch=batch, prompt=prompt, policies=[policy, baseline], likert=[6, 4])
    (record,) = records(freeze_dataset(kind="evaluation"), "test")
    assert (record["model"], record["baseline"], record["preferred"]) == ("ppo", "sft", "model")
    assert (record["likert"], record["baseline_likert"], record["tie"]) == (6, 4, False)


@pytest.mark.parametrize("cohort", Cohort.values)
def test_evaluation_takes_the_judgements_of_every_cohort(cohort: str) -> None:
    baseline = PolicyFactory.create()
    batch = draft_batch(TaskKind.EVALUATION, k=2, baseline=baseline)
    labeler = LabelerFactory.create(cohort=cohort)
    ranking([1, 2], batch=batch, policies=[PolicyFactory.create(), baseline], labeler=labeler)
    assert freeze_dataset(kind="evaluation").counts == {"test": 1}


def test_texts_become_a_pretraining_dataset_with_a_valid_part() -> None:
    dataset = freeze_texts(name="stories", texts=[f"Story {n}." for n in range(40)] + [" "])
    assert dataset.counts == {"train": 38, "valid": 2}
    assert dataset.manifest["dropped"] == {"empty": 1}
    assert records(dataset)[0] == {"id": "text-1", "text": "Story 0.", "corpus": "stories"}


def test_folder_loads_with_the_datasets_library(tmp_path: Path) -> None:
    ranking([1, 2], flags={"fails_task": True})
    ranking([1, 2, 3])
    valid = PromptFactory.create(split=Split.VALID, tags={"sensitive_content": True})
    ranking([2, 1], prompt=valid, flags={"harmful_advice": False})
    dataset = freeze_dataset(kind="comparisons")
    loaded = huggingface.load_dataset(str(folder_of(dataset)), cache_dir=str(tmp_path / "cache"))
    assert {split: len(rows) for split, rows in loaded.items()} == {"train": 2, "valid": 1}
    assert len(loaded["train"][1]["outputs"]) == 3


def test_flag_that_first_appears_late_in_a_large_file_still_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loader reads in blocks; what a later block adds must be known from the card."""
    ranking([1, 2])
    ranking([1, 2], likert=[6, 2], flags={"fails_task": True}, prompt=PromptFactory.create(category="chat"))
    folder = tmp_path / "copy"
    shutil.copytree(folder_of(freeze_dataset(kind="comparisons")), folder)
    plain, flagged = (folder / "train.jsonl").read_text().splitlines()
    (folder / "train.jsonl").write_text("\n".join([plain] * 15_000 + [flagged]) + "\n")
    loaded = huggingface.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))["train"]
    assert loaded[-1]["outputs"][0]["flags"] == {"fails_task": True}
    assert loaded[0]["outputs"][0]["flags"] == {"fails_task": None}
    assert loaded[-1]["category"] == "chat"


@pytest.mark.parametrize("kind", ["sft", "comparisons", "ppo_prompts", "evaluation", "pretrain"])
def test_every_kind_loads_with_the_datasets_library(kind: str, tmp_path: Path) -> None:
    demonstration()
    ranking([1, 2])
    baseline = PolicyFactory.create()
    batch = draft_batch(TaskKind.EVALUATION, k=2, baseline=baseline)
    ranking([1, 2], batch=batch, policies=[PolicyFactory.create(), baseline])
    texts = ["Once: upon a time.", "# no comment"]
    dataset = freeze_texts(name="a: b", texts=texts) if kind == "pretrain" else freeze_dataset(kind=kind)
    loaded = huggingface.load_dataset(str(folder_of(dataset)), cache_dir=str(tmp_path / "cache"))
    assert {part: rows.num_rows for part, rows in loaded.items()} == dataset.counts


def test_nothing_to_freeze_says_what_was_left_out() -> None:
    demonstration(text="")
    with pytest.raises(InvalidInput, match=r"no row may be taken \(empty 1\)"):
        freeze_dataset(kind="sft")
    assert not Dataset.objects.exists()


def test_selection_with_unknown_key_or_value_is_refused() -> None:
    with pytest.raises(InvalidInput) as error:
        freeze_dataset(kind="sft", selection={"colour": "red", "cohorts": ["ghosts"]})
    assert set(error.value.fields) == {"colour", "cohorts"}
    assert "held_out" in str(error.value)


def test_unknown_kind_is_refused() -> None:
    with pytest.raises(InvalidInput, match="allowed is comparisons, evaluation, ppo_prompts, sft"):
        freeze_dataset(kind="songs")


class HygieneTest(TestCase):
    """Whatever rows exist, nothing that must not train stands in a training part."""

    rows = st.lists(
        st.tuples(
            st.sampled_from(Split.values),
            st.sampled_from(Cohort.values),
            st.sampled_from(PromptSource.values),
            st.booleans(),
            st.sampled_from(["", "over_cap"]),
            st.sampled_from([TaskKind.COMPARISON, TaskKind.EVALUATION]),
        ),
        min_size=1,
        max_size=6,
    )

    @settings_of_hypothesis(max_examples=25)
    @given(rows=rows, cohorts=st.lists(st.sampled_from(Cohort.values), min_size=1, unique=True))
    def test_training_parts_are_clean(self, rows: list[tuple[Any, ...]], cohorts: list[str]) -> None:
        dirty = set()
        for split, cohort, source, has_pii, held_reason, kind in rows:
            prompt = PromptFactory.create(
                split=split, source=source, has_pii=has_pii, held_reason=held_reason
            )
            labeler = LabelerFactory.create(cohort=cohort)
            demonstration(prompt=prompt, labeler=labeler)
            ranking([1, 2], prompt=prompt, labeler=labeler, batch=draft_batch(kind, k=2))
            if split != Split.TRAIN or has_pii or held_reason:
                dirty.add(str(prompt.code))
        for kind in ("sft", "comparisons", "ppo_prompts"):
            try:
                dataset = datasets.freeze_dataset(kind=kind, selection={"cohorts": cohorts})
            except InvalidInput:
                continue
            for record in records(dataset):
                assert record["prompt_id"] not in dirty
                assert record.get("labeler_group") != Cohort.HELD_OUT
            if Cohort.HELD_OUT in cohorts:
                assert "train" not in dataset.counts


def test_more_responses_than_sqlite_takes_in_an_or_are_frozen() -> None:
    batch = draft_batch(k=9)
    for _ in range(130):
        ranking(list(range(1, 10)), batch=batch)

    dataset = freeze_dataset(kind="comparisons")

    assert sum(len(record["outputs"]) for record in records(dataset)) == 130 * 9


def test_a_comparison_says_the_round_that_it_was_asked_for() -> None:
    lone, compared, judged = ranking([1, 2]), ranking([2, 1]), ranking([1, 1])
    batch = draft_batch(TaskKind.EVALUATION, k=2)
    held_out = ranking([1, 2], batch=batch, labeler=LabelerFactory.create(cohort=Cohort.HELD_OUT))
    policies = {"policy": PolicyFactory.create(), "baseline": PolicyFactory.create()}
    evaluation = Evaluation.objects.create(name="e", batch=batch, **policies)
    Round.objects.create(number=3, comparison_batch=compared.task.batch, evaluation=evaluation)
    Round.objects.create(number=4, comparison_batch=judged.task.batch)
    found = {record["id"]: record["round"] for record in records(freeze_dataset(kind="comparisons"))}
    assert found == {str(lone.code): None, str(compared.code): 3, str(judged.code): 4}
    final = freeze_dataset(kind="comparisons", selection={"cohorts": ["held_out"]})
    assert [record["round"] for record in records(final, "test")] == [3]
    assert held_out.code == UUID(records(final, "test")[0]["id"])


def test_a_prompt_says_about_how_many_tokens_it_has() -> None:
    PromptFactory.create(text="one two three", source=PromptSource.PLAYGROUND)
    PromptFactory.create(text="x" * 41, source=PromptSource.PLAYGROUND)
    found = records(freeze_dataset(kind="ppo_prompts"))
    assert [record["n_tokens"] for record in found] == [4, 11]
