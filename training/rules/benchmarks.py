"""Public evaluation sets: imported with a checksum, put to policies as runs, their results kept."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from django.db import transaction

from labeling.errors import InvalidInput
from labeling.models import User
from labeling.rules import audit
from training.models import BenchmarkResult, Dataset, DatasetKind, Model, Run, Stage
from training.rules.benchmark_figures import summarize
from training.rules.benchmark_passages import Question, Row
from training.rules.benchmark_sets import FORMS, OWN, SETS, read_questions
from training.rules.datasets import freeze_questions
from training.rules.harness_tasks import freeze_task
from training.rules.run_inputs import Input
from training.rules.runs import create_run

ITEMS = "items.jsonl"
REFUSALS_KEPT = 20


def import_benchmark(
    *,
    key: str,
    rows: Iterable[tuple[int, Row]],
    examples: Iterable[tuple[int, Row]] = (),
    form: str = "",
    name: str = "",
    about: Mapping[str, str] | None = None,
    by: User | None = None,
) -> tuple[Dataset, list[str]]:
    """Freeze the questions of a public set, and solved examples of it, into a dataset.

    `about` is kept in the manifest: the file's name, its SHA-256, its licence. Returns the dataset and a
    sentence for each line that was refused. Raises InvalidInput for a set or form that is not known, or
    where no line can be taken.
    """
    if key != OWN and key not in SETS:
        known = ", ".join([*SETS, OWN])
        raise InvalidInput(f"set is {key!r}; allowed is one of {known}.", fields={"set": "unknown"})
    form = SETS[key].form if key in SETS else form
    if form not in FORMS:
        raise InvalidInput(
            f"form is {form!r}; allowed is one of {', '.join(FORMS)}.", fields={"form": "unknown"}
        )
    refused: list[str] = []
    parts: dict[str, list[Question]] = {"test": [], "train": []}
    for part, given in (("test", rows), ("train", examples)):
        for question, why in read_questions(key, given, form, solved=part == "train"):
            if question is None:
                refused.append(f"{part}: {why}")
            else:
                parts[part].append(question)
    if not parts["test"]:
        why = f" {refused[0]}." if refused else ""
        raise InvalidInput(f"No line of the file is a question.{why}", fields={"file": "no question"})
    name = name or (SETS[key].title if key in SETS else "Own questions")
    selection = {"benchmark": key, "form": form, **(about or {})}
    dataset = freeze_questions(name=name, parts=parts, selection=selection, refused=len(refused), by=by)
    return dataset, refused


def order_benchmarks(
    *,
    models: Sequence[Model],
    datasets: Sequence[Dataset] = (),
    tasks: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    classifier: Model | None = None,
    seed: int = 0,
    by: User | None = None,
) -> list[Run]:
    """Queue a run for each policy and each set, all with the same settings; all of them or none.

    `tasks` are names of harness tasks of one's own, frozen as they stand now. `settings` are those of the
    config's [benchmark]. `training.tasks.enqueue_run` wakes workers for them. Raises ConfigError for a
    setting or an input that cannot be, InvalidInput where nothing was chosen or a task cannot be run.
    """
    if not models or not (datasets or tasks):
        raise InvalidInput("Choose at least one policy and one set.", fields={"datasets": "none"})
    sets = [*datasets, *(freeze_task(name=name, by=by) for name in dict.fromkeys(tasks))]
    wanted = [(_inputs(dataset, classifier), model) for dataset in sets for model in models]
    config = {"seed": seed, "benchmark": dict(settings or {})}
    with transaction.atomic():
        runs = [
            create_run(stage=Stage.BENCHMARK, config=config, inputs={"policy": model, **given}, by=by)
            for given, model in wanted
        ]
        audit.record(actor=by, action="order_benchmarks", obj=sets[0], runs=len(runs))
    return runs


def store_results(*, run: Run, folder: Path) -> int:
    """Keep what each question of a finished run was worth, and what they come to. Twice changes nothing."""
    if run.stage != Stage.BENCHMARK or run.benchmark_results.exists():
        return 0
    by_metric: dict[str, dict[str, Any]] = {}
    with (folder / ITEMS).open(encoding="utf-8") as file:
        for line in file:
            record = json.loads(line)
            for metric, value in record["values"].items():
                by_metric.setdefault(metric, {})[str(record["id"])] = value
    BenchmarkResult.objects.bulk_create(
        BenchmarkResult(
            run=run, metric=metric, count=len(items), items=items, **summarize(metric, items)._asdict()
        )
        for metric, items in by_metric.items()
    )
    return len(by_metric)


def benchmark_datasets() -> list[Dataset]:
    """Return the sets that were imported, newest first."""
    return list(Dataset.objects.of_kind(DatasetKind.BENCHMARK))


def _inputs(dataset: Dataset, classifier: Model | None) -> dict[str, Input]:
    """Return what a run on a set reads beside its policy: its answers are judged where the form wants it."""
    if dataset.manifest.get("selection", {}).get("form") != "toxicity":
        return {"dataset": dataset}
    if classifier is None:
        raise InvalidInput(
            f"{dataset.name} needs a toxicity classifier; import one under Models and choose it.",
            fields={"classifier": "missing"},
        )
    return {"dataset": dataset, "classifier": classifier}
