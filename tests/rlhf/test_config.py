"""The config: everything wrong is said, what is written reads back equal."""

from pathlib import Path

import pytest

from training.rlhf import config as configs
from training.rlhf.config import (
    STAGES,
    ConfigError,
    apply_overrides,
    describe,
    dump_config,
    load_config,
    parse_config,
)


@pytest.mark.parametrize("stage", STAGES)
def test_defaults_of_every_stage_survive_a_round_trip(stage: str, tmp_path: Path) -> None:
    config = parse_config(stage, {})
    path = tmp_path / "run.toml"
    path.write_text(dump_config(config))
    assert load_config(path) == config


def test_changed_values_survive_a_round_trip(tmp_path: Path) -> None:
    given = {
        "seed": 7,
        "inputs": {"pretrain": 'odd "path"\\é😀', "policy": "gpt2"},
        "ppo": {"ptx_coef": 27.8, "missing_eos_score": -3, "whiten_advantages": False},
        "optim": {"betas": [0.9, 0.99], "learning_rate": 1e-7},
    }
    config = parse_config("ppo", given)
    path = tmp_path / "run.toml"
    path.write_text(dump_config(config), encoding="utf-8")
    again = load_config(path)
    assert again == config
    assert isinstance(again, configs.PpoConfig)
    assert again.ppo.missing_eos_score == -3.0
    assert again.optim.betas == (0.9, 0.99)


def test_every_problem_is_reported_at_once_with_value_and_what_is_allowed() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(
            "ppo",
            {"seed": "one", "ppo": {"kl_coeff": 1, "clip": -1, "gamma": True}, "optim": {"betas": [0.9]}},
        )
    text = str(caught.value)
    assert len(caught.value.problems) == 5
    assert 'seed is "one"; allowed is a whole number from 0' in text
    assert "ppo.kl_coeff is not a known setting; did you mean ppo.kl_coef?" in text
    assert "ppo.clip is -1; allowed is a number, 0 or more." in text
    assert "ppo.gamma is true" in text
    assert "optim.betas is [0.9]; allowed is a list of 2 numbers" in text


def test_limit_is_written_in_full() -> None:
    with pytest.raises(ConfigError, match=r"allowed is a whole number from 0 to 2147483647\."):
        parse_config("sft", {"seed": -1})


def test_key_like_no_other_names_the_settings_of_its_section() -> None:
    with pytest.raises(
        ConfigError, match=r"sft\.foo is not a known setting; sft has epochs, minibatch_size, "
    ):
        parse_config("sft", {"sft": {"foo": 3}})


def test_key_in_the_wrong_section_names_the_right_one() -> None:
    with pytest.raises(ConfigError, match=r"did you mean optim\.learning_rate\?"):
        parse_config("sft", {"learning_rate": 1e-5})


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_numbers_must_be_finite(number: float) -> None:
    with pytest.raises(ConfigError, match=r"optim\.learning_rate"):
        parse_config("sft", {"optim": {"learning_rate": number}})


def test_whole_numbers_are_accepted_where_floats_are_asked_but_not_the_reverse() -> None:
    config = parse_config("ppo", {"ppo": {"kl_coef": 1}})
    assert isinstance(config, configs.PpoConfig)
    assert isinstance(config.ppo.kl_coef, float)
    with pytest.raises(ConfigError, match="a whole number"):
        parse_config("ppo", {"ppo": {"iterations": 1.5}})


def test_sizes_that_do_not_divide_are_refused_with_a_divisor() -> None:
    with pytest.raises(
        ConfigError, match=r"ppo\.minibatch_size 48 does not divide .* 512; choose a divisor such as 32"
    ):
        parse_config("ppo", {"ppo": {"minibatch_size": 48, "microbatch_size": 16}})


def test_ptx_without_pretraining_text_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"inputs\.pretrain is missing"):
        parse_config("ppo", {"ppo": {"ptx_coef": 27.8}})
    with pytest.raises(ConfigError, match=r"inputs\.pretrain is missing"):
        parse_config("sft", {"sft": {"pretrain_fraction": 0.1}})


def test_stage_must_be_known_and_must_match() -> None:
    with pytest.raises(ConfigError, match="stage is 'grpo'; allowed is one of pretrain, sft"):
        parse_config("grpo", {})
    with pytest.raises(ConfigError, match="stage is"):
        parse_config("sft", {"stage": "ppo"})


def test_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        load_config(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("= 3")
    with pytest.raises(ConfigError, match=r"bad\.toml is not valid TOML"):
        load_config(tmp_path / "bad.toml")


def test_overrides_are_typed_and_leave_the_original_alone() -> None:
    mapping = {"stage": "ppo", "ppo": {"clip": 0.1}}
    changed = apply_overrides(
        mapping, ["ppo.kl_coef=0.05", "seed = 3", "inputs.policy=gpt2", "optim.betas=[0.8, 0.9]"]
    )
    assert changed["ppo"] == {"clip": 0.1, "kl_coef": 0.05}
    assert changed["seed"] == 3
    assert changed["inputs"]["policy"] == "gpt2"
    assert changed["optim"]["betas"] == [0.8, 0.9]
    assert mapping == {"stage": "ppo", "ppo": {"clip": 0.1}}
    parse_config("ppo", changed)


def test_unknown_override_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"ppo\.kl is not a known setting") as caught:
        apply_overrides({"stage": "ppo"}, ["ppo.kl=1", "seed"])
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize("stage", STAGES)
def test_every_setting_has_help_and_its_default_is_allowed(stage: str) -> None:
    fields = describe(stage)
    assert len({field.key for field in fields}) == len(fields)
    for field in fields:
        assert field.help.endswith("."), field.key
        assert field.type in {"int", "float", "bool", "str", "floats"}
        assert field.allowed


def test_paper_values_are_the_defaults_where_the_paper_gives_them() -> None:
    ppo = {field.key: field for field in describe("ppo")}
    assert ppo["ppo.kl_coef"].default == 0.02
    assert ppo["ppo.kl_coef"].paper.startswith("0.02")
    assert ppo["optim.warmup_steps"].paper.startswith("10 iterations")
    assert ppo["ppo.missing_eos_score"].optional


@pytest.mark.parametrize("name", configs.shipped_names())
def test_shipped_config_loads(name: str) -> None:
    assert configs.shipped_config(name).stage in STAGES


def test_unknown_shipped_config_is_refused() -> None:
    with pytest.raises(ConfigError, match="is not a shipped config"):
        configs.shipped_config("huge_sft")
