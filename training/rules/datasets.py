"""Freeze labels into datasets: record files, a manifest, a hash. Nothing changes them afterwards."""

import hashlib
import itertools
import json
import tempfile
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from django.db import transaction

from labeling.errors import InvalidInput
from labeling.models import User, WebhookEvent
from labeling.rules import audit, webhooks
from training.models import Dataset, DatasetKind
from training.rules import artifacts
from training.rules.cards import Shape, card_of
from training.rules.dataset_members import Members, record_members
from training.rules.dataset_statistics import Statistics
from training.rules.records import SELECTORS, Record, Selected, newest_review, newest_row, split_names
from training.rules.selections import Selection, read_selection

SCHEMA = 1
VALID_EVERY = 20
"""Every so many texts of a pretraining dataset, one is kept for validation."""


def freeze_dataset(
    *,
    kind: str,
    selection: Mapping[str, Any] | Selection | None = None,
    name: str = "",
    by: User | None = None,
) -> Dataset:
    """Write the labels that may train (or test) into a dataset folder and record it.

    Where nothing has changed since the last freeze of this selection, that dataset is returned: it would be
    the same; if its folder has been lost, it is written again. Records what was selected and, by reason, how
    many rows were left out. Raises InvalidInput for a selection that makes no sense and where no row at all
    may be taken.
    """
    if kind not in SELECTORS:
        raise InvalidInput(
            f"There is no dataset of kind {kind!r}; allowed is {', '.join(sorted(SELECTORS))}.",
            fields={"kind": "unknown"},
        )
    chosen = read_selection(selection, kind=kind)
    if not chosen.up_to:
        chosen = replace(chosen, up_to=newest_row(kind), reviews_up_to=newest_review())
    return _freeze(kind, SELECTORS[kind](chosen), chosen.as_mapping(), name, by)


def freeze_texts(*, name: str, texts: Iterable[str | Mapping[str, Any]], by: User | None = None) -> Dataset:
    """Write plain texts into a pretraining dataset: strings, or mappings with "text" and "corpus".

    Every twentieth text goes to the valid part. Raises InvalidInput where every text is empty.
    """
    return _freeze(DatasetKind.PRETRAIN.value, _texts(texts, name), {"texts": name}, name, by)


def freeze_questions(
    *,
    name: str,
    parts: Mapping[str, Iterable[Record]],
    selection: Mapping[str, Any],
    refused: int = 0,
    by: User | None = None,
) -> Dataset:
    """Write the questions of a public evaluation set, and solved examples, into a dataset.

    `selection` says which set in which form, and what its file was; `refused` lines are counted.
    """
    questions = ((part, question) for part, rows in parts.items() for question in rows)
    taken: Selected = itertools.chain(questions, itertools.repeat((None, "not_a_question"), refused))
    return _freeze(DatasetKind.BENCHMARK.value, taken, dict(selection), name, by)


def read_records(
    dataset: Dataset, *, split: str, first: int = 0, count: int = 20, words: str = "", category: str = ""
) -> list[Record]:
    """Read some records of a part, to look at them. An unknown or missing part has none.

    `words` and `category` leave only records that hold the words, in upper or lower case, or are of that
    category; `first` and `count` are of those. Looking for them reads the part from its beginning.
    """
    parts = {part["split"]: part["path"] for part in dataset.manifest.get("parts", [])}
    if split not in parts:
        return []
    with artifacts.reading(dataset.folder, parts[split]) as file:
        if not (words or category):
            return [json.loads(line) for line in itertools.islice(file, first, first + count)]
        fitting = (record for line in file if (record := _fitting(line, words.casefold(), category)))
        return list(itertools.islice(fitting, first, first + count))


def _fitting(line: str, words: str, category: str) -> Record | None:
    record: Record = json.loads(line)
    if category and (record.get("category") or "none") != category:
        return None
    return record if not words or any(words in text.casefold() for text in _texts_in(record)) else None


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts_in(inner)


def manifest_hash(parts: Iterable[Mapping[str, Any]]) -> str:
    """Return the hash of a dataset: SHA-256 of the lines "split path rows sha256" of its parts in order."""
    lines = "".join(f"{part['split']} {part['path']} {part['rows']} {part['sha256']}\n" for part in parts)
    return hashlib.sha256(lines.encode()).hexdigest()


def _freeze(kind: str, records: Selected, selection: dict[str, Any], name: str, by: User | None) -> Dataset:
    with tempfile.TemporaryFile() as codes:
        return _freeze_with(Members(codes), kind, records, selection, name, by)


