"""Rows of a Parquet file, as they would stand in JSON: read a few at a time, every fault named by its row."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import Any

from labeling.errors import UnreadableFile
from labeling.rules.intake import Line

ROWS_AT_ONCE = 256
MAX_GROUP_BYTES = 1024**3
"""What a group of rows may take once it is unpacked: a small file may otherwise unfold into all memory."""


class ParquetRows:
    """The rows of a file, numbered from 1. Iterate once; `fraction` is how many have been read, 0 to 1.

    A cell without a value is left out, as an empty one of CSV is; dates and decimals are given as text, and
    columns that hold bytes (pictures, sound) are passed over. Raises UnreadableFile for what is no such file.
    """

    def __init__(self, path: Path, *, max_text_bytes: int) -> None:
        import pyarrow  # only where it is asked for: it takes memory
        import pyarrow.parquet as parquet

        self.max_text_bytes = max_text_bytes
        self._damage = (pyarrow.ArrowException, OSError, ValueError)
        try:
            self._file = parquet.ParquetFile(path)
            about = self._file.metadata
            sizes = [about.row_group(number).total_byte_size for number in range(about.num_row_groups)]
            self._columns = [field.name for field in self._file.schema_arrow if not _holds_bytes(field.type)]
        except self._damage as error:
            raise UnreadableFile(f"{path.name} is no Parquet file: {_first_line(error)}.") from error
        if max(sizes, default=0) > MAX_GROUP_BYTES:
            raise UnreadableFile(
                f"{path.name} has a group of rows of {max(sizes) >> 20} MiB; allowed is "
                f"{MAX_GROUP_BYTES >> 20}. Write it again with fewer rows in a group."
            )
        self._seen, self._count = 0, about.num_rows

    @property
    def fraction(self) -> float:
        """How much of the file has been read, 0 to 1."""
        return self._seen / self._count if self._count else 1.0

    def __iter__(self) -> Iterator[Line]:
        with self._file:
            try:
                for rows in self._batches():
                    for row in rows:
                        self._seen += 1
                        yield self._line(row)
            except self._damage as error:
                fault = f"the file is damaged from here on: {_first_line(error)}"
                yield Line(self._seen + 1, None, fault)

    def _batches(self) -> Iterator[list[dict[str, Any]]]:
        """Give rows a few at a time, group by group: a damaged group leaves those before it whole.

        Of a name that a map has twice the last value counts, as in JSON.
        """
        for group in range(self._file.num_row_groups):
            for batch in self._file.iter_batches(ROWS_AT_ONCE, row_groups=[group], columns=self._columns):
                yield batch.to_pylist(maps_as_pydicts="lossy")

    def _line(self, row: Mapping[str, Any]) -> Line:
        try:
            values = {name: self._plain(value) for name, value in row.items() if value is not None}
        except ValueError as error:
            return Line(self._seen, None, str(error))
        return Line(self._seen, values)

    def _plain(self, value: Any) -> Any:
        """Return a cell's value as JSON has it. Raises ValueError for one that JSON has no word for."""
        match value:
            case None | bool() | int():
                return value
            case str():
                if len(value) > self.max_text_bytes:
                    raise ValueError(f"longer than {self.max_text_bytes >> 20} MiB")
                return value
            case float():
                if not isfinite(value):
                    raise ValueError(f"{value} is not a JSON number")
                return value
            case dict():
                return {str(name): self._plain(given) for name, given in value.items()}
            case list():
                return [self._plain(given) for given in value]
            case datetime() | date() | time():
                return value.isoformat()
            case Decimal():
                return str(value)
        raise ValueError(f"holds {type(value).__name__}; allowed are texts, numbers, lists and structures")


def _holds_bytes(kind: Any) -> bool:
    import pyarrow

    types = pyarrow.types
    if types.is_dictionary(kind):
        return _holds_bytes(kind.value_type)
    if kind.num_fields:
        return any(_holds_bytes(kind.field(place).type) for place in range(kind.num_fields))
    return any(is_of_bytes(kind) for is_of_bytes in (
        types.is_binary, types.is_large_binary, types.is_binary_view, types.is_fixed_size_binary
    ))  # fmt: skip


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
