"""A task of lm-evaluation-harness as somebody wrote it in YAML: read without running anything, and checked.

What the harness would do with such a file beyond asking questions is refused: fetch a set, run a metric's
program, run Python that a `!function` names unless the operator allows it. Every refusal is a sentence.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from labeling.errors import InvalidInput

Definition = dict[str, Any]
FUNCTION = "!function"
"""The key under which a definition names Python: {"!function": "folder/file.py name"}."""
MOST_BYTES = 1 << 20
NAME = re.compile(r"[\w.-]{1,80}")
MEASURE = re.compile(r"[\w+-]{1,24}")
FILTER = re.compile(r"[\w-]{1,15}")
OUTPUTS: Mapping[str, tuple[str, ...]] = {
    "multiple_choice": ("acc", "acc_norm", "acc_bytes", "acc_mutual_info", "exact_match"),
    "generate_until": ("exact_match", "bleu"),
    "loglikelihood": ("acc",),
}
"""What a task may ask for, and the measures that are a mean over its questions (BLEU apart)."""
USUAL: Mapping[str, tuple[str, ...]] = {
    "multiple_choice": ("acc", "acc_norm"),
    "generate_until": ("exact_match",),
    "loglikelihood": ("acc",),
}
SPLITS = ("training_split", "validation_split", "test_split", "fewshot_split")
TEMPLATES = ("doc_to_text", "doc_to_target", "doc_to_choice", "gen_prefix")
ASKED = (
    *TEMPLATES, "description", "target_delimiter", "fewshot_delimiter", "fewshot_config", "num_fewshot",
    "output_type", "generation_kwargs", "filter_list", "process_docs", "process_results",
)  # fmt: skip
"""What says how questions are put and scored: it is kept in the dataset."""
PASSED_OVER = (
    "task", "task_alias", "tag", "metadata", "dataset_name", "should_decontaminate",
    "doc_to_decontamination_query",
)  # fmt: skip
READ = (*ASKED, *PASSED_OVER, *SPLITS, "dataset_path", "dataset_kwargs", "metric_list", "include")
EXAMPLE_KEYS = (
    "sampler", "samples", "doc_to_text", "doc_to_choice", "doc_to_target", "target_delimiter",
    "fewshot_delimiter", "gen_prefix",
)  # fmt: skip
FILTERS = (
    "lowercase", "majority_vote", "map", "multi_choice_regex", "regex", "regex_pos", "remove_whitespace",
    "take_first", "take_first_k", "uppercase",
)  # fmt: skip


class _Loader(yaml.SafeLoader):
    """Plain values and `!function`; no aliases, by which a few lines can grow to fill the memory."""

    folder: Path
    root: Path

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise InvalidInput("an alias (*name) is not read here; write the value out")
        return super().compose_node(parent, index)


def _named_function(loader: _Loader, node: yaml.ScalarNode) -> dict[str, str]:
    """Say which function of which file is meant; nothing is imported."""
    words = str(loader.construct_scalar(node)).strip()
    module, _, name = words.rpartition(".")
    if not module or not all(part.isidentifier() for part in words.split(".")):
        raise InvalidInput(f"!function {words} names no function; allowed is file.function")
    path = inside(loader.folder / f"{module.replace('.', '/')}.py", loader.root)
    return {FUNCTION: f"{path.relative_to(loader.root)} {name}"}


_Loader.add_constructor(FUNCTION, _named_function)


def inside(path: Path, root: Path) -> Path:
    """Return a path without links and dots. Raises InvalidInput where it leads out of the folder."""
    found = path.resolve()
    if not found.is_relative_to(root):
        raise InvalidInput(f"{path.name} leads out of the folder of tasks; allowed is a file inside it")
    if not found.is_file():
        raise InvalidInput(f"{found.relative_to(root)} is not there")
    return found


def read_definition(path: Path, root: Path, above: tuple[Path, ...] = ()) -> Definition:
    """Read a YAML file and what it includes; its own keys win. Raises InvalidInput."""
    if path in above:
        raise InvalidInput(f"{path.name} includes itself")
    if path.stat().st_size > MOST_BYTES:
        raise InvalidInput(f"{path.name} is larger than {MOST_BYTES >> 20} MB")
    try:
        loader = _Loader(path.read_text(encoding="utf-8"))
        loader.folder, loader.root = path.parent, root
        found = loader.get_single_data()
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise InvalidInput(f"{path.name} is no YAML that is read here: {_first_line(error)}") from None
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise InvalidInput(f"{path.name} is no list of names and values")
    merged: Definition = {}
    for name in _as_list(found.pop("include", [])):
        merged |= read_definition(inside(path.parent / str(name), root), root, (*above, path))
    return merged | found


def check_definition(definition: Mapping[str, Any], *, allow_functions: bool) -> None:
    """Raise InvalidInput for the first thing in a task that cannot be, or may not be, done here."""
    functions = dict(functions_in(definition))
    if functions and not allow_functions:
        key, named = next(iter(functions.items()))
        raise InvalidInput(
            f"{key} is a !function ({named}), which would run Python on the worker; allowed is a template, "
            "or a !function where the operator has set HARNESS_FUNCTIONS=yes"
        )
    if unknown := sorted(set(definition) - set(READ)):
        raise InvalidInput(f"{unknown[0]} is not read here; allowed is {', '.join(sorted(READ))}")
    output = definition.get("output_type", "generate_until")
    if output not in OUTPUTS:
        raise InvalidInput(f"output_type is {output!r}; allowed is {', '.join(OUTPUTS)}")
    for name in ("doc_to_text", "doc_to_target", *(["doc_to_choice"] if output == "multiple_choice" else [])):
        if definition.get(name) is None:
            raise InvalidInput(f"{name} is missing; a task of {output} needs it")
    number = definition.get("num_fewshot")
    if number is not None and (not isinstance(number, int) or not 0 <= number <= 100):
        raise InvalidInput(f"num_fewshot is {number!r}; allowed is a whole number from 0 to 100")
    _check_examples(definition.get("fewshot_config") or {})
    _check_filters(definition.get("filter_list") or [])
    measures_of(definition)


def measures_of(definition: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the measures of a task as the harness reads them, each summed up as a mean (BLEU by itself)."""
    output = definition.get("output_type", "generate_until")
    own = definition.get("process_results") is not None
    found = []
    for given in definition.get("metric_list") or [{"metric": name} for name in USUAL[output]]:
        name = given.get("metric") if isinstance(given, dict) else given
        known = isinstance(name, str) and (MEASURE.fullmatch(name) if own else name in OUTPUTS[output])
        if not known:
            allowed = "a short name" if own else ", ".join(OUTPUTS[output])
            raise InvalidInput(f"metric is {name!r}; allowed for {output} is {allowed}")
        how = given.get("aggregation", "bleu" if name == "bleu" else "mean")
        if how != ("bleu" if name == "bleu" else "mean"):
            raise InvalidInput(
                f"{name} is summed up by {how!r}; allowed is mean: each question's value is kept, and the "
                "interval comes from them"
            )
        if given.get("hf_evaluate"):
            raise InvalidInput(f"{name} is asked of the evaluate hub; allowed are the harness's own metrics")
        better = given.get("higher_is_better", True)
        if not isinstance(better, bool):
            raise InvalidInput(f"higher_is_better is {better!r} for {name}; allowed is true or false")
        more = {key: value for key, value in given.items() if key != "hf_evaluate"}
        found.append({**more, "metric": name, "aggregation": how, "higher_is_better": better})
    return found