def _freeze_with(
    members: Members, kind: str, records: Selected, selection: dict[str, Any], name: str, by: User | None
) -> Dataset:
    code = uuid.uuid4()
    folder = f"datasets/{code}"
    with artifacts.drafting() as draft:
        parts, dropped, shape, statistics = _write_parts(draft, records, members)
        if not parts:
            why = ", ".join(f"{reason} {count}" for reason, count in sorted(dropped.items())) or "no rows yet"
            raise InvalidInput(f"Nothing to freeze as {kind}: no row may be taken ({why}).")
        manifest: dict[str, Any] = {
            "kind": kind,
            "schema": SCHEMA,
            "code": str(code),
            "name": name,
            "hash": manifest_hash(parts),
            "parts": parts,
            "counts": {part["split"]: part["rows"] for part in parts},
            "selection": selection,
            "dropped": dict(sorted(dropped.items())),
        }
        same = _same_dataset(manifest)
        if same is not None and artifacts.exists(same.folder):
            return same
        manifest = same.manifest if same is not None else manifest
        text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
        (draft / "manifest.json").write_text(text, encoding="utf-8")
        (draft / "README.md").write_text(card_of(manifest, shape), encoding="utf-8")
        artifacts.publish(draft, same.folder if same is not None else folder)
    if same is not None:
        return same
    with transaction.atomic():
        dataset = Dataset.objects.create(
            code=code,
            kind=kind,
            name=name,
            hash=manifest["hash"],
            folder=folder,
            manifest=manifest,
            rows=sum(part["rows"] for part in parts),
            counts=manifest["counts"],
            statistics=statistics.as_mapping(),
            created_by=by,
        )
        record_members(dataset, members)
        audit.record(actor=by, action="freeze_dataset", obj=dataset, kind=kind, rows=dataset.rows)
        told = {"dataset": str(code), "kind": kind, "name": name, "rows": dataset.rows, "hash": dataset.hash}
        webhooks.emit(WebhookEvent.DATASET_FROZEN, subject=str(code), data=told)
    return dataset


def _write_parts(
    draft: Path, records: Selected, members: Members
) -> tuple[list[dict[str, Any]], Counter[str], Shape, Statistics]:
    """Write each record into the file of its part; memory does not grow with the number of records."""
    files: dict[str, BinaryIO] = {}
    digests = {split: hashlib.sha256() for split in split_names()}
    counts: Counter[str] = Counter()
    dropped: Counter[str] = Counter()
    shape, statistics = Shape(), Statistics()
    try:
        for part, record in records:
            if part is None:
                dropped[str(record)] += 1
                continue
            shape.learn(record)
            if isinstance(record, dict):
                statistics.add(part, record)
                members.add(record)
            if part not in files:
                files[part] = (draft / f"{part}.jsonl").open("wb")
            line = json.dumps(record, ensure_ascii=False).encode() + b"\n"
            files[part].write(line)
            digests[part].update(line)
            counts[part] += 1
    finally:
        for file in files.values():
            file.close()
    parts = [
        {
            "path": f"{split}.jsonl",
            "split": split,
            "rows": counts[split],
            "sha256": digests[split].hexdigest(),
        }
        for split in split_names()
        if counts[split]
    ]
    return parts, dropped, shape, statistics


def _same_dataset(manifest: Mapping[str, Any]) -> Dataset | None:
    """Return the dataset that already took the same rows by the same selection, under whatever name."""
    content = _content(manifest)
    same = Dataset.objects.filter(kind=manifest["kind"], hash=manifest["hash"])
    return next((dataset for dataset in same if _content(dataset.manifest) == content), None)


def _content(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return what makes a dataset what it is.

    The newest row and the newest review that count are none of it: what was written since may all concern
    other datasets.
    """
    selection = {
        key: value for key, value in manifest["selection"].items() if key not in ("up_to", "reviews_up_to")
    }
    content = {key: value for key, value in manifest.items() if key not in ("code", "name")}
    return {**content, "selection": selection}


def _texts(texts: Iterable[str | Mapping[str, Any]], corpus: str) -> Selected:
    taken = 0
    for item in texts:
        record = {"text": item} if isinstance(item, str) else dict(item)
        if not record["text"].strip():
            yield None, "empty"
            continue
        taken += 1
        part = "valid" if taken % VALID_EVERY == 0 else "train"
        yield part, {"id": f"text-{taken}", "text": record["text"], "corpus": record.get("corpus", corpus)}
