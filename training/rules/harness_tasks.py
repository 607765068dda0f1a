"""A researcher's own tasks for lm-evaluation-harness: YAML and rows in the folder that the operator names.

A task is chosen by its name, never by a path, and frozen into a dataset before it is run: its rows, how they
are asked and scored, and the checksums of its files. So its results are comparable, and shown, like any
other set's (docs/evaluation.md).
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings

from labeling.errors import InvalidInput, NotPermitted, UnreadableFile
from labeling.models import User
from labeling.rules.row_files import JSON_ENDINGS, PARQUET_ENDING, RowFile
from training.models import Dataset, Run
from training.rules.benchmark_passages import Question
from training.rules.benchmark_sets import TASK_FORM
from training.rules.datasets import freeze_questions
from training.rules.harness_yaml import (
    ASKED,
    NAME,
    SPLITS,
    Definition,
    check_definition,
    functions_in,
    inside,
    measures_of,
    read_definition,
)

ENDINGS = (".yaml", ".yml")
MOST_FILES = 500
HARNESS = "harness"
SOURCES: Mapping[str, tuple[str, ...]] = {
    "json": (*JSON_ENDINGS, *(f"{ending}.gz" for ending in JSON_ENDINGS)),
    "parquet": (PARQUET_ENDING,),
}
"""What `dataset_path` may name, with the endings of its files."""


@dataclass(frozen=True)
class HarnessTask:
    """A task of the folder. `problem` says in a sentence why it cannot be run; empty where it can."""

    name: str
    file: str
    problem: str = ""
    definition: Definition = field(default_factory=dict, repr=False)

    @property
    def path(self) -> Path:
        return _folder() / self.file


def find_tasks() -> list[HarnessTask]:
    """Return the tasks of the folder by name, also those that cannot be run; none without a folder."""
    if settings.HARNESS_TASKS_DIR is None or not settings.HARNESS_TASKS_DIR.is_dir():
        return []
    root = _folder()
    paths = sorted(path for path in root.rglob("*") if path.suffix in ENDINGS)[:MOST_FILES]
    tasks = [task for path in paths if (task := _read(path, root)) is not None]
    files: dict[str, list[str]] = {}
    for task in tasks:
        files.setdefault(task.name, []).append(task.file)
    doubled = {name: " and ".join(given) for name, given in files.items() if len(given) > 1}
    for place, task in enumerate(tasks):
        if task.name in doubled and not task.problem:
            problem = f"{task.name} stands in {doubled[task.name]}; rename one of them."
            tasks[place] = HarnessTask(task.name, task.file, problem)
    return sorted(tasks, key=lambda task: (task.name, task.file))


def freeze_task(*, name: str, by: User | None = None) -> Dataset:
    """Freeze a task of the folder into a dataset; where nothing has changed, the same dataset again.

    Raises InvalidInput for a name that is not known, a task that cannot be run, and rows that cannot be read.
    """
    tasks = find_tasks()
    task = next((task for task in tasks if task.name == name), None)
    if task is None:
        known = ", ".join(found.name for found in tasks if not found.problem) or "none that can be run"
        raise InvalidInput(f"There is no task {name!r}; the folder has {known}.", fields={"tasks": "unknown"})
    if task.problem:
        raise InvalidInput(task.problem, fields={"tasks": "unusable"})
    root = _folder()
    try:
        files = _data_files(task.definition, task.path, root)
        asked, examples = _parts(task.definition, files)
        about = _about(task, root, [*asked, *examples])
        parts = {"test": _rows(asked, root), "train": _rows(examples, root)}
        return freeze_questions(name=name, parts=parts, selection=about, by=by)
    except (UnreadableFile, OSError) as error:
        raise InvalidInput(f"{name}: {error}", fields={"tasks": "unreadable"}) from error


def refuse_functions(run: Run) -> None:
    """Raise NotPermitted where a run's task has Python that the operator of this worker does not allow."""
    for given in run.inputs.select_related("dataset"):
        selection = given.dataset.manifest.get("selection", {}) if given.dataset else {}
        if selection.get("functions") and not settings.HARNESS_FUNCTIONS:
            raise NotPermitted(
                f"{given.dataset} has a !function, which this worker may not run; its operator allows it "
                "with HARNESS_FUNCTIONS=yes."
            )


def _folder() -> Path:
    if settings.HARNESS_TASKS_DIR is None:
        raise InvalidInput("No folder of tasks is configured; its operator names one in HARNESS_TASKS_DIR.")
    return settings.HARNESS_TASKS_DIR.resolve()


