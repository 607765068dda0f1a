"""A task of a researcher's own for lm-evaluation-harness, made from a frozen dataset (docs/evaluation.md).

How it is asked and scored stands in the dataset's manifest, as YAML said it. Its templates run in Jinja's
sandbox; Python that it names comes with the dataset only where an operator allowed it.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from training.rlhf.benchmark_configs import BenchmarkConfig
from training.rlhf.errors import RunRefusedError

FORM = "task"
FUNCTION = "!function"
Record = Mapping[str, Any]


def make_own_task(
    config: BenchmarkConfig,
    selection: Mapping[str, Any],
    records: Sequence[Record],
    examples: Sequence[Record],
    *,
    name: str,
    folder: Path,
) -> Any:
    """Describe the task to the harness.

    selection  the manifest's: "task" as YAML had it, "functions" as the text of each file that it names
    records    rows to ask, each {"id", "row"}; examples likewise
    name       what the harness calls it
    folder     where files of functions are put
    raises     RunRefusedError where the task does not fit its rows
    """
    from datasets import Dataset
    from lm_eval.api.task import ConfigurableTask

    shots = shots_of(config, selection)
    _refuse_too_few(shots, selection, records, examples)
    _use_sandbox()
    functions = _import_functions(selection.get("functions") or {}, folder)
    definition = _with_functions(selection["task"], functions)
    parts = {"test": records, **({"train": examples} if examples else {})}
    try:
        tables = {part: Dataset.from_list(_rows(rows)) for part, rows in parts.items()}
        about: dict[str, Any] = {
            **definition,
            "task": name,
            "custom_dataset": lambda **_: tables,
            "test_split": "test",
            "num_fewshot": shots,
        }
        if examples:
            about |= {"training_split": "train", "fewshot_split": "train"}
        elif selection.get("examples_from_questions"):
            about["fewshot_split"] = "test"
        task = ConfigurableTask(config=about)
        task.set_fewshot_seed(seed=config.seed)
        for document in task.eval_docs:  # a template that lacks a column says so before a model answers
            task.doc_to_text(document)
            task.doc_to_target(document)
    except Exception as error:
        raise RunRefusedError(f"The task cannot be put as it is written: {explained(error)}.") from error
    return task


def shots_of(config: BenchmarkConfig, selection: Mapping[str, Any]) -> int:
    """Return how many solved examples stand before a question: the run's setting, else the task's own."""
    return config.benchmark.few_shot or int(selection["task"].get("num_fewshot") or 0)


def number_of(value: Any, metric: str) -> float:
    """Return a question's value of a metric. Raises RunRefusedError where it is no number."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise RunRefusedError(f"{metric} of a question is {value!r}; allowed is a number.")
    return number


def explained(error: Exception) -> str:
    """Say in a line what was wrong."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}".rstrip(".")


def _refuse_too_few(
    shots: int, selection: Mapping[str, Any], records: Sequence[Record], examples: Sequence[Record]
) -> None:
    samples = (selection["task"].get("fewshot_config") or {}).get("samples")
    others = len(records) - 1 if selection.get("examples_from_questions") else 0
    known = len(examples) or (len(samples) if isinstance(samples, list) else others)
    if shots > known:
        raise RunRefusedError(
            f"{shots} solved examples are wanted before a question but the task has {known}; lower "
            "benchmark.few_shot or num_fewshot, or give the task a fewshot_split with more rows."
        )


def _rows(records: Sequence[Record]) -> list[dict[str, Any]]:
    """Give every row the same columns, in the order in which they appear."""
    names = dict.fromkeys(name for record in records for name in record["row"])
    return [{name: record["row"].get(name) for name in names} for record in records]


def _use_sandbox() -> None:
    """Let the harness's templates reach values only: its own environment lets them reach Python."""
    from jinja2 import BaseLoader, StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment
    from lm_eval import utils

    if not isinstance(utils.env, ImmutableSandboxedEnvironment):
        sandbox = ImmutableSandboxedEnvironment(
            loader=BaseLoader(), undefined=StrictUndefined, keep_trailing_newline=True
        )
        sandbox.filters.update(utils.env.filters)
        utils.env = sandbox


def _import_functions(sources: Mapping[str, str], folder: Path) -> dict[str, Any]:
    """Write the files of a task's functions into the run's folder and import them."""
    modules = {}
    for number, (name, text) in enumerate(sorted(sources.items())):
        path = folder / "functions" / f"task_functions_{number}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        try:
            spec = importlib.util.spec_from_file_location(path.stem, path)
            if spec is None or spec.loader is None:
                raise ImportError(f"{path} is no Python file")
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
        except Exception as error:
            raise RunRefusedError(f"{name} of the task does not run: {explained(error)}.") from error
        modules[name] = module
    return modules


def _with_functions(value: Any, modules: Mapping[str, Any]) -> Any:
    """Put functions where a definition names them."""
    if isinstance(value, Mapping):
        if FUNCTION not in value:
            return {key: _with_functions(inner, modules) for key, inner in value.items()}
        file, _, name = str(value[FUNCTION]).partition(" ")
        found = getattr(modules.get(file), name, None)
        if not callable(found):
            raise RunRefusedError(f"{file} has no function {name}, which the task names.")
        return found
    if isinstance(value, list):
        return [_with_functions(inner, modules) for inner in value]
    return value
