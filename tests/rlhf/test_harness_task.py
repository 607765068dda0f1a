"""A researcher's own task put to a tiny policy by the real harness, offline."""

from pathlib import Path
from typing import Any

import pytest

from tests.rlhf.stages import result, run_stage
from tests.rlhf.test_benchmark import items, prepare

ROWS = [{"ask": f"say {word}", "choices": [f"{word} {word}", "moon"], "right": 0} for word in ("red", "cat")]
CHOICE: dict[str, Any] = {
    "output_type": "multiple_choice",
    "doc_to_text": "{{ask}}",
    "doc_to_choice": "{{choices}}",
    "doc_to_target": "right",
    "metric_list": [
        {"metric": name, "aggregation": "mean", "higher_is_better": True}
        for name in ("acc", "acc_norm", "acc_bytes", "acc_mutual_info", "exact_match")
    ],
}
WRITTEN: dict[str, Any] = {
    "output_type": "generate_until",
    "doc_to_text": "{{ask}}",
    "doc_to_target": "{{choices[right]}}",
    "generation_kwargs": {"until": "\n\n"},
    "metric_list": [
        {"metric": "exact_match", "aggregation": "mean", "higher_is_better": True, "ignore_case": True},
        {"metric": "bleu", "aggregation": "bleu", "higher_is_better": True},
    ],
    "filter_list": [
        {"name": "whole", "filter": [{"function": "take_first"}]},
        {"name": "line", "filter": [{"function": "lowercase"}, {"function": "take_first"}]},
    ],
}
LIKELY: dict[str, Any] = {
    "output_type": "loglikelihood",
    "doc_to_text": "{{ask}}",
    "doc_to_target": " {{choices[0]}}",
    "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
}


def wrapped(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"id": str(number), "row": row} for number, row in enumerate(rows, start=1)]


def put(
    folder: Path,
    base: Path,
    task: dict[str, Any],
    rows: list[dict[str, Any]] = ROWS,
    train: list[dict[str, Any]] | None = None,
    settings: dict[str, Any] | None = None,
    **about: Any,
) -> int:
    parts = {"train": wrapped(train)} if train else {}
    prepare(folder, base, "task", wrapped(rows), about={"task": task, **about}, **parts)
    return run_stage(folder, "benchmark", {"benchmark": {"max_answer_tokens": 6, **(settings or {})}})


def test_choices_are_scored_by_every_measure_that_is_allowed(tmp_path: Path, base_folder: Path) -> None:
    assert put(tmp_path / "run", base_folder, CHOICE) == 0
    found = result(tmp_path / "run")["metrics"]
    assert {"benchmark/acc", "benchmark/acc_norm", "benchmark/own.acc_bytes"} <= found.keys()
    assert {"benchmark/own.acc_mutual_info", "benchmark/own.exact_match"} <= found.keys()
    lines = items(tmp_path / "run")
    assert [line["id"] for line in lines] == ["1", "2"]
    assert found["benchmark/acc"] == pytest.approx(sum(line["values"]["acc"] for line in lines) / 2)


def test_written_answers_are_scored_behind_each_filter(tmp_path: Path, base_folder: Path) -> None:
    assert put(tmp_path / "run", base_folder, WRITTEN) == 0
    assert result(tmp_path / "run")["metrics"].keys() >= {
        "benchmark/own.exact_match,whole", "benchmark/own.exact_match,line",
        "benchmark/own.bleu,whole", "benchmark/own.bleu,line",
    }  # fmt: skip
    [first, _] = items(tmp_path / "run")
    assert first["values"].keys() == {
        f"{name},{behind}" for name in ("exact_match", "bleu") for behind in ("whole", "line")
    }
    assert len(first["values"]["bleu,whole"]) == 10


def test_the_likelihood_of_a_text_is_asked(tmp_path: Path, base_folder: Path) -> None:
    assert put(tmp_path / "run", base_folder, LIKELY) == 0
    assert result(tmp_path / "run")["metrics"]["benchmark/acc"] in (0.0, 0.5, 1.0)


def test_solved_examples_are_the_tasks_own_unless_a_run_says_more(tmp_path: Path, base_folder: Path) -> None:
    solved = [{"ask": "say sun", "choices": ["sun sun", "no"], "right": 0} for _ in range(3)]
    answers = []
    for name, task, settings in (
        ("none", CHOICE, {}),
        ("own", {**CHOICE, "num_fewshot": 1}, {}),
        ("run", {**CHOICE, "num_fewshot": 1}, {"few_shot": 2}),
    ):
        assert put(tmp_path / name, base_folder, task, train=solved, settings=settings) == 0
        answers.append(str(items(tmp_path / name)[0]["answer"]))
    assert len(set(answers)) == 3


def test_more_examples_than_there_are_are_refused(tmp_path: Path, base_folder: Path) -> None:
    assert put(tmp_path / "run", base_folder, CHOICE, settings={"few_shot": 2}) == 2
    reason = result(tmp_path / "run")["reason"]
    assert "2 solved examples are wanted before a question but the task has 0" in reason


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{{wrong}}", "'wrong' is undefined"),
        ("{{ask", "TemplateSyntaxError"),
        ("{{ask.__class__.__mro__}}", "SecurityError"),
        ("{{''.__class__.__mro__[1].__subclasses__()}}", "SecurityError"),
        ("{{cycler.__init__.__globals__.os.system('true')}}", "SecurityError"),
    ],
)
def test_a_template_that_lacks_a_column_or_reaches_for_python_is_refused(
    tmp_path: Path, base_folder: Path, template: str, words: str
) -> None:
    assert put(tmp_path / "run", base_folder, {**CHOICE, "doc_to_text": template}) == 2
    reason = result(tmp_path / "run")["reason"]
    assert reason.startswith("The task cannot be put as it is written: ")
    assert words in reason


def test_an_allowed_function_is_called(tmp_path: Path, base_folder: Path) -> None:
    task = {
        **CHOICE,
        "process_results": {"!function": "scores.py score"},
        "metric_list": [{"metric": "length", "aggregation": "mean", "higher_is_better": False}],
    }
    source = "def score(doc, results):\n    return {'length': len(doc['ask']) - 10}\n"
    assert put(tmp_path / "run", base_folder, task, functions={"scores.py": source}) == 0
    assert [line["values"] for line in items(tmp_path / "run")] == [{"length": -3.0}, {"length": -3.0}]
    assert result(tmp_path / "run")["metrics"]["benchmark/own.length"] == -3.0


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("def other(doc, results): return {}", "scores.py has no function score"),
        ("import no_such_thing", "scores.py of the task does not run: ModuleNotFoundError"),
        ("def score(doc, results): return {'length': 'long'}", "The task broke while it was put: TypeError"),
        ("def score(doc, results): return {'length': float('nan')}", "length of a question is nan"),
        ("def score(doc, results): raise KeyError('x')", "The task broke while it was put: KeyError"),
    ],
)
def test_a_function_that_does_not_work_is_said_in_a_sentence(
    tmp_path: Path, base_folder: Path, source: str, words: str
) -> None:
    task = {
        **CHOICE,
        "process_results": {"!function": "scores.py score"},
        "metric_list": [{"metric": "length", "aggregation": "mean", "higher_is_better": True}],
    }
    assert put(tmp_path / "run", base_folder, task, functions={"scores.py": source}) == 2
    assert words in result(tmp_path / "run")["reason"]
