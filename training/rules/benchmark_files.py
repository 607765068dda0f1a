"""Files of public evaluation sets: read line by line, named by their checksum."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from labeling.errors import InvalidInput, UnreadableFile
from labeling.models import User
from labeling.rules.row_files import RowFile
from training.models import Dataset
from training.rules.benchmark_passages import Row
from training.rules.benchmarks import import_benchmark


def import_benchmark_file(
    *,
    key: str,
    path: Path,
    examples: Path | None = None,
    form: str = "",
    name: str = "",
    license: str = "",
    by: User | None = None,
) -> tuple[Dataset, list[str]]:
    """Freeze the questions of a file; see `import_benchmark`. Raises InvalidInput where it cannot be read."""
    faults: list[str] = []
    for given in (path, examples):
        if given is not None and not given.is_file():
            raise InvalidInput(f"{given} is not a file.", fields={"file": "not a file"})
    try:
        about = {"file": path.name, "sha256": _sha256(path), "license": license}
        if examples is not None:
            about |= {"examples": examples.name, "examples_sha256": _sha256(examples)}
        dataset, refused = import_benchmark(
            key=key,
            rows=_rows(path, faults),
            examples=_rows(examples, faults) if examples else (),
            form=form,
            name=name,
            about=about,
            by=by,
        )
    except (UnreadableFile, OSError) as error:
        raise InvalidInput(str(error), fields={"file": "unreadable"}) from error
    return dataset, [*faults, *refused]


def keep_file(*, folder: Path, name: str, pieces: Iterable[bytes]) -> Path:
    """Write what came over the web where it can be read like any file; only the end of its name is taken."""
    folder.mkdir()
    path = folder / Path(name).name
    with path.open("wb") as file:
        file.writelines(pieces)
    return path


def _rows(path: Path, faults: list[str]) -> Iterator[tuple[int, Row]]:
    for line in RowFile(path):
        if line.fault or line.values is None:
            faults.append(f"line {line.number}: {line.fault}")
        else:
            yield line.number, line.values


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
