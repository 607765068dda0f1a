import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tests.training.factories import demonstration
from training.models import Dataset

pytestmark = pytest.mark.django_db


def export(*args: str) -> str:
    out = StringIO()
    call_command("export_dataset", *args, stdout=out)
    return out.getvalue()


def test_code_hash_and_counts_are_printed() -> None:
    demonstration()
    demonstration(text="")
    text = export("sft")
    dataset = Dataset.objects.get()
    assert f"code {dataset.code}" in text
    assert f"hash {dataset.hash}" in text
    assert text.endswith("Froze 1 record (1 train); left out: 1 empty.\n")


def test_files_are_copied_out_and_are_nobody_elses(tmp_path: Path) -> None:
    demonstration()
    report = json.loads(export("sft", "--out", str(tmp_path / "out"), "--json"))
    assert report["rows"] == 1
    assert (tmp_path / "out" / "train.jsonl").stat().st_nlink == 1
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["hash"] == report["hash"]


def test_folder_that_is_not_empty_is_left_alone(tmp_path: Path) -> None:
    demonstration()
    (tmp_path / "mine").touch()
    with pytest.raises(CommandError, match="not empty"):
        export("sft", "--out", str(tmp_path))
    assert not Dataset.objects.exists()


def test_nothing_to_freeze_is_an_error() -> None:
    with pytest.raises(CommandError, match="no row may be taken"):
        export("comparisons")


def test_files_are_written_in_the_shape_that_trl_reads(tmp_path: Path) -> None:
    demonstration(text="Sleep early.")
    report = json.loads(export("sft", "--out", str(tmp_path / "out"), "--format", "trl", "--json"))
    assert report["format"] == "trl"
    record = json.loads((tmp_path / "out" / "train.jsonl").read_text())
    assert record.keys() == {"prompt", "completion"}


def test_a_format_without_a_folder_is_refused() -> None:
    demonstration()
    with pytest.raises(CommandError, match="name a folder with --out"):
        export("sft", "--format", "parquet")
