import pytest

from training.demo.plan import Plan
from training.rlhf.config import SftConfig, apply_overrides, parse_config, shipped_config, to_mapping
from training.rules.round_settings import DEFAULTS


@pytest.mark.parametrize("base_model", ["", "some/folder"])
def test_every_override_fits_the_shipped_config_of_its_stage(base_model: str) -> None:
    plan = Plan(seed=7, base_model=base_model)

    for stage, name in plan.configs.items():
        changed = parse_config(
            stage, apply_overrides(to_mapping(shipped_config(name)), plan.overrides_for(stage))
        )
        assert changed.seed == 7


def test_real_weights_are_trained_at_smaller_rates_than_tiny_ones() -> None:
    tiny, real = (
        parse_config(
            "sft", apply_overrides(to_mapping(shipped_config("tiny_sft")), plan.overrides_for("sft"))
        )
        for plan in (Plan(), Plan(base_model="some/folder"))
    )

    assert isinstance(tiny, SftConfig)
    assert isinstance(real, SftConfig)
    assert real.optim.learning_rate < tiny.optim.learning_rate / 10


def test_the_settings_of_the_demos_round_are_settings_of_a_round() -> None:
    assert set(Plan().round_settings()) <= set(DEFAULTS)
