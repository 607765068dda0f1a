"""Datasets in the shapes that other programs read: TRL's JSON lines, and Parquet.

The frozen folder stays as it is; these are copies, made while they are read, in memory that does not grow.
"""

import io
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, TypeVar

from labeling.errors import InvalidInput
from training.models import Dataset, DatasetKind
from training.rules import artifacts
from training.rules.records import TOXICITY_SCORES, Record

Piece = TypeVar("Piece", str, bytes)
ROWS_AT_ONCE = 2000
NATIVE, TRL, PARQUET = "native", "trl", "parquet"
FORMATS = (NATIVE, TRL, PARQUET)
READINGS = ("reading", "baseline_reading")
"""What labelers took the responses of a judgement to say before they saw the prompt."""


@dataclass(frozen=True)
class PartFile:
    """A part of a dataset as a file to download, given piece by piece."""

    name: str
    content_type: str
    pieces: Iterator[str] | Iterator[bytes]


def formats_of(kind: str) -> tuple[str, ...]:
    """Return the formats that a kind of dataset can be had in: the rows of a public set fit no columns."""
    missing = {TRL: kind not in TRL_SHAPES, PARQUET: kind == DatasetKind.BENCHMARK}
    return tuple(name for name in FORMATS if not missing.get(name))


def part_file(dataset: Dataset, split: str, form: str = NATIVE) -> PartFile:
    """Return a part as a file: its lines as they were frozen, TRL's, or Parquet.

    The first piece is read at once, so that what is missing is said before anything is sent. Raises
    InvalidInput for a part or a format that there is not, FileNotFoundError where the files are gone.
    """
    if form not in formats_of(dataset.kind):
        raise InvalidInput(
            f"{dataset.get_kind_display()} have no format {form!r}; allowed is "
            f"{', '.join(formats_of(dataset.kind))}.",
            fields={"format": "unknown"},
        )
    path = path_of_part(dataset, split)
    about = f"{dataset.kind}-{dataset.hash[:12]}"
    if form == PARQUET:
        pieces = _begun(_parquet(records_in(dataset, split)))
        return PartFile(f"{about}-{split}.parquet", "application/vnd.apache.parquet", pieces)
    if form == TRL:
        lines = _begun(_lines(records_in(dataset, split, TRL)))
        return PartFile(f"{about}-trl-{path}", "application/x-ndjson", lines)
    return PartFile(f"{about}-{path}", "application/x-ndjson", _begun(_as_frozen(dataset, path)))


def path_of_part(dataset: Dataset, split: str) -> str:
    """Return the file of a part. Raises InvalidInput for a part that is not there."""
    path = next((part["path"] for part in dataset.manifest["parts"] if part["split"] == split), None)
    if path is None:
        parts = ", ".join(part["split"] for part in dataset.manifest["parts"])
        raise InvalidInput(f"{dataset} has no part {split}; it has {parts}.", fields={"split": "unknown"})
    return str(path)


def records_in(dataset: Dataset, split: str, form: str = NATIVE) -> Iterator[Record]:
    """Read a part record by record, in its own shape or in TRL's.

    TRL's are {"prompt", "completion"} for demonstrations, {"prompt", "chosen", "rejected"} for each pair of
    a ranking that is not tied, {"prompt"} for PPO prompts. Raises InvalidInput for a kind that TRL has no
    shape for, and for a part that is not there.
    """
    path = path_of_part(dataset, split)
    if form == TRL and dataset.kind not in TRL_SHAPES:
        raise InvalidInput(
            f"TRL has no shape for {dataset.get_kind_display()}; "
            f"allowed is {', '.join(formats_of(dataset.kind))}.",
            fields={"format": "unknown"},
        )
    reshape = TRL_SHAPES[dataset.kind] if form == TRL else None
    with artifacts.reading(dataset.folder, path) as file:
        for line in file:
            record = json.loads(line)
            yield from (reshape(record) if reshape else (record,))


def write_dataset(dataset: Dataset, folder: Path, form: str) -> dict[str, int]:
    """Write every part into a folder, in the format asked for. Returns the number of rows by file name."""
    folder.mkdir(parents=True, exist_ok=True)
    written = {}
    for part in dataset.manifest["parts"]:
        split = part["split"]
        if form == PARQUET:
            name = f"{split}.parquet"
            written[name] = part["rows"]
            with (folder / name).open("wb") as file:
                file.writelines(_parquet(records_in(dataset, split)))
        else:
            name = f"{split}.jsonl"
            written[name] = _write_lines(records_in(dataset, split, form), folder / name)
    return written


def _write_lines(records: Iterator[Record], path: Path) -> int:
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for line in _lines(records):
            file.write(line)
            count += 1
    return count


