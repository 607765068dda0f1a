"""The card of a model, written from what the rows say: what it is, what it saw, how it was judged."""

import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from labeling.models import Labeler
from labeling.rules.texts import counted
from training.models import Dataset, Model, Round
from training.rlhf.config import describe
from training.rules.evaluations import WinRate, evaluations_of, win_rates
from training.rules.lineage import Lineage, datasets_behind, lineage, read_registry
from training.rules.round_choices import choices_of, signatures_of


def guidelines_behind(datasets: list[Dataset]) -> dict[str, int]:
    """Return how many labels were made under each version of the instructions."""
    versions: Counter[str] = Counter()
    for dataset in datasets:
        versions.update(_counts(dataset, "instruction_version"))
    return dict(sorted(versions.items()))


def labelers_behind(datasets: list[Dataset]) -> dict[str, int]:
    """Return the pseudonyms of those whose labels the datasets hold, with how many labels each."""
    found: Counter[str] = Counter()
    for dataset in datasets:
        found.update(_counts(dataset, "labeler_id"))
    return dict(found.most_common())


def card_of_model(model: Model) -> str:
    """Return the card in Markdown, headed as model hubs read it."""
    registry = read_registry()
    tree = lineage(model, registry=registry)
    behind = datasets_behind(model, registry=registry)
    lines = ["---", "library_name: transformers", "tags: [instructloop, rlhf]", "---", f"# {model.name}", ""]
    lines += [*_what_it_is(model), *_round(tree.round), "", "## What is behind it", "", *_tree(tree)]
    lines += ["", "## Labels", "", *_labels(behind), "", "## Training", "", *_training(model)]
    lines += [
        "",
        "## How it was judged",
        "",
        *_judged(model),
        "",
        "## Limits",
        "",
        *_limits(model, behind),
        "",
    ]
    return "\n".join(lines)


def _what_it_is(model: Model) -> Iterator[str]:
    yield f"- Kind: {model.get_kind_display()}; status: {model.get_status_display()}"
    yield f"- Registered: {model.created_at:%Y-%m-%d}; code {model.code}"
    if model.source:
        yield f"- Imported from: {model.source}"
    if model.run is not None:
        yield f"- Made by: {model.run}, seed {model.run.seed}"
    if model.weights_deleted_at is not None:
        yield f"- Weights deleted on {model.weights_deleted_at:%Y-%m-%d}: {model.status_reason}"


def _round(given: Round | None) -> Iterator[str]:
    """Say what was chosen in the round that made a model; who signed stays with the installation."""
    if given is None:
        return
    yield f"- Made in: {_name_of(given)}"
    for title, words in choices_of(given):
        yield f"  - {title}: {words}"
    for signature, failed in signatures_of(given):
        yield f"  - Trained in spite of: {failed}. Reason given: {signature.reason}"


def _name_of(given: Round) -> str:
    return f"round {given.number}" + (f" ({given.name})" if given.name else "")


def _tree(node: Lineage, depth: int = 0) -> Iterator[str]:
    indent = "  " * depth
    role = f"{node.role}: " if node.role else ""
    made_in = f", {_name_of(node.round)}" if node.round is not None else ""
    yield f"{indent}- {role}{node.model.name} ({node.model.get_kind_display()}{made_in})"
    for name, dataset in node.datasets:
        title = dataset.name or dataset.get_kind_display()
        yield f"{indent}  - {name}: {title}, {counted(dataset.rows, 'record')}, hash {dataset.hash}"
    for source in node.sources:
        yield from _tree(source, depth + 1)


def _labels(behind: list[Dataset]) -> Iterator[str]:
    if not behind:
        yield "None that this installation knows of."
        return
    people = labelers_behind(behind)
    yield f"- Labelers: {len(people)}"
    for version, count in guidelines_behind(behind).items():
        yield f"- Instructions {version}: {counted(count, 'label')}"
    categories: Counter[str] = Counter()
    for dataset in behind:
        categories.update(_counts(dataset, "category"))
    for category, count in categories.most_common():
        yield f"- Category {category}: {counted(count, 'record')}"


def _training(model: Model) -> Iterator[str]:
    if model.run is None:
        yield "Not trained here."
        return
    config = tomllib.loads(model.run.config)
    yield "Settings that differ from their defaults:"
    yield ""
    for field in describe(model.run.stage):
        section, _, last = field.key.rpartition(".")
        table = config.get(section, {}) if section else config
        default = list(field.default) if isinstance(field.default, tuple) else field.default
        if section != "inputs" and last != "stage" and table.get(last, default) != default:
            yield f"- `{field.key}` = {table[last]}" + (f" (paper: {field.paper})" if field.paper else "")
    for name, value in sorted((model.facts.get("metrics") or {}).items()):
        if isinstance(value, int | float):
            yield f"- Final `{name}`: {value:.4g}"


def _judged(model: Model) -> Iterator[str]:
    rows = evaluations_of(model)
    if not rows:
        yield "Not by labelers yet."
    rates = win_rates(rows)
    for row in rows:
        yield f"- {row.policy} against {row.baseline}: {_rate(rates[row.pk])}"


def _rate(rate: WinRate) -> str:
    if rate.value is None or rate.low is None or rate.high is None:
        return "no judgements yet"
    interval = f"95 % interval {100 * rate.low:.1f} to {100 * rate.high:.1f}"
    judged = f"{counted(rate.judgements, 'judgement')} of {counted(rate.prompts, 'prompt')}"
    return f"win rate {100 * rate.value:.1f} % ({interval}; {judged}, ties count half: {rate.ties})"


def _limits(model: Model, behind: list[Dataset]) -> Iterator[str]:
    people = labelers_behind(behind)
    simulated = Labeler.objects.filter(pseudonym__in=people, is_simulated=True).count()
    if simulated:
        share = f"{simulated} of {len(people)} labelers are simulated"
        yield f"- {share}: this model does not reflect people's wishes."
    yield "- It follows the preferences of the labelers named above and the instructions they were given."
    yield "- Its licence follows from the model it started from and the texts it saw; this card is none."
    if model.kind == "reward":
        yield "- Its scores compare responses to one prompt; across prompts they mean little."


def _counts(dataset: Dataset, name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = dataset.statistics.get("counts", {}).get(name, {})
    return found
