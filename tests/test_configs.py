"""Every run that is shipped can be loaded, and says how to be launched."""

import tomllib
from pathlib import Path

import pytest

from training.rlhf.config import dump_config, load_config, parse_config, to_mapping

CONFIGS = sorted((Path(__file__).resolve().parents[1] / "training" / "rlhf" / "configs").glob("*.toml"))


def test_there_are_shipped_configs() -> None:
    names = {path.stem.partition("_")[0] for path in CONFIGS}

    assert len(CONFIGS) > 0
    assert {"tiny", "paper"} <= names


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_shipped_config_loads_and_survives_a_round_trip(path: Path) -> None:
    config = load_config(path)
    stage = str(tomllib.loads(path.read_text(encoding="utf-8"))["stage"])

    assert to_mapping(config)["stage"] == stage
    assert parse_config(stage, tomllib.loads(dump_config(config))) == config


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_shipped_config_states_how_it_is_launched(path: Path) -> None:
    header = path.read_text(encoding="utf-8").split("\n\n")[0]

    assert header.startswith("#")
    assert "python -m training.rlhf" in path.read_text(encoding="utf-8")
