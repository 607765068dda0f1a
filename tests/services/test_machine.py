"""What the machine has is found, and what it may not do is not done."""

import os
from pathlib import Path

import pytest

from tests.services import machine


def test_real_data_is_where_the_variable_says(tmp_path: Path) -> None:
    assert machine.find_real_data({"INSTRUCTLOOP_DATA": str(tmp_path)}) == tmp_path
    assert machine.find_real_data({"INSTRUCTLOOP_DATA": str(tmp_path / "absent")}) is None


def test_named_browser_is_taken_and_a_wrong_name_is_not_replaced(tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text("#!/bin/sh\n")
    browser.chmod(0o755)

    assert machine.find_chromium({"CHROMIUM": str(browser)}) == str(browser)
    assert machine.find_chromium({"CHROMIUM": str(tmp_path / "absent")}) is None


def test_postgres_programs_are_found_by_pg_config_only_if_the_server_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pg_config = tmp_path / "pg_config"
    pg_config.write_text(f"#!/bin/sh\necho {tmp_path}\n")
    pg_config.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    assert machine.find_postgres() != tmp_path  # the client's folder alone is not enough
    for name in machine.POSTGRES_PROGRAMS:
        (tmp_path / name).touch(mode=0o755)
    assert machine.find_postgres() == tmp_path


def test_no_package_is_installed_where_a_person_forbids_it() -> None:
    assert machine.reason_not_to_install({"INSTALL_PACKAGES": "0"}) == "INSTALL_PACKAGES=0"


def test_no_package_is_installed_by_an_ordinary_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    assert machine.reason_not_to_install({}) == "only root may install packages"


def test_failed_installation_gives_the_last_line_of_its_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apt = tmp_path / "apt-get"
    apt.write_text("#!/bin/sh\necho 'Reading lists' >&2\necho 'E: no network' >&2\nexit 100\n")
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.delenv("INSTALL_PACKAGES", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    assert machine.install_packages(["redis-server"]) == "`apt-get update -qq` failed: E: no network"
