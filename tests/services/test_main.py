"""The run goes on after a failure, and what was left out is said and can be required."""

import sys

import pytest

from tests.services.__main__ import Report, pytest_command, variables_of_a_pass


def test_failed_step_does_not_keep_the_next_from_running() -> None:
    report = Report()
    report.run("first", [sys.executable, "-c", "raise SystemExit(3)"], {})
    report.run("second", [sys.executable, "-c", ""], {})

    assert [(name, status) for name, status, _ in report.steps] == [("first", 3), ("second", 0)]
    assert report.failed(required=False)


def test_what_is_left_out_fails_only_where_everything_is_required(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report()
    report.leave_out("tests on Redis", "it is not installed")
    report.show(required=True)

    assert "LEFT OUT (required)  tests on Redis: it is not installed" in capsys.readouterr().out
    assert report.failed(required=True)
    assert not report.failed(required=False)


def test_embedded_pass_does_not_see_the_services_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://somewhere/else")
    monkeypatch.setenv("REDIS_URL", "redis://somewhere")

    assert {"DATABASE_URL", "REDIS_URL"}.isdisjoint(variables_of_a_pass())
    assert variables_of_a_pass(REDIS_URL="redis://here")["REDIS_URL"] == "redis://here"


def test_given_arguments_reach_pytest() -> None:
    assert pytest_command(["tests/labeling", "-k", "lease"])[-3:] == ["tests/labeling", "-k", "lease"]
