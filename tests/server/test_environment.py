"""Variables are read with their type; a wrong one is refused by name, value and what is allowed."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from hypothesis import given
from hypothesis import strategies as st

from server.environment import Environment, hide_password, kept_secret_key, load_env_file


def test_empty_variable_counts_as_unset() -> None:
    env = Environment({"NAME": "  "})

    assert env.text("NAME", "default") == "default"
    assert env.yes_or_no("NAME", default=True)
    assert env.whole_number("NAME", 3, minimum=0, maximum=5) == 3
    assert env.words("NAME", ["a"]) == ["a"]


@pytest.mark.parametrize(
    ("value", "expected"), [("1", True), ("Yes", True), ("off", False), ("FALSE", False)]
)
def test_switch_is_read(value: str, expected: bool) -> None:
    assert Environment({"DEBUG": value}).yes_or_no("DEBUG", default=not expected) is expected


def test_wrong_switch_is_refused_by_name_value_and_what_is_allowed() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"DEBUG is 'maybe'; it must be one of 1, true"):
        Environment({"DEBUG": "maybe"}).yes_or_no("DEBUG", default=False)


@pytest.mark.parametrize("value", ["many", "-1", "1001", "2.5"])
def test_wrong_number_is_refused_with_its_limits(value: str) -> None:
    with pytest.raises(
        ImproperlyConfigured, match=f"SIZE is '{value}'; it must be a whole number from 0 to 1000"
    ):
        Environment({"SIZE": value}).whole_number("SIZE", 8, minimum=0, maximum=1000)


@given(st.integers(min_value=0, max_value=1000))
def test_every_number_within_the_limits_is_taken(number: int) -> None:
    assert Environment({"SIZE": str(number)}).whole_number("SIZE", 8, minimum=0, maximum=1000) == number


def test_wrong_choice_is_refused_with_all_choices() -> None:
    with pytest.raises(ImproperlyConfigured, match="LOG_FORMAT is 'xml'; it must be one of text, json"):
        Environment({"LOG_FORMAT": "xml"}).choice("LOG_FORMAT", "text", ("text", "json"))


def test_required_variable_that_is_unset_is_named() -> None:
    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY is not set; it must be random"):
        Environment({}).required("SECRET_KEY", "random")


def test_refused_address_does_not_show_its_password() -> None:
    with pytest.raises(ImproperlyConfigured) as refused:
        Environment({"REDIS_URL": "http://user:hunter2@host"}).url("REDIS_URL", "", ("redis",))

    assert "hunter2" not in str(refused.value)
    assert "redis://" in str(refused.value)


def test_password_is_hidden_and_the_rest_stays() -> None:
    assert hide_password("redis://user:secret@host:6379/0") == "redis://user:***@host:6379/0"
    assert hide_password("redis://host:6379/0") == "redis://host:6379/0"


def test_env_file_sets_only_what_is_not_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IL_SET", "from the shell")
    monkeypatch.delenv("IL_UNSET", raising=False)
    file = tmp_path / ".env"
    file.write_text("IL_SET=from the file\nIL_UNSET=from the file\n")
    load_env_file(file)
    monkeypatch.setenv("IL_UNSET", os.environ["IL_UNSET"])  # so that it is gone after the test

    assert os.environ["IL_SET"] == "from the shell"
    assert os.environ["IL_UNSET"] == "from the file"


def test_secret_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: kept_secret_key(tmp_path), range(32)))

    assert len(keys) == 1
    assert len(keys.pop()) >= 50
    assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]
    assert stat.S_IMODE((tmp_path / "secret_key").stat().st_mode) == 0o600
