"""The plan of a large run: what is counted, and that the page shows what the command says."""

from dataclasses import replace
from pathlib import Path

import pytest

from training.rlhf.plan import Job, Shape, main, table

SEVEN = Job(Shape(7), Shape(7))
PAGE = Path(__file__).parents[2] / "docs/scaling.md"


def test_the_page_shows_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert main(["--policy", "7", "--reward", "7", "--gpus", "16"]) == 0
    assert capsys.readouterr().out.strip() in text
    assert "| pretraining term |" in text
    assert table(replace(SEVEN, ptx_per_episode=8)).split("\n\n")[1] in text


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
    assert main(["--gpus", "8", "--reward", "1.3", "--prompt", "256", "--response", "256"]) == 0


def test_shapes_are_those_of_models_of_that_size() -> None:
    for billions in (0.16, 1.3, 7, 13, 70):
        shape = Shape(billions)
        assert 12 * shape.layers * shape.width**2 == pytest.approx(shape.parameters, rel=0.12)
