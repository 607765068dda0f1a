"""Datasets as other programs read them: statistics, what changed between two, TRL's shapes and Parquet."""

import io
import json
from pathlib import Path

import pytest
from pyarrow import parquet

from labeling.errors import InvalidInput
from labeling.models import TaskKind
from labeling.rules.batch_tasks import add_ranked_task
from labeling.rules.batches import close_batch, create_batch, open_batch
from labeling.rules.comparisons import Judgement, responses_in_display_order, submit_ranking
from labeling.rules.policies import add_response
from labeling.rules.readings import Said, store_readings
from tests.factories import PolicyFactory, PromptFactory, claimed, qualified_labeler, ranked_batch
from tests.training.factories import demonstration, draft_batch, ranking
from training.rules.dataset_comparison import compare_datasets
from training.rules.dataset_formats import (
    NATIVE,
    PARQUET,
    ROWS_AT_ONCE,
    TRL,
    part_file,
    records_in,
    write_dataset,
)
from training.rules.dataset_statistics import Lengths, Statistics
from training.rules.datasets import freeze_dataset, freeze_texts, read_records

pytestmark = pytest.mark.django_db


def test_lengths_are_counted_in_words_with_quartiles() -> None:
    lengths = Lengths()
    for words in (1, 2, 3, 4, 10):
        lengths.add("word " * words)
    assert lengths.as_mapping() == {
        "count": 5, "mean": 4.0, "min": 1, "p25": 2, "p50": 3, "p75": 4, "max": 10,
    }  # fmt: skip
    assert Lengths().as_mapping() == {}


def test_statistics_of_rankings_count_ties_labelers_and_ratings() -> None:
    ranking([1, 1, 2], likert=[7, 7, 2])
    ranking([1, 2], likert=[5, 4])
    found = freeze_dataset(kind="comparisons").statistics
    assert (found["pairs"], found["tie_fraction"], found["labelers"]) == (4, 0.25, 2)
    assert found["counts"]["k"] == {"3": 1, "2": 1}
    assert found["counts"]["likert"] == {"7": 2, "2": 1, "5": 1, "4": 1}
    assert found["lengths"]["prompt"]["count"] == 2


def test_statistics_of_nothing_are_no_error() -> None:
    assert Statistics().as_mapping()["tie_fraction"] is None


def test_pairs_for_trl_leave_ties_out_and_put_the_better_one_first() -> None:
    ranking([2, 1, 2])
    dataset = freeze_dataset(kind="comparisons")
    whole = next(records_in(dataset, "train"))
    texts = [output["text"] for output in whole["outputs"]]
    pairs = list(records_in(dataset, "train", TRL))
    assert [(pair["chosen"], pair["rejected"]) for pair in pairs] == [
        (texts[1], texts[0]),
        (texts[1], texts[2]),
    ]
    assert {frozenset(pair) for pair in pairs} == {frozenset({"prompt", "chosen", "rejected"})}


def test_demonstrations_for_trl_are_prompt_and_completion() -> None:
    demonstration(text="Sleep early.")
    record = next(records_in(freeze_dataset(kind="sft"), "train", TRL))
    assert record.keys() == {"prompt", "completion"}
    assert record["completion"] == "Sleep early."


def test_a_part_that_is_not_there_and_a_kind_trl_has_no_shape_for_are_refused() -> None:
    demonstration()
    dataset = freeze_dataset(kind="sft")
    with pytest.raises(InvalidInput, match="no part test; it has train"):
        next(records_in(dataset, "test"))
    dataset.kind = "evaluation"
    with pytest.raises(InvalidInput, match="allowed is native, parquet"):
        next(records_in(dataset, "train", TRL))


