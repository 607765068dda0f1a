import json
from collections.abc import Callable, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.training.factories import sft_dataset, stored_model
from training.models import Run, RunState

pytestmark = pytest.mark.django_db(transaction=True)

Play = Callable[[Mapping[str, Any]], None]


def train(*args: str) -> str:
    out = StringIO()
    call_command("train", *args, stdout=out)
    return out.getvalue()


@pytest.fixture(autouse=True)
def _inputs() -> None:
    stored_model(name="tiny")
    sft_dataset()


def test_run_is_done_and_its_model_named(trainer: Play) -> None:
    trainer({"metrics": {"loss": 2.0}})
    text = train("sft", "--here", "--name", "careful", "--set", "sft.epochs=2")
    assert "loss 2" in text
    assert text.endswith("1 sft run is finished, made careful.\n")
    assert "epochs = 2" in Run.objects.get().config


def test_file_is_read_and_overridden(trainer: Play, tmp_path: Path) -> None:
    trainer({})
    (tmp_path / "mine.toml").write_text('seed = 3\n[inputs]\npolicy = "tiny"\n[sft]\nepochs = 4\n')
    report = json.loads(
        train("sft", "--config", str(tmp_path / "mine.toml"), "--set", "seed=5", "--here", "--json")
    )
    run = Run.objects.get(code=report["code"])
    assert (report["state"], run.seed) == ("finished", 5)
    assert "epochs = 4" in run.config


def test_every_wrong_setting_is_named_and_nothing_is_queued() -> None:
    with pytest.raises(CommandError) as error:
        train(
            "sft",
            "--set",
            "sft.epochs=0",
            "--set",
            "sft.foo=1",
            "--set",
            "inputs.policy=nobody",
            "--set",
            "x",
        )
    keys = [line.split()[0] for line in str(error.value).splitlines()]
    assert keys == ["sft.foo", "x", "inputs.policy", "sft.epochs"]
    assert "sft.epochs is 0; allowed is" in str(error.value)
    assert not Run.objects.exists()


def test_failed_run_is_an_error_with_its_last_words(trainer: Play) -> None:
    trainer({"crash": "no memory left"})
    with pytest.raises(CommandError, match="no memory left"):
        train("sft", "--here")
    assert Run.objects.get().state == RunState.FAILED


def test_missing_config_file_names_what_there_is() -> None:
    with pytest.raises(CommandError, match=r"there are .*tiny_sft"):
        train("sft", "--config", "nowhere.toml")


def test_missing_input_says_what_to_make_first() -> None:
    with pytest.raises(CommandError, match=r"inputs.reward has nothing to take; first make a model"):
        train("ppo")