def _lines(records: Iterator[Record]) -> Iterator[str]:
    for record in records:
        yield json.dumps(record, ensure_ascii=False) + "\n"


def _as_frozen(dataset: Dataset, path: str) -> Iterator[str]:
    with artifacts.reading(dataset.folder, path) as file:
        yield from file


def _begun(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """Read the first piece now, and give it again before the others."""
    return itertools.chain(list(itertools.islice(pieces, 1)), pieces)


class _Outbox(io.RawIOBase):
    """Takes what is written and gives it away, so that no file is needed and nothing piles up."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: list[bytes] = []
        self._taken = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._waiting.append(bytes(data))
        self._taken += len(self._waiting[-1])
        return len(self._waiting[-1])

    def tell(self) -> int:
        return self._taken

    def take(self) -> bytes:
        """Return what has been written since the last time."""
        data = b"".join(self._waiting)
        self._waiting.clear()
        return data


def _parquet(records: Iterator[Record]) -> Iterator[bytes]:
    """Give a Parquet file piece by piece, a group of rows at a time.

    What varies from record to record (tags, flags) goes as JSON text: Parquet wants one type for a column,
    and a flag that was asked for once must not become a column for all.
    """
    import pyarrow  # only where it is asked for: it takes memory
    import pyarrow.parquet as parquet

    outbox = _Outbox()
    rows = _some(records, ROWS_AT_ONCE)
    schema = _schema(rows[0] if rows else {}, pyarrow)
    with parquet.ParquetWriter(outbox, schema) as writer:
        while rows:
            columns = {field.name: [row.get(field.name) for row in rows] for field in schema}
            writer.write_table(pyarrow.table(columns, schema=schema))
            yield outbox.take()
            rows = _some(records, ROWS_AT_ONCE)
    yield outbox.take()


def _some(records: Iterator[Record], most: int) -> list[Record]:
    return [_flat(record) for record in itertools.islice(records, most)]


def _flat(record: Mapping[str, Any]) -> Record:
    flat: Record = {}
    for name, value in record.items():
        if name == "outputs":
            flat[name] = [
                {**output, "flags": json.dumps(output.get("flags") or {}, sort_keys=True)} for output in value
            ]
        elif isinstance(value, dict) and name not in READINGS:
            flat[name] = json.dumps(value, sort_keys=True, ensure_ascii=False)
        else:
            flat[name] = value
    return flat


def _schema(row: Mapping[str, Any], pyarrow: Any) -> Any:
    """Return the columns of a part, by its first record; readings have theirs even if that one has none."""
    reading = pyarrow.struct([("text", pyarrow.string()), ("cannot_tell", pyarrow.bool_())])
    output = pyarrow.struct(
        [
            ("oid", pyarrow.string()),
            ("text", pyarrow.string()),
            ("model", pyarrow.string()),
            ("temperature", pyarrow.float64()),
            ("likert", pyarrow.int64()),
            ("rank", pyarrow.int64()),
            ("flags", pyarrow.string()),
            ("reading", reading),
        ]
    )
    whole = (
        "seconds",
        "words",
        "n_tokens",
        "round",
        "likert",
        "baseline_likert",
        "rank",
        "k",
        "prompt_toxicity",
        *TOXICITY_SCORES,
    )
    fields = []
    for name, value in row.items():
        if name == "outputs":
            kind = pyarrow.list_(output)
        elif name in READINGS:
            continue
        elif isinstance(value, list):
            kind = pyarrow.list_(pyarrow.string())
        elif isinstance(value, bool):
            kind = pyarrow.bool_()
        elif name in whole:
            kind = pyarrow.int64()
        else:
            kind = pyarrow.string()
        fields.append((name, kind))
    if "baseline_response" in row:
        fields += [(name, reading) for name in READINGS]
    return pyarrow.schema(fields)


def _trl_demonstration(record: Mapping[str, Any]) -> Iterator[Record]:
    yield {"prompt": record["prompt"], "completion": record["completion"]}


def _trl_pairs(record: Mapping[str, Any]) -> Iterator[Record]:
    for one, other in combinations(record["outputs"], 2):
        if one["rank"] != other["rank"]:
            better, worse = (one, other) if one["rank"] < other["rank"] else (other, one)
            yield {"prompt": record["prompt"], "chosen": better["text"], "rejected": worse["text"]}


def _trl_prompt(record: Mapping[str, Any]) -> Iterator[Record]:
    yield {"prompt": record["prompt"]}


TRL_SHAPES: Mapping[str, Callable[[Mapping[str, Any]], Iterator[Record]]] = {
    DatasetKind.SFT: _trl_demonstration,
    DatasetKind.COMPARISONS: _trl_pairs,
    DatasetKind.PPO_PROMPTS: _trl_prompt,
}
