"""The floor: what is counted is what a hand counts."""

from __future__ import annotations

import pytest

from benchmarks import floor, ppo_arms, training_core

LAYERS, WIDTH, VOCABULARY = 2, 128, 4096
WEIGHTS = LAYERS * (12 * WIDTH * WIDTH + 13 * WIDTH) + 2 * WIDTH  # biases and norms count as weights
TAIL = 9 * WIDTH * WIDTH + 6 * WIDTH  # of a layer: attention's output and the feed-forward part, with biases


@pytest.fixture
def tiny() -> floor.Counted:
    return floor.Counted("tiny", "gpt2")


def test_a_pass_is_counted_as_by_hand(tiny: floor.Counted) -> None:
    found = tiny.forward([3, 1], outputs=2)
    attention = 4 * LAYERS * WIDTH * (6 + 1)
    assert found == 2 * WEIGHTS * 4 + attention + 2 * 2 * VOCABULARY * WIDTH
    assert tiny.forward([3, 1], read=1, outputs=2) == found - 2 * TAIL * 3


def test_a_ranking_reads_its_prompt_once_and_all_pairs_read_it_for_each(tiny: floor.Counted) -> None:
    nine = floor.ranking(tiny, k=9)
    assert nine.opponent / nine.ours > 13824 / 704  # tokens alone; attention and the last layer add to it
    assert nine.opponent / nine.ours < 1.6 * 13824 / 704


def test_an_episode_is_four_epochs_of_two_models_and_what_scores(tiny: floor.Counted) -> None:
    fixed, early = (floor.episode(tiny, early=early) for early in (False, True))
    full = tiny.forward([96])
    logits = 2 * VOCABULARY * WIDTH
    decoded = tiny.forward([95]) + 32 * logits
    assert fixed.opponent == pytest.approx(decoded + 27 * full + 13 * 96 * logits)
    assert early.opponent == pytest.approx(fixed.opponent)  # it decodes and reads to the limit
    part = tiny.forward([95], read=32)
    units = 2 + 12 * 2 + 1 - 2 * ppo_arms.KEPT * ppo_arms.MICROBATCH / ppo_arms.EPISODES
    logits_read = (2 + 12 - ppo_arms.KEPT * ppo_arms.MICROBATCH / ppo_arms.EPISODES) * 32 * logits
    scored = tiny.forward([96], read=1)
    assert fixed.ours == pytest.approx(decoded + units * part + scored + logits_read)
    assert early.ours < fixed.ours


def test_samples_of_a_prompt_share_its_pass(tiny: floor.Counted) -> None:
    one, eight = (floor.new_token(tiny, n=n) for n in (1, 8))
    assert one.ours == one.opponent == eight.opponent
    assert one.ours - eight.ours == pytest.approx(tiny.forward([128]) * 56 / 4096)
    assert eight.cache_bytes < one.cache_bytes


def test_every_row_of_the_training_core_is_counted() -> None:
    assert floor.COUNTS.keys() == training_core.ROWS.keys()


def test_a_row_in_bfloat16_is_refused_where_it_is_emulated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_core, "bfloat16_slowdown", lambda: 50.0)
    found = training_core.measure("sft_bf16", repeats=1, device="cpu", shape="tiny", architecture="gpt2")
    assert [each["passed"] for each in found["bars"]] == [False]
    assert "emulates bfloat16" in found["bars"][0]["what"]


def test_an_arm_says_which_share_of_the_devices_rate_it_reached() -> None:
    counted = floor.Floor(2e9, 6e9)
    timed = {"per_cpu_second": {"median": 10.0}, "per_wall_second": {"median": 5.0}}
    assert training_core.utilisation("ours, fp32", timed, counted, 1e11) == {
        "gigaflop_per_unit": 2,
        "mfu": 0.2,
    }
    on_gpu = {**timed, "gpu": "a GPU"}
    assert training_core.utilisation("trl", on_gpu, counted, 1e11) == {"gigaflop_per_unit": 6, "mfu": 0.3}
