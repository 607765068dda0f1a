"""Read a frozen dataset: check its hash, then hand out typed records. Standard library only."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from training.rlhf.errors import RunRefusedError

T = TypeVar("T")
SCHEMA = 1


class Demonstration(NamedTuple):
    """A prompt and the response a labeler wrote."""

    id: str
    prompt: str
    completion: str


class Comparison(NamedTuple):
    """One labeler's ranking of K responses to a prompt. ranks: 1 is best, equal is a tie."""

    id: str
    prompt: str
    responses: tuple[str, ...]
    ranks: tuple[int, ...]
    labeler_group: str
    labeler: str = ""

    def pair_count(self) -> int:
        """Count the pairs of different rank."""
        return sum(a < b for a in self.ranks for b in self.ranks)


class Prompt(NamedTuple):
    """A prompt to answer."""

    id: str
    prompt: str


@dataclass(frozen=True)
class Dataset:
    """A dataset folder whose manifest and parts have been checked against their hashes."""

    folder: Path
    kind: str
    hash: str
    parts: Mapping[str, tuple[Path, ...]]

    def demonstrations(self, split: str) -> list[Demonstration]:
        """Read the demonstrations of a split, in file order."""
        return self._read(split, lambda r: Demonstration(str(r["id"]), r["prompt"], r["completion"]))

    def comparisons(self, split: str) -> list[Comparison]:
        """Read the rankings of a split, in file order, those without a pair included."""
        return self._read(split, _comparison)

    def prompts(self, split: str) -> list[Prompt]:
        """Read the prompts of a split; one that several labelers ranked comes once."""
        found = self._read(split, lambda r: Prompt(str(r.get("prompt_id") or r["id"]), r["prompt"]))
        if self.kind != "comparisons":
            return found
        return list({prompt.prompt: prompt for prompt in reversed(found)}.values())[::-1]

    def texts(self, split: str) -> list[str]:
        """Read the texts of a pretraining split."""
        return self._read(split, lambda r: str(r["text"]))

    def records(self, split: str) -> list[dict[str, Any]]:
        """Read the records of a split as they stand; each has an id."""
        return self._read(split, lambda r: {**r, "id": str(r["id"])})

    def _read(self, split: str, parse: Callable[[dict[str, Any]], T]) -> list[T]:
        paths = [path for name, part in self.parts.items() if split in ("all", name) for path in part]
        rows = []
        for path in paths:
            for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
                if not line.strip():
                    continue
                try:
                    rows.append(parse(json.loads(line)))
                except (KeyError, TypeError, ValueError) as error:
                    raise RunRefusedError(
                        f"{path} line {number} is no record of kind {self.kind}: {_explain(error)}."
                    ) from None
        return rows


def _comparison(record: dict[str, Any]) -> Comparison:
    outputs = record["outputs"]
    ranks = tuple(output["rank"] for output in outputs)
    if not all(isinstance(rank, int) for rank in ranks):
        raise ValueError("every output needs a whole-number rank")
    if len(outputs) < 2:
        raise ValueError(f"{len(outputs)} outputs; a ranking has 2 or more")
    texts = tuple(str(output["text"]) for output in outputs)
    return Comparison(
        str(record["id"]),
        record["prompt"],
        texts,
        ranks,
        str(record.get("labeler_group") or ""),
        str(record.get("labeler_id") or ""),
    )


def _explain(error: Exception) -> str:
    return f"the field {error} is missing" if isinstance(error, KeyError) else str(error)


def open_dataset(folder: Path, kinds: Collection[str], *, key: str) -> Dataset:
    """Open a dataset folder and check every hash in its manifest.

    kinds   the kinds this input may have
    key     the setting that named the folder, for messages
    raises  RunRefusedError if the folder, a part or a hash is wrong, or the kind is another
    """
    path = folder / "manifest.json"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunRefusedError(
            f"{key}: {folder} has no manifest.json; name a frozen dataset folder."
        ) from None
    except ValueError as error:
        raise RunRefusedError(f"{key}: {path} is not valid JSON: {error}.") from None
    if manifest.get("schema") != SCHEMA:
        raise RunRefusedError(f"{key}: {path} has schema {manifest.get('schema')}; allowed is {SCHEMA}.")
    if manifest.get("kind") not in kinds:
        raise RunRefusedError(
            f"{key}: {folder} is of kind {manifest.get('kind')}; allowed is {' or '.join(sorted(kinds))}."
        )
    parts: dict[str, list[Path]] = {}
    for part in manifest["parts"]:
        file = folder / part["path"]
        if not file.is_file():
            raise RunRefusedError(f"{key}: {file} is missing; freeze the dataset again.")
        found = hashlib.sha256(file.read_bytes()).hexdigest()
        if found != part["sha256"]:
            raise RunRefusedError(f"{key}: {file} was changed after freezing; its sha256 is {found}.")
        parts.setdefault(part["split"], []).append(file)
    if manifest_hash(manifest["parts"]) != manifest["hash"]:
        raise RunRefusedError(f"{key}: the hash in {path} does not fit its parts; freeze the dataset again.")
    splits = {split: tuple(files) for split, files in parts.items()}
    return Dataset(folder, str(manifest["kind"]), str(manifest["hash"]), splits)


def manifest_hash(parts: list[dict[str, Any]]) -> str:
    """Compute a dataset's hash from the parts its manifest lists, in that order."""
    lines = "".join(f"{part['split']} {part['path']} {part['rows']} {part['sha256']}\n" for part in parts)
    return hashlib.sha256(lines.encode()).hexdigest()


def require_rows(rows: list[T], what: str, dataset: Dataset, split: str) -> list[T]:
    """Return rows, or refuse the run if there are none."""
    if not rows:
        raise RunRefusedError(f"{dataset.folder} has no {what} in its {split} split; at least one is needed.")
    return rows
