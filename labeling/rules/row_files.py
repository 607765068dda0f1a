"""Files of rows, JSONL or CSV (plain or gzipped) or Parquet: read as a stream, faults named by their line."""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NoReturn

from labeling.errors import UnreadableFile
from labeling.rules.intake import Line
from labeling.rules.parquet_rows import ParquetRows

MAX_LINE_BYTES = 8 * 1024 * 1024
JSON_ENDINGS = (".jsonl", ".json", ".ndjson")
CSV_ENDING, PARQUET_ENDING = ".csv", ".parquet"
ENDINGS_IN_WORDS = ".jsonl or .csv, or one of these and .gz, or .parquet"
DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error)


def is_named_as_rows(name: str) -> bool:
    """Tell by a file's name whether it is one that can be read here."""
    plain = name.lower()
    return plain.endswith(PARQUET_ENDING) or plain.removesuffix(".gz").endswith((*JSON_ENDINGS, CSV_ENDING))


class RowFile:
    """The lines of a file. Iterate once; `fraction` is how much of it has been read, 0 to 1."""

    def __init__(self, path: Path) -> None:
        name = path.name.lower().removesuffix(".gz")
        if not path.is_file():
            raise UnreadableFile(f"{path} is not a file.")
        if not is_named_as_rows(path.name):
            raise UnreadableFile(f"{path.name} must end in {ENDINGS_IN_WORDS}.")
        self.path = path
        self.is_csv = name.endswith(CSV_ENDING)
        self._parquet = (
            ParquetRows(path, max_text_bytes=MAX_LINE_BYTES) if name.endswith(PARQUET_ENDING) else None
        )
        self.size = path.stat().st_size
        self._raw: IO[bytes] | None = None

    @property
    def fraction(self) -> float:
        """How much of the file has been read, 0 to 1."""
        if self._parquet is not None:
            return self._parquet.fraction
        if self._raw is None or self._raw.closed or not self.size:
            return 1.0
        return min(1.0, self._raw.tell() / self.size)

    def __iter__(self) -> Iterator[Line]:
        if self._parquet is not None:
            yield from self._parquet
            return
        try:
            self._raw = self.path.open("rb")
        except OSError as error:
            raise UnreadableFile(f"{self.path} cannot be read: {error.strerror}.") from error
        with self._raw as raw:
            is_gzip = self.path.name.lower().endswith(".gz")
            stream = io.BufferedReader(gzip.GzipFile(fileobj=raw)) if is_gzip else raw
            yield from _csv_lines(stream) if self.is_csv else _json_lines(stream)


def _json_lines(stream: IO[bytes]) -> Iterator[Line]:
    for number, text, fault in _text_lines(stream):
        if fault:
            yield Line(number, None, fault)
        elif text.strip():
            yield _json_line(number, text)


def _json_line(number: int, text: str) -> Line:
    try:
        values = json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        return Line(number, None, f"not JSON: {error.msg.removesuffix(' at')} at character {error.pos + 1}")
    except ValueError as error:
        return Line(number, None, f"not JSON: {error}")
    except RecursionError:
        return Line(number, None, "nested too deeply")
    if not isinstance(values, dict):
        return Line(number, None, f"a row is an object of named values, this is {type(values).__name__}")
    return Line(number, values)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _csv_lines(stream: IO[bytes]) -> Iterator[Line]:
    """Yield rows by the number of their first line; a field may hold line breaks."""
    csv.field_size_limit(MAX_LINE_BYTES)
    source = _CsvSource(stream)
    reader = csv.reader(source, strict=True)
    header: list[str] | None = None
    while True:
        number = source.number + 1
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            yield Line(number, None, f"not CSV: {error}")
            source.fault = ""
            reader = csv.reader(source, strict=True)
            continue
        fault, source.fault = source.fault, ""
        if fault:
            yield Line(number, None, fault)
        elif header is None:
            header = [name.strip() for name in cells]
        elif cells:
            yield _csv_line(number, header, cells)


def _csv_line(number: int, header: list[str], cells: list[str]) -> Line:
    if len(cells) != len(header):
        return Line(number, None, f"has {len(cells)} cells where the heading has {len(header)}")
    values: dict[str, Any] = {name: cell for name, cell in zip(header, cells, strict=True) if cell != ""}
    return Line(number, values)


class _CsvSource:
    """Text lines for the CSV reader; remembers where it is and what was wrong with the bytes."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.lines = _text_lines(stream)
        self.number = 0
        self.fault = ""

    def __iter__(self) -> "_CsvSource":
        return self

    def __next__(self) -> str:
        self.number, text, fault = next(self.lines)
        self.fault = self.fault or fault
        return text.replace("\x00", "\ufffd") if fault else text


def _text_lines(stream: IO[bytes]) -> Iterator[tuple[int, str, str]]:
    """Yield number, text and fault of each line; a line that is too long is passed over."""
    number = 0
    while True:
        number += 1
        try:
            data = stream.readline(MAX_LINE_BYTES + 1)
            if not data:
                return
            if len(data) > MAX_LINE_BYTES:
                while data and not data.endswith(b"\n"):
                    data = stream.readline(MAX_LINE_BYTES)
                yield number, "", f"longer than {MAX_LINE_BYTES // 1024**2} MiB"
                continue
        except DAMAGED as error:
            yield number, "", f"the compressed file is damaged from here on: {error}"
            return
        if number == 1:
            data = data.removeprefix(b"\xef\xbb\xbf")
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            yield number, "", f"not UTF-8 at byte {error.start + 1}"
            continue
        yield number, text, "contains a NUL character" if "\x00" in text else ""
