"""Datasets and models under ARTIFACTS_URL: a folder, or anything that fsspec reaches."""

from pathlib import Path
from typing import Any

import fsspec
import pytest

from training.rules import artifacts


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, settings: Any, tmp_path: Path) -> str:
    url = (tmp_path / "store").as_uri() if request.param == "file" else "memory://store"
    settings.ARTIFACTS_URL = url
    settings.DATA_DIR = tmp_path
    fsspec.filesystem("memory").store.clear()
    return str(request.param)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model" / "part").mkdir(parents=True)
    (tmp_path / "model" / "config.json").write_text("{}")
    (tmp_path / "model" / "part" / "weights").write_bytes(b"1234")
    return tmp_path / "model"


def test_stored_folder_comes_back_whole(store: str, folder: Path, tmp_path: Path) -> None:
    artifacts.store(folder, "models/a")
    artifacts.place("models/a", tmp_path / "out")
    assert (tmp_path / "out" / "config.json").read_text() == "{}"
    assert (tmp_path / "out" / "part" / "weights").read_bytes() == b"1234"
    with artifacts.reading("models/a", "config.json") as file:
        assert file.read() == "{}"


def test_stored_folder_never_changes(store: str, folder: Path, tmp_path: Path) -> None:
    artifacts.store(folder, "models/a")
    (folder / "new").write_text("later")
    artifacts.store(folder, "models/a")
    artifacts.place("models/a", tmp_path / "out")
    assert not (tmp_path / "out" / "new").exists()


def test_draft_that_breaks_leaves_nothing(store: str, tmp_path: Path) -> None:
    def draft_and_break() -> None:
        with artifacts.drafting() as draft:
            (draft / "half").write_text("half")
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        draft_and_break()
    assert not artifacts.exists("models/a")
    assert list((tmp_path / "store").glob("*")) == [] if store == "file" else True


def test_missing_artifact_names_itself(store: str, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="has no models/gone"):
        artifacts.place("models/gone", tmp_path / "out")


def test_local_files_are_hard_links(settings: Any, folder: Path, tmp_path: Path) -> None:
    settings.ARTIFACTS_URL = str(tmp_path / "plain")
    artifacts.store(folder, "models/a")
    artifacts.place("models/a", tmp_path / "out")
    assert (tmp_path / "out" / "config.json").stat().st_nlink == 3
