"""Lengths of runs whose policy reads less than the paper's."""

import pytest

from tests.training.factories import sft_dataset, sft_run, stored_model
from training.models import Run
from training.rlhf.config import ConfigError, to_mapping
from training.rules import runs
from training.rules.run_inputs import Input
from training.rules.run_lengths import context_of, lengths_for

pytestmark = pytest.mark.django_db


def test_context_is_read_where_the_model_says_it() -> None:
    assert context_of(stored_model(context=128)) == 128
    assert context_of(stored_model()) is None
    assert context_of(None) is None


def test_lengths_left_out_are_halves_of_a_small_context() -> None:
    assert lengths_for("sft", stored_model(context=129)) == {
        "max_prompt_tokens": 65,
        "max_response_tokens": 64,
    }


def test_lengths_left_out_are_those_that_made_the_policy() -> None:
    run = sft_run({"lengths": {"max_prompt_tokens": 64, "max_response_tokens": 32}})
    made = stored_model("sft", context=128, run=run)
    assert lengths_for("sample", made) == {"max_prompt_tokens": 64, "max_response_tokens": 32}


def test_defaults_stay_where_the_policy_reads_them() -> None:
    assert lengths_for("sft", stored_model(context=2048)) == {}
    assert lengths_for("pretrain", None) == {}


def test_run_without_lengths_fits_its_policy() -> None:
    inputs: dict[str, Input] = {"policy": stored_model(context=128), "dataset": sft_dataset()}
    run = runs.create_run(stage="sft", config={}, inputs=inputs)
    assert "max_prompt_tokens = 64\nmax_response_tokens = 64" in run.config


def test_lengths_that_the_policy_cannot_read_are_refused_before_the_run_is_queued() -> None:
    inputs: dict[str, Input] = {"policy": stored_model(name="small", context=128), "dataset": sft_dataset()}
    with pytest.raises(ConfigError) as error:
        runs.create_run(stage="sft", config={"lengths": {"max_prompt_tokens": 100}}, inputs=inputs)
    assert error.value.problems == [
        "lengths.max_prompt_tokens is 100 and lengths.max_response_tokens is 1024; allowed is 128 together, "
        "which is what small reads."
    ]
    assert not Run.objects.exists()


def test_lengths_that_any_model_of_a_run_cannot_read_are_refused_with_its_name() -> None:
    wide, narrow = stored_model("sft", context=2048), stored_model("reward", name="narrow", context=64)
    inputs: dict[str, Input] = {"policy": wide, "reward": narrow, "prompts": sft_dataset()}
    with pytest.raises(ConfigError, match="allowed is 64 together, which is what narrow reads"):
        runs.create_run(stage="sample", config={}, inputs=inputs)


def test_lengths_of_an_evaluation_without_policy_fit_its_reward_model() -> None:
    narrow = stored_model("reward", name="narrow", context=64)
    config = runs.check_config(stage="evaluate", config={}, inputs={"reward": narrow})
    assert to_mapping(config)["lengths"] == {"max_prompt_tokens": 32, "max_response_tokens": 32}
