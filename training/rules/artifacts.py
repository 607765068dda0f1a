"""Folders that never change: datasets and models, under ARTIFACTS_URL.

A local folder is first-class: what is stored there is hard-linked into run folders, never copied. Any other
address goes through fsspec and is downloaded to where it is needed.
"""

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec
from django.conf import settings

from training.rules.storage_faults import explained

COMPLETE = ".complete"
"""Written last beside what was uploaded: without it an upload was cut off."""


@contextmanager
def drafting() -> Iterator[Path]:
    """Give an empty folder to write, near the store; `publish` keeps it, else it goes when the block ends.

    Raises Unavailable where the store is full or away.
    """
    root = _local_root()
    with explained(settings.ARTIFACTS_URL):
        if root is not None:
            draft = root / f".draft-{uuid.uuid4().hex}"
            draft.mkdir(parents=True)
        else:
            draft = Path(tempfile.mkdtemp(prefix="instructloop-artifact-", dir=settings.DATA_DIR))
        try:
            yield draft
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def store(folder: Path, name: str) -> None:
    """Keep a copy of a folder under a name. Does nothing where the name is taken: artifacts never change."""
    if not exists(name):
        with drafting() as draft:
            link_folder(folder, draft)
            publish(draft, name)


def exists(name: str) -> bool:
    """Return whether a whole artifact of this name is stored."""
    root = _local_root()
    if root is not None:
        return (root / name).is_dir()
    filesystem, address = _remote()
    return bool(filesystem.exists(f"{address}/{name}/{COMPLETE}"))


def place(name: str, target: Path, *, may_link: bool = True) -> None:
    """Put an artifact's files into a folder: hard links from a local store, downloads from elsewhere.

    Whoever may change the files asks for copies (`may_link=False`). Raises FileNotFoundError if nothing is
    stored under the name.
    """
    if not exists(name):
        raise FileNotFoundError(f"{settings.ARTIFACTS_URL} has no {name}; was it moved or deleted?")
    root = _local_root()
    target.mkdir(parents=True, exist_ok=True)
    if root is not None:
        if may_link:
            link_folder(root / name, target)
        else:
            shutil.copytree(root / name, target, dirs_exist_ok=True)
        return
    filesystem, address = _remote()
    filesystem.get(f"{address}/{name}/", f"{target}/", recursive=True)
    (target / COMPLETE).unlink(missing_ok=True)


def delete(name: str) -> None:
    """Delete an artifact for ever; one that is not there is no error."""
    root = _local_root()
    if root is not None:
        if (root / name).is_dir():
            doomed = root / f".deleted-{uuid.uuid4().hex}"
            (root / name).rename(doomed)  # gone at once for others, whatever happens to us now
            shutil.rmtree(doomed, ignore_errors=True)
        return
    filesystem, address = _remote()
    if filesystem.exists(f"{address}/{name}"):
        filesystem.rm(f"{address}/{name}", recursive=True)


def size_of(name: str) -> int:
    """Return how many bytes an artifact takes, 0 where it is not stored."""
    if not exists(name):
        return 0
    root = _local_root()
    if root is not None:
        return sum(path.stat().st_size for path in (root / name).rglob("*") if path.is_file())
    filesystem, address = _remote()
    return int(filesystem.du(f"{address}/{name}"))


@contextmanager
def reading(name: str, file_name: str) -> Iterator[Any]:
    """Open a text file of an artifact. Raises FileNotFoundError if it is not there."""
    root = _local_root()
    if root is not None:
        with (root / name / file_name).open(encoding="utf-8") as file:
            yield file
        return
    filesystem, address = _remote()
    with filesystem.open(f"{address}/{name}/{file_name}", "rt", encoding="utf-8") as file:
        yield file


def local_folder(name: str) -> Path | None:
    """Return the folder of an artifact to read from, None where the store is not on this machine.

    Raises FileNotFoundError if nothing is stored under the name.
    """
    root = _local_root()
    if root is not None and not exists(name):
        raise FileNotFoundError(f"{settings.ARTIFACTS_URL} has no {name}; was it moved or deleted?")
    return None if root is None else root / name


def link_folder(source: Path, target: Path) -> None:
    """Fill a folder with hard links to another's files; copies where the two are on different devices."""
    for path in sorted(source.rglob("*")):
        place_at = target / path.relative_to(source)
        if path.is_dir():
            place_at.mkdir(parents=True, exist_ok=True)
        elif not place_at.exists():
            place_at.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(path.resolve(), place_at)
            except OSError:
                shutil.copyfile(path, place_at)


def publish(draft: Path, name: str) -> None:
    """Make a draft appear under its name, whole or not at all."""
    root = _local_root()
    if root is not None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        try:
            draft.rename(root / name)
        except OSError:
            if not exists(name):
                raise  # not because another process stored the same artifact first
        return
    filesystem, address = _remote()
    filesystem.makedirs(f"{address}/{name}", exist_ok=True)
    filesystem.put(f"{draft}/", f"{address}/{name}/", recursive=True)
    filesystem.pipe_file(f"{address}/{name}/{COMPLETE}", b"")


def _local_root() -> Path | None:
    """Return the store's folder, or None where it is no local one."""
    url = settings.ARTIFACTS_URL
    if url.startswith("file://"):
        return Path(fsspec.core.url_to_fs(url)[1])
    return None if "://" in url else Path(url)


def _remote() -> tuple[Any, str]:
    filesystem, address = fsspec.core.url_to_fs(settings.ARTIFACTS_URL)
    return filesystem, str(address).rstrip("/")
