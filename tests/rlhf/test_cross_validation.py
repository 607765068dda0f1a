"""Five groups of labelers, each left out once and predicted by what the others taught."""

from pathlib import Path
from typing import Any

import pytest

from tests.rlhf.conftest import comparisons, write_dataset
from tests.rlhf.stages import LENGTHS, copy_run, link, result, run_stage, same_weights
from training.rlhf import reward
from training.rlhf.cross_validation import Fold, labeler_folds
from training.rlhf.errors import RunRefusedError

SETTINGS = {
    "lengths": LENGTHS,
    "optim": {"learning_rate": 2e-3},
    "reward": {"epochs": 2, "minibatch_size": 8, "folds": 5},
}


def prepare(folder: Path, base: Path, labelers: int) -> Path:
    rows = {"train": comparisons(100), "valid": comparisons(30, 1)}
    for split in rows.values():
        for i, row in enumerate(split):
            row["labeler_id"] = f"L{i % labelers}"
    write_dataset(folder / "inputs/dataset", "comparisons", **rows)
    link(folder, policy=base)
    return folder


def test_groups_hold_about_equally_many_rankings_and_every_labeler_once() -> None:
    counts = dict(zip("abcdefg", (9, 5, 4, 3, 3, 2, 1), strict=True))
    labelers = [name for name, count in counts.items() for _ in range(count)]
    groups = labeler_folds(labelers, 3)
    assert sorted(name for group in groups for name in group) == list("abcdefg")
    assert [sum(counts[name] for name in group) for group in groups] == [9, 9, 9]
    assert groups == labeler_folds(labelers, 3)


def test_more_groups_than_labelers_are_refused() -> None:
    with pytest.raises(RunRefusedError, match=r"reward.folds is 5 and the rankings come from 2 labelers"):
        labeler_folds(["a", "b"], 5)


def test_lengths_beyond_the_context_are_refused_before_any_fold_is_trained(
    base_folder: Path, tmp_path: Path
) -> None:
    folder = prepare(tmp_path / "run", base_folder, 7)
    lengths = {"max_prompt_tokens": 100, "max_response_tokens": 100}
    assert run_stage(folder, "reward", {**SETTINGS, "lengths": lengths}) == 2
    assert "the model of inputs.policy reads 128" in result(folder)["reason"]
    assert not (folder / "folds.json").exists()


def test_the_table_of_folds_stands_in_the_result(base_folder: Path, tmp_path: Path) -> None:
    folder = prepare(tmp_path / "run", base_folder, 7)
    assert run_stage(folder, "reward", SETTINGS) == 0
    found = result(folder)
    table = found["report"]["folds"]
    assert [row["fold"] for row in table] == [1, 2, 3, 4, 5]
    assert sum(row["trained_on"] for row in table) == 4 * found["metrics"]["data/examples"]
    numbers = found["metrics"]
    assert 0.6 < numbers["fold/accuracy_low"] < numbers["fold/accuracy"] <= numbers["fold/accuracy_high"]
    assert numbers["fold/inside_accuracy"] > 0.6
    # The model that is kept is trained on everything, as without folds.
    plain = copy_run(folder, tmp_path / "plain")
    for name in ("result.json", "metrics.jsonl", "folds.json"):
        (plain / name).unlink()
    assert run_stage(plain, "reward", {**SETTINGS, "reward": {"epochs": 2, "minibatch_size": 8}}) == 0
    assert result(plain)["metrics"]["valid/accuracy"] == numbers["valid/accuracy"]


def test_a_run_that_is_stopped_keeps_its_finished_folds(
    base_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight = prepare(tmp_path / "straight", base_folder, 7)
    stopped = copy_run(straight, tmp_path / "stopped")
    assert run_stage(straight, "reward", SETTINGS) == 0
    train = reward.train_fold
    trained: list[int] = []

    def noted(*args: Any) -> Fold:
        if args[-1] == 3 and args[-1] not in trained:
            trained.append(3)
            raise MemoryError
        trained.append(args[-1])
        return train(*args)

    monkeypatch.setattr(reward, "train_fold", noted)
    assert run_stage(stopped, "reward", SETTINGS) == 1
    other = {**SETTINGS, "seed": 1}
    assert run_stage(stopped, "reward", other) == 2
    assert "the table of folds is of another run: seed was 0 and is 1" in result(stopped)["reason"]
    assert run_stage(stopped, "reward", SETTINGS) == 0
    assert trained == [1, 2, 3, 3, 4, 5]
    assert (stopped / "folds.json").read_bytes() == (straight / "folds.json").read_bytes()
    kept = [
        {name: x for name, x in result(folder)["metrics"].items() if not name.startswith("speed/")}
        for folder in (straight, stopped)
    ]
    assert kept[0] == kept[1]
    assert same_weights(straight, stopped)


def test_a_gradient_that_is_no_number_ends_a_fold(
    base_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = prepare(tmp_path / "run", base_folder, 7)
    monkeypatch.setattr(reward, "take_step", lambda *args: float("inf"))
    assert run_stage(folder, "reward", SETTINGS) == 1
    assert result(folder)["reason"].startswith("the gradient norm of fold 1 became inf at step 1;")