def _read(path: Path, root: Path) -> HarnessTask | None:
    """Read a file of the folder; None where it is no task but something that tasks include."""
    file, name = str(path.relative_to(root)), path.stem
    try:
        definition = read_definition(inside(path, root), root)
        given = definition.get("task")
        if given is None:
            return None
        if not isinstance(given, str) or not NAME.fullmatch(given):
            raise InvalidInput("it is a group, or its name has other signs than letters, digits, . _ -")
        name = given
        check_definition(definition, allow_functions=settings.HARNESS_FUNCTIONS)
        _parts(definition, _data_files(definition, path, root))
        for _, named in functions_in(definition):
            inside(root / named.partition(" ")[0], root)
    except (InvalidInput, OSError) as error:
        return HarnessTask(name, file, f"{file}: {error}.")
    return HarnessTask(name, file, "", definition)


def _data_files(definition: Mapping[str, Any], path: Path, root: Path) -> dict[str, list[Path]]:
    """Return the files of each split. Raises InvalidInput for any other source of rows."""
    source = definition.get("dataset_path")
    if not isinstance(source, str) or source not in SOURCES:
        allowed = " or ".join(SOURCES)
        raise InvalidInput(f"dataset_path is {source!r}; allowed is {allowed}, with files of this folder")
    kwargs = definition.get("dataset_kwargs") or {}
    given = kwargs.get("data_files") if isinstance(kwargs, dict) else None
    named = {"train": given} if isinstance(given, str | list) else given
    if not isinstance(named, dict) or not named:
        raise InvalidInput("dataset_kwargs.data_files is missing; allowed is a file for each split")
    if more := sorted(set(kwargs) - {"data_files"}):
        raise InvalidInput(f"dataset_kwargs has {more[0]}; allowed is data_files alone")
    files: dict[str, list[Path]] = {}
    for split, names in named.items():
        for name in names if isinstance(names, list) else [names]:
            endings = SOURCES[source]
            if not str(name).lower().endswith(endings):
                raise InvalidInput(f"{name} is no file of {source}; allowed is {' or '.join(endings)}")
            files.setdefault(str(split), []).append(inside(path.parent / str(name), root))
    return files


def _parts(definition: Mapping[str, Any], files: Mapping[str, list[Path]]) -> tuple[list[Path], list[Path]]:
    """Return the files of what is asked and of solved examples, as the harness chooses them."""
    for key in SPLITS:
        split = definition.get(key)
        if split is not None and split not in files:
            raise InvalidInput(f"{key} is {split!r}; data_files has {', '.join(files)}")
    asked, shown = _splits(definition)
    if asked is None:
        raise InvalidInput("test_split and validation_split are missing; one of them is asked")
    return files[asked], files[shown] if shown and shown != asked else []


def _splits(definition: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Return which split is asked and from which solved examples come."""
    asked = definition.get("test_split") or definition.get("validation_split")
    return asked, definition.get("fewshot_split") or definition.get("training_split")


def _about(task: HarnessTask, root: Path, data: list[Path]) -> dict[str, Any]:
    """Return what the manifest keeps of a task: how it is asked, and what its files were."""
    definition = task.definition
    measures = measures_of(definition)
    modules = sorted({named.partition(" ")[0] for _, named in functions_in(definition)})
    asked, shown = _splits(definition)
    about: dict[str, Any] = {
        "benchmark": HARNESS,
        "form": TASK_FORM,
        "file": task.file,
        "sha256": _sha256(task.path),
        "data": {str(path.relative_to(root)): _sha256(path) for path in sorted(data)},
        "task": {
            **{key: definition[key] for key in ASKED if definition.get(key) is not None},
            "metric_list": measures,
        },
        "lower_is_better": [given["metric"] for given in measures if not given["higher_is_better"]],
        "examples_from_questions": shown is not None and shown == asked,
    }
    if modules:
        about["functions"] = {name: (root / name).read_text(encoding="utf-8") for name in modules}
    return about


def _rows(paths: list[Path], root: Path) -> Iterator[Question]:
    """Give the rows of files, each under a number of its own. Raises InvalidInput for a line that is none."""
    number = 0
    for path in paths:
        for line in RowFile(path):
            if line.values is None:
                where = f"{path.relative_to(root)} line {line.number}"
                raise InvalidInput(f"{where}: {line.fault}.", fields={"tasks": "unreadable"})
            number += 1
            yield {"id": str(number), "row": line.values}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