def functions_in(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Give every function that a definition names, with the key it stands under."""
    if isinstance(value, Mapping):
        if FUNCTION in value:
            yield key, str(value[FUNCTION])
            return
        for name, inner in value.items():
            yield from functions_in(inner, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list):
        for inner in value:
            yield from functions_in(inner, key)


def _check_examples(config: Any) -> None:
    if not isinstance(config, dict) or (wrong := sorted(set(config) - set(EXAMPLE_KEYS))):
        named = wrong[0] if isinstance(config, dict) else "that"
        raise InvalidInput(f"fewshot_config has {named}; allowed is {', '.join(EXAMPLE_KEYS)}")
    if config.get("sampler", "default") not in ("default", "first_n"):
        raise InvalidInput(f"sampler is {config['sampler']!r}; allowed is default, first_n")


def _check_filters(filters: Any) -> None:
    for given in filters if isinstance(filters, list) else [filters]:
        steps = given.get("filter") if isinstance(given, dict) else None
        if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
            raise InvalidInput("filter_list is wrong; allowed is a list of names, each with a list")
        if not isinstance(given.get("name"), str) or not FILTER.fullmatch(given["name"]):
            raise InvalidInput(f"a filter's name is {given.get('name')!r}; allowed is a word of up to 15")
        for step in steps:
            if step.get("function") not in FILTERS:
                raise InvalidInput(
                    f"a filter's function is {step.get('function')!r}; allowed is {', '.join(FILTERS)}"
                )


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