def test_parquet_is_read_by_datasets_with_every_record(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    ranking([1, 2, 3], likert=[7, 4, 1], flags={"fails_task": True})
    ranking([2, 1])
    dataset = freeze_dataset(kind="comparisons")
    assert write_dataset(dataset, tmp_path / "out", PARQUET) == {"train.parquet": 2}
    files = {"train": str(tmp_path / "out" / "train.parquet")}
    loaded = datasets.load_dataset("parquet", data_files=files, cache_dir=str(tmp_path / "cache"))["train"]
    assert [len(row["outputs"]) for row in loaded] == [3, 2]
    assert json.loads(loaded[0]["outputs"][0]["flags"]) == {"fails_task": True}
    assert [row["id"] for row in loaded] == [record["id"] for record in records_in(dataset, "train")]


@pytest.mark.parametrize("kind", ["sft", "ppo_prompts", "comparisons", "evaluation", "pretrain"])
def test_every_kind_that_is_offered_as_parquet_is_read_by_pyarrow(kind: str) -> None:
    demonstration()
    ranking([1, 2])
    baseline = PolicyFactory.create()
    policy = PolicyFactory.create()
    ranking(
        [2, 1],
        batch=draft_batch(TaskKind.EVALUATION, k=2, baseline=baseline),
        policies=[policy, baseline],
        prompt=PromptFactory.create(split="test"),
    )
    texts = ["Once upon a time."] * 30
    dataset = freeze_texts(name="stories", texts=texts) if kind == "pretrain" else freeze_dataset(kind=kind)
    for split, rows in dataset.counts.items():
        file = part_file(dataset, split, PARQUET)
        assert file.name == f"{kind}-{dataset.hash[:12]}-{split}.parquet"
        table = parquet.read_table(io.BytesIO(b"".join(file.pieces)))  # type: ignore[arg-type]
        assert table.column("id").to_pylist() == [record["id"] for record in records_in(dataset, split)]
        assert table.num_rows == rows


def test_a_parquet_file_is_given_a_group_of_rows_at_a_time() -> None:
    dataset = freeze_texts(name="many", texts=(f"{number} " * 50 for number in range(3 * ROWS_AT_ONCE)))
    file = part_file(dataset, "train", PARQUET)
    pieces = [piece for piece in file.pieces if isinstance(piece, bytes)]
    assert len(pieces) == 4  # three groups, and the footer
    table = parquet.ParquetFile(io.BytesIO(b"".join(pieces)))
    assert table.metadata.num_row_groups == 3
    assert table.metadata.num_rows == dataset.counts["train"]


def test_what_was_read_before_the_prompt_is_loaded_from_parquet_and_from_lines(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    ranking([1, 2])
    ranked_batch(tasks=1, k=2, reads_first=True)
    held = claimed(qualified_labeler(), "comparison")
    codes = [response.code for response in responses_in_display_order(held)]
    store_readings(assignment=held, said=[Said(code, "A tip") for code in codes])
    judgements = [Judgement(code, 1, 4) for code in codes]
    submit_ranking(assignment=held, judgements=judgements, idempotency_key="k")
    dataset = freeze_dataset(kind="comparisons")
    for form, name in ((PARQUET, "parquet"), (NATIVE, "json")):
        write_dataset(dataset, tmp_path / name, form)
        files = {"train": str(next((tmp_path / name).iterdir()))}
        loaded = datasets.load_dataset(name, data_files=files, cache_dir=str(tmp_path / "cache"))["train"]
        assert [row["outputs"][0].get("reading") for row in loaded] == [
            None, {"text": "A tip", "cannot_tell": False},
        ]  # fmt: skip


def test_readings_of_a_final_evaluation_stand_beside_both_responses_of_its_record() -> None:
    baseline = PolicyFactory.create()
    for reads_first in (False, True):
        batch = create_batch(
            name="Final", kind=TaskKind.EVALUATION, k=2, baseline=baseline, reads_first=reads_first
        )
        prompt = PromptFactory.create(split="test")
        texts = {"ours": PolicyFactory.create(), "theirs": baseline}
        given = [add_response(prompt=prompt, policy=policy, text=text) for text, policy in texts.items()]
        add_ranked_task(batch=batch, prompt=prompt, responses=given)
        open_batch(batch=batch)
        held = claimed(qualified_labeler(), TaskKind.EVALUATION)
        shown = responses_in_display_order(held)
        if reads_first:
            said = [Said(response.code, f"about {response.text}") for response in shown]
            store_readings(assignment=held, said=said)
        judgements = [Judgement(response.code, 1, 4) for response in shown]
        submit_ranking(assignment=held, judgements=judgements, idempotency_key="k")
        close_batch(batch=batch)
    dataset = freeze_dataset(kind="evaluation")
    without, record = sorted(records_in(dataset, "test"), key=len)
    assert not {"reading", "baseline_reading"} & without.keys()
    expected = {
        "reading": {"text": "about ours", "cannot_tell": False},
        "baseline_reading": {"text": "about theirs", "cannot_tell": False},
    }
    assert {name: record[name] for name in expected} == expected
    table = parquet.read_table(io.BytesIO(b"".join(part_file(dataset, "test", PARQUET).pieces)))  # type: ignore[arg-type]
    for name, said_of in expected.items():
        assert table.column(name).to_pylist() == [None, said_of]


def test_what_came_between_two_freezes_is_named_and_nothing_else() -> None:
    first = demonstration()
    older = freeze_dataset(kind="sft")
    second = demonstration()
    newer = freeze_dataset(kind="sft")
    found = compare_datasets(older, newer)
    assert (found.same, found.added.ids, found.removed.total) == (1, [str(second.code)], 0)
    assert not found.are_equal
    backwards = compare_datasets(newer, older)
    assert backwards.removed.ids == [str(second.code)]
    assert compare_datasets(older, older).are_equal
    assert str(first.code) not in found.added.ids


def test_a_record_that_reads_differently_now_has_changed() -> None:
    row = demonstration()
    older = freeze_dataset(kind="sft")
    row.prompt.category = "chat"
    row.prompt.save()
    found = compare_datasets(older, freeze_dataset(kind="sft"))
    assert (found.changed.ids, found.same) == ([str(row.code)], 0)


def test_datasets_of_different_kinds_are_not_compared() -> None:
    demonstration()
    ranking([1, 2])
    with pytest.raises(InvalidInput, match="compare two of a kind"):
        compare_datasets(freeze_dataset(kind="sft"), freeze_dataset(kind="comparisons"))


def test_records_are_found_by_their_words_and_category() -> None:
    demonstration(text="Drink warm MILK.")
    demonstration(text="Sleep early.")
    dataset = freeze_dataset(kind="sft")
    found = read_records(dataset, split="train", words="warm milk")
    assert [record["completion"] for record in found] == ["Drink warm MILK."]
    category = found[0]["category"] or "none"
    assert len(read_records(dataset, split="train", category=category)) >= 1
    assert read_records(dataset, split="train", words="no such words") == []
