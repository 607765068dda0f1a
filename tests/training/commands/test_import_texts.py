import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from training.models import Dataset, DatasetKind

pytestmark = pytest.mark.django_db


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "stories.jsonl"
    lines = ['{"text": "Once upon a time."}', '{"txt": "x"}', '{"text": 3}', "nonsense", '{"text": " "}']
    path.write_text("\n".join([*lines, '{"text": "The end.", "corpus": "tales"}']), encoding="utf-8")
    return path


def take(*args: str) -> tuple[str, str]:
    out, errors = StringIO(), StringIO()
    call_command("import_texts", *args, "--name", "stories", stdout=out, stderr=errors)
    return out.getvalue(), errors.getvalue()


def test_texts_become_a_dataset_and_broken_lines_are_named(file: Path) -> None:
    out, errors = take(str(file))
    dataset = Dataset.objects.get()
    assert (dataset.kind, dataset.rows) == (DatasetKind.PRETRAIN, 2)
    assert f"hash {dataset.hash}" in out
    assert out.endswith("Froze 2 texts (2 train); refused 4 lines.\n")
    assert [line.split(":")[0] for line in errors.splitlines()] == ["line 2", "line 3", "line 4", "line 5"]


def test_report_for_machines_has_code_hash_and_refusals(file: Path) -> None:
    report = json.loads(take(str(file), "--json")[0])
    assert report["hash"] == Dataset.objects.get().hash
    assert report["refusals"][0] == 'line 2: "text" is missing; allowed is a text'


def test_strict_takes_all_or_nothing(file: Path) -> None:
    with pytest.raises(CommandError, match="4 lines were refused"):
        take(str(file), "--strict")
    assert not Dataset.objects.exists()


def test_file_without_any_text_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("nonsense")
    with pytest.raises(CommandError, match="no row may be taken"):
        take(str(tmp_path / "empty.jsonl"))
    with pytest.raises(CommandError, match="is not a file"):
        take(str(tmp_path / "missing.jsonl"))
