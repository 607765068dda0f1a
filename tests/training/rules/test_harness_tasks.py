"""A researcher's own harness tasks: found by name, checked without running anything, frozen."""

from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet
from pytest_django import Settings

from labeling.errors import InvalidInput, NotPermitted
from tests.training.factories import stored_model
from tests.training.harness_folder import CAPITALS, ROWS, WRITTEN, write_rows, write_tasks
from training.models import Dataset, Run
from training.rules.benchmarks import order_benchmarks
from training.rules.datasets import read_records
from training.rules.harness_tasks import find_tasks, freeze_task, refuse_functions
from training.rules.run_execution import execute_run

pytestmark = pytest.mark.django_db(transaction=True)

FUNCTION = CAPITALS.replace('doc_to_text: "{{question}}"', "doc_to_text: !function asking.ask")


@pytest.fixture
def folder(tmp_path: Path, settings: Settings) -> Path:
    settings.HARNESS_TASKS_DIR = tmp_path / "tasks"
    return write_tasks(tmp_path / "tasks")


def problem_of(folder: Path, text: str) -> str:
    (folder / "given.yaml").write_text(text, encoding="utf-8")
    [task] = find_tasks()
    return task.problem


def test_without_a_folder_there_are_no_tasks(settings: Settings, tmp_path: Path) -> None:
    settings.HARNESS_TASKS_DIR = None
    assert find_tasks() == []
    settings.HARNESS_TASKS_DIR = tmp_path / "not there"
    assert find_tasks() == []
    with pytest.raises(InvalidInput, match="the folder has none that can be run"):
        freeze_task(name="capitals")


def test_tasks_are_found_by_name_in_the_folder_and_below(folder: Path) -> None:
    write_tasks(folder, capitals=CAPITALS)
    write_tasks(folder / "more", written=WRITTEN)
    assert [(task.name, task.file, task.problem) for task in find_tasks()] == [
        ("capitals", "capitals.yaml", ""),
        ("written", "more/written.yaml", ""),
    ]


def test_a_task_becomes_a_dataset_that_says_how_it_is_asked(folder: Path) -> None:
    write_tasks(folder, capitals=CAPITALS)
    dataset = freeze_task(name="capitals")
    assert (dataset.name, dataset.counts) == ("capitals", {"train": 1, "test": 3})
    assert read_records(dataset, split="test")[1] == {"id": "2", "row": ROWS[1]}
    kept = dataset.manifest["selection"]
    assert (kept["form"], kept["file"], len(kept["sha256"])) == ("task", "capitals.yaml", 64)
    assert kept["data"].keys() == {"capitals.jsonl", "solved.jsonl"}
    assert [measure["metric"] for measure in kept["task"]["metric_list"]] == ["acc", "acc_norm"]
    assert "functions" not in kept


def test_the_same_files_give_the_same_dataset_and_changed_ones_another(folder: Path) -> None:
    write_tasks(folder, capitals=CAPITALS)
    first = freeze_task(name="capitals")
    assert freeze_task(name="capitals") == first
    write_rows(folder / "capitals.jsonl", ROWS[:2])
    assert freeze_task(name="capitals") != first
    write_tasks(folder, capitals=CAPITALS.replace("{{question}}", "Say {{question}}"))
    other = freeze_task(name="capitals")
    assert (other != first, Dataset.objects.count()) == (True, 3)


def test_a_function_is_refused_and_nothing_of_it_is_run(folder: Path, tmp_path: Path) -> None:
    (folder / "asking.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\ndef ask(doc): return ''\n")
    problem = problem_of(folder, FUNCTION)
    assert "doc_to_text is a !function (asking.py ask), which would run Python on the worker" in problem
    assert "HARNESS_FUNCTIONS=yes" in problem
    with pytest.raises(InvalidInput, match="would run Python"):
        order_benchmarks(models=[stored_model(name="base")], tasks=["capitals"])
    assert not (tmp_path / "ran").exists()
    assert not Run.objects.exists()


@pytest.mark.parametrize(
    "line",
    [
        "process_docs: !function asking.ask",
        "process_results: !function asking.ask",
        "metric_list: [{metric: acc, aggregation: !function asking.ask}]",
    ],
)
def test_a_function_is_refused_wherever_it_stands(folder: Path, line: str) -> None:
    (folder / "asking.py").write_text("def ask(doc): return ''\n")
    key = line.partition(":")[0]
    problem = problem_of(folder, f"{CAPITALS}{line}\n")
    assert problem.startswith(f"given.yaml: {key}")
    assert "is a !function (asking.py ask), which would run Python" in problem


def test_an_allowed_function_is_kept_as_text_and_a_worker_that_forbids_it_does_not_run_it(
    folder: Path, settings: Settings
) -> None:
    settings.HARNESS_FUNCTIONS = True
    source = "def ask(doc):\n    return doc['question']\n"
    (folder / "asking.py").write_text(source)
    write_tasks(folder, capitals=FUNCTION)
    [run] = order_benchmarks(models=[stored_model(name="base")], tasks=["capitals"])
    kept = run.inputs.get(name="dataset").dataset
    assert kept is not None
    assert kept.manifest["selection"]["functions"] == {"asking.py": source}
    refuse_functions(run)
    settings.HARNESS_FUNCTIONS = False
    with pytest.raises(NotPermitted, match="HARNESS_FUNCTIONS=yes"):
        refuse_functions(run)
    assert execute_run(run.code) == "failed"
    run.refresh_from_db()
    assert "which this worker may not run" in run.reason


