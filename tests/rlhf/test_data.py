"""A dataset is read only if it is what its manifest says."""

import json
from pathlib import Path

import pytest

from tests.rlhf.conftest import comparisons, demonstrations, write_dataset
from training.rlhf.data import Comparison, open_dataset, require_rows
from training.rlhf.errors import RunRefusedError


def test_records_come_in_file_order_by_split(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "d", "sft", train=demonstrations(5), valid=demonstrations(2, 1))
    dataset = open_dataset(folder, ["sft"], key="inputs.dataset")
    assert [row.id for row in dataset.demonstrations("train")] == ["d0", "d1", "d2", "d3", "d4"]
    assert len(dataset.demonstrations("valid")) == 2
    assert dataset.demonstrations("test") == []
    assert len(dataset.prompts("all")) == 7


def test_a_changed_part_is_refused(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "d", "sft", train=demonstrations(5))
    (folder / "train.jsonl").write_text("{}\n")
    with pytest.raises(RunRefusedError, match=r"train\.jsonl was changed after freezing"):
        open_dataset(folder, ["sft"], key="inputs.dataset")


def test_a_manifest_that_does_not_fit_its_hash_is_refused(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "d", "sft", train=demonstrations(5))
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["parts"][0]["rows"] = 6
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(RunRefusedError, match="does not fit its parts"):
        open_dataset(folder, ["sft"], key="inputs.dataset")


def test_another_kind_a_missing_part_and_a_missing_manifest_are_refused(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "d", "sft", train=demonstrations(1))
    with pytest.raises(RunRefusedError, match="is of kind sft; allowed is comparisons"):
        open_dataset(folder, ["comparisons"], key="inputs.dataset")
    (folder / "train.jsonl").unlink()
    with pytest.raises(RunRefusedError, match="is missing"):
        open_dataset(folder, ["sft"], key="inputs.dataset")
    with pytest.raises(RunRefusedError, match=r"inputs\.dataset: .* has no manifest"):
        open_dataset(tmp_path, ["sft"], key="inputs.dataset")


def test_a_broken_record_names_its_line(tmp_path: Path) -> None:
    rows = [*demonstrations(2), {"id": "x", "prompt": "p"}]
    folder = write_dataset(tmp_path / "d", "sft", train=rows)
    with pytest.raises(RunRefusedError, match=r"line 3 is no record of kind sft: the field 'completion'"):
        open_dataset(folder, ["sft"], key="k").demonstrations("train")


def test_line_separators_inside_a_text_do_not_split_a_record(tmp_path: Path) -> None:
    rows = [{"id": "a", "prompt": "one\u2028two\x85three", "completion": "x"}]
    folder = tmp_path / "d"
    write_dataset(folder, "sft", train=rows)
    assert open_dataset(folder, ["sft"], key="k").demonstrations("train")[0].prompt == "one\u2028two\x85three"


def test_prompts_ranked_by_several_labelers_come_once(tmp_path: Path) -> None:
    rows = comparisons(3)
    again = [{**row, "id": f"{row['id']}-again"} for row in rows]
    folder = write_dataset(tmp_path / "d", "comparisons", train=[*rows, *again])
    dataset = open_dataset(folder, ["comparisons"], key="k")
    assert len(dataset.comparisons("train")) == 6
    assert len(dataset.prompts("train")) == len({row["prompt"] for row in rows})


def test_pairs_of_a_ranking_leave_ties_out() -> None:
    assert Comparison("c", "p", ("a", "b", "c", "d"), (1, 3, 2, 2), "").pair_count() == 5
    assert Comparison("c", "p", ("a", "b"), (1, 1), "").pair_count() == 0


def test_an_empty_split_is_refused_where_rows_are_needed(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "d", "sft", valid=demonstrations(1))
    dataset = open_dataset(folder, ["sft"], key="k")
    with pytest.raises(RunRefusedError, match="has no demonstrations in its train split"):
        require_rows(dataset.demonstrations("train"), "demonstrations", dataset, "train")
