"""The settings that others reach refuse to start unsafe; those for one machine need nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services.machine import ROOT

KEY = "k" * 60
SAFE = {"SECRET_KEY": KEY, "ALLOWED_HOSTS": "labels.example.org"}


def load_settings(
    module: str, tmp_path: Path, *names: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Load a settings module in a fresh process that has only these variables; print some of it as JSON."""
    code = (
        "import json, sys; from django.conf import settings; "
        "print(json.dumps([getattr(settings, name) for name in sys.argv[1:]]))"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *names],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "DATA_DIR": str(tmp_path),
            "DJANGO_SETTINGS_MODULE": f"server.settings.{module}",
            **variables,
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_production_refuses_to_start_without_a_key(tmp_path: Path) -> None:
    answer = load_settings("production", tmp_path, "DEBUG", ALLOWED_HOSTS="labels.example.org")

    assert answer.returncode != 0
    assert "SECRET_KEY is not set; it must be a random text of 50 or more characters" in answer.stderr


def test_production_refuses_a_short_key_without_showing_it(tmp_path: Path) -> None:
    answer = load_settings("production", tmp_path, "DEBUG", SECRET_KEY="hunter2", ALLOWED_HOSTS="example.org")

    assert answer.returncode != 0
    assert "SECRET_KEY is '7 characters long'" in answer.stderr
    assert "hunter2" not in answer.stderr


def test_production_refuses_to_start_without_host_names(tmp_path: Path) -> None:
    answer = load_settings("production", tmp_path, "DEBUG", SECRET_KEY=KEY)

    assert answer.returncode != 0
    assert "ALLOWED_HOSTS is not set; it must be" in answer.stderr


def test_production_speaks_https_only_and_shows_no_debug_page(tmp_path: Path) -> None:
    names = (
        "DEBUG",
        "SECURE_SSL_REDIRECT",
        "SESSION_COOKIE_SECURE",
        "CSRF_COOKIE_SECURE",
        "SECURE_HSTS_SECONDS",
    )
    answer = load_settings("production", tmp_path, *names, **SAFE, DEBUG="yes")

    assert json.loads(answer.stdout) == [False, True, True, True, 31_536_000]


def test_production_trusts_a_proxy_only_if_told(tmp_path: Path) -> None:
    name = "SECURE_PROXY_SSL_HEADER"

    assert json.loads(load_settings("production", tmp_path, name, **SAFE).stdout) == [None]
    told = load_settings("production", tmp_path, name, **SAFE, TRUSTED_PROXY_COUNT="1")
    assert json.loads(told.stdout) == [["HTTP_X_FORWARDED_PROTO", "https"]]


def test_demo_needs_nothing_and_answers_to_this_machine_only(tmp_path: Path) -> None:
    answer = load_settings("demo", tmp_path, "ALLOWED_HOSTS", "DEBUG", "SECRET_KEY")
    hosts, debug, key = json.loads(answer.stdout)

    assert hosts == ["localhost", "127.0.0.1", "[::1]"]
    assert debug is False
    assert (tmp_path / "secret_key").read_text() == key


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_log_is_one_line_per_event_in_either_format(tmp_path: Path, log_format: str) -> None:
    code = (
        "import django, logging; django.setup(); "
        "logging.getLogger('labeling.rules').warning('lease %s ended', 7)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "DATA_DIR": str(tmp_path),
            "DJANGO_SETTINGS_MODULE": "server.settings.demo",
            "LOG_FORMAT": log_format,
        },
        capture_output=True,
        text=True,
        check=True,
    )
    line = next(line for line in answer.stderr.splitlines() if "lease 7 ended" in line)

    if log_format == "json":
        event = json.loads(line)
        assert (event["level"], event["logger"], event["message"]) == (
            "WARNING",
            "labeling.rules",
            "lease 7 ended",
        )
    else:
        assert "WARNING labeling.rules: lease 7 ended" in line
