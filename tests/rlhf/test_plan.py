"""The plan of a large run: what is counted, and that the page shows what the command says."""

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from training.rlhf.config import PpoConfig, parse_config
from training.rlhf.plan import Job, Shape, main, table

SEVEN = Job(Shape(7), Shape(7))
PAGE = Path(__file__).parents[2] / "docs/scaling.md"


def test_the_page_shows_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert main(["--policy", "7", "--reward", "7", "--gpus", "16", "--sampling-rows", "16"]) == 0
    assert capsys.readouterr().out.strip() in text
    assert "| pretraining term |" in text
    assert table(replace(SEVEN, ptx_per_episode=8, sampling_rows=16)).split("\n\n")[1] in text


def test_a_trained_parameter_costs_sixteen_bytes_a_frozen_one_four() -> None:
    parts = replace(SEVEN, gpus=1, parallel="ddp").memory_by_part()
    gib = 7e9 / 2**30
    assert parts["policy: weights, gradients, Adam"] == pytest.approx(16 * gib)
    assert parts["reference (frozen)"] == pytest.approx(4 * gib)
    assert parts["whole policy while sampling"] == 0.0


def test_sharing_divides_weights_and_repeats_nothing_under_fsdp() -> None:
    one, many = (replace(SEVEN, gpus=n).memory_by_part() for n in (2, 16))
    for name in ("policy: weights, gradients, Adam", "reward model (frozen)"):
        assert one[name] == pytest.approx(8 * many[name])


def test_what_does_not_fit_is_said_with_an_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--gpus", "8"]) == 1
    assert "It does not fit" in capsys.readouterr().out
    assert (
        main(
            [
                "--gpus",
                "8",
                "--reward",
                "1.3",
                "--prompt",
                "256",
                "--response",
                "256",
                "--sampling-rows",
                "32",
            ]
        )
        == 0
    )


def test_what_is_decoded_with_is_counted_and_fewer_rows_at_once_take_longer() -> None:
    parts = SEVEN.memory_by_part()
    assert parts["its bfloat16 copy while sampling"] == pytest.approx(2 * 7e9 / 2**30)
    alone = replace(SEVEN, gpus=1, parallel="ddp").memory_by_part()
    assert alone["its bfloat16 copy while sampling"] == parts["its bfloat16 copy while sampling"]
    assert SEVEN.peak_memory() > 0.9 * SEVEN.memory  # all 32 rows of a GPU at once
    fewer = replace(SEVEN, sampling_rows=16)
    assert fewer.peak_memory() < 0.9 * SEVEN.memory
    name = "keys and values while sampling"
    assert fewer.memory_by_part()[name] == pytest.approx(parts[name] / 2)
    name = "sampling: one token after the other"
    assert fewer.seconds_by_part()[name] == pytest.approx(2 * SEVEN.seconds_by_part()[name])


def test_the_shipped_run_of_that_size_is_the_plan() -> None:
    path = PAGE.parents[1] / "training/rlhf/configs/many_fsdp_ppo.toml"
    config = parse_config("ppo", tomllib.loads(path.read_text(encoding="utf-8")))
    assert isinstance(config, PpoConfig)
    assert (config.processes, config.ppo.sampling_rows, config.ppo.microbatch_size) == (16, 16, 4)
    assert (config.lengths.max_prompt_tokens, config.lengths.max_response_tokens) == (512, 512)


def test_shapes_are_those_of_models_of_that_size() -> None:
    for billions in (0.16, 1.3, 7, 13, 70):
        shape = Shape(billions)
        assert 12 * shape.layers * shape.width**2 == pytest.approx(shape.parameters, rel=0.12)