@pytest.mark.parametrize("outside", ["../outside.jsonl", "{}/outside.jsonl", "link.jsonl"])
def test_rows_outside_the_folder_are_refused(folder: Path, tmp_path: Path, outside: str) -> None:
    write_rows(tmp_path / "outside.jsonl", ROWS)
    (folder / "link.jsonl").symlink_to(tmp_path / "outside.jsonl")
    text = CAPITALS.replace("capitals.jsonl", outside.format(tmp_path))
    assert "leads out of the folder of tasks" in problem_of(folder, text)


def test_yaml_and_functions_outside_the_folder_are_refused(
    folder: Path, tmp_path: Path, settings: Settings
) -> None:
    (tmp_path / "base.yaml").write_text("doc_to_text: x\n")
    assert "leads out of the folder" in problem_of(folder, f"include: ../base.yaml\n{CAPITALS}")
    settings.HARNESS_FUNCTIONS = True
    (folder / "given.yaml").unlink()
    (folder / "linked.yaml").symlink_to(tmp_path / "base.yaml")
    [task] = find_tasks()
    assert "leads out of the folder" in task.problem
    (folder / "linked.yaml").unlink()
    text = CAPITALS.replace('"{{question}}"', "!function os.system")
    assert "os.py is not there" in problem_of(folder, text)


def test_what_is_included_is_read_first_and_may_not_go_round(folder: Path) -> None:
    (folder / "_shared.yaml").write_text(CAPITALS.replace("task: capitals\n", "doc_to_text: other\n"))
    (folder / "mine.yaml").write_text('include: _shared.yaml\ntask: mine\ndoc_to_text: "Say {{question}}"\n')
    [task] = find_tasks()
    assert (task.name, task.problem) == ("mine", "")
    assert freeze_task(name="mine").manifest["selection"]["task"]["doc_to_text"] == "Say {{question}}"
    (folder / "_shared.yaml").write_text("include: mine.yaml\n")
    assert any("includes itself" in task.problem for task in find_tasks())


def test_two_tasks_of_one_name_are_both_refused(folder: Path) -> None:
    write_tasks(folder, one=CAPITALS, two=CAPITALS)
    assert {task.problem for task in find_tasks()} == {
        "capitals stands in one.yaml and two.yaml; rename one of them."
    }


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("task: capitals", "task: [a, b]"), "it is a group"),
        (("task: capitals", "task: a/b"), "other signs"),
        (
            ("dataset_path: json", "dataset_path: hellaswag"),
            "dataset_path is 'hellaswag'; allowed is json or",
        ),
        (("capitals.jsonl", "capitals.csv"), "capitals.csv is no file of json; allowed is .jsonl or"),
        (("dataset_path: json", "dataset_path: parquet"), "capitals.jsonl is no file of parquet"),
        (("capitals.jsonl", "none.jsonl"), "none.jsonl is not there"),
        (("test_split: test", "test_split: dev"), "test_split is 'dev'; data_files has test, train"),
        (("test_split: test", "metadata: {}"), "one of them is asked"),
        (("multiple_choice", "loglikelihood_rolling"), "output_type is 'loglikelihood_rolling'"),
        (("doc_to_target: answer", ""), "doc_to_target is missing"),
        (("doc_to_target: answer", "doc_to_target: answer\nclass: x"), "class is not read here"),
        (("doc_to_target: answer", "doc_to_target: answer\nunsafe_code: true"), "unsafe_code is not read"),
        (("doc_to_target: answer", "doc_to_target: answer\nnum_fewshot: many"), "num_fewshot is 'many'"),
        (("doc_to_target: answer", "doc_to_target: answer\nmetric_list: [{metric: f1}]"), "metric is 'f1'"),
        (("doc_to_target: answer", "doc_to_target: &a answer\ntag: *a"), "an alias"),
        (("doc_to_target: answer", "doc_to_target: !!python/name:os.system"), "no YAML that is read here"),
        (("task: capitals", "task: ["), "no YAML that is read here"),
    ],
)
def test_what_cannot_be_run_is_said_in_a_sentence(folder: Path, change: tuple[str, str], words: str) -> None:
    problem = problem_of(folder, CAPITALS.replace(*change))
    assert words in problem
    assert problem.startswith("given.yaml: ")


def test_rows_of_parquet_are_frozen_like_those_of_json(folder: Path) -> None:
    text = CAPITALS.replace("dataset_path: json", "dataset_path: parquet").replace(".jsonl", ".parquet")
    write_tasks(folder, capitals=text)
    for name, rows in (("capitals", ROWS), ("solved", ROWS[:1])):
        parquet.write_table(pyarrow.Table.from_pylist(rows), folder / f"{name}.parquet")
    dataset = freeze_task(name="capitals")
    assert read_records(dataset, split="test")[1] == {"id": "2", "row": ROWS[1]}


def test_a_line_that_is_no_row_is_named(folder: Path) -> None:
    write_tasks(folder, capitals=CAPITALS)
    with (folder / "capitals.jsonl").open("a") as file:
        file.write("no json\n")
    with pytest.raises(InvalidInput, match=r"capitals.jsonl line 4: not JSON"):
        freeze_task(name="capitals")
    assert not Dataset.objects.exists()


def test_an_unknown_name_is_answered_with_the_known_ones(folder: Path) -> None:
    write_tasks(folder, capitals=CAPITALS)
    for name in ("../capitals", "capitals.yaml", ""):
        with pytest.raises(InvalidInput, match="the folder has capitals"):
            freeze_task(name=name)
