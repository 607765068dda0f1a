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
def test_shipped_config_states_source_command_hardware_and_expected_result(path: Path) -> None:
    header = path.read_text(encoding="utf-8").split("\n\n")[0]
    stage = str(tomllib.loads(path.read_text(encoding="utf-8"))["stage"])

    assert all(line.startswith("#") for line in header.splitlines())
    assert "arXiv" in header or "# Source: " in header
    assert f"-m training.rlhf {stage} --config" in header
    for part in ("# Launch: ", "# Hardware: ", "# Expect: "):
        assert header.count(part) == 1
