"""Every test of the training side has its own store of artifacts and its own run folders."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from pytest_django.live_server_helper import LiveServer

from clients.instructloop_client import Client
from labeling.models import User
from labeling.rules.accounts import create_token
from tests.training.factories import fake_command
from training.rules import run_process


@pytest.fixture(autouse=True)
def _own_folders(settings: Any, tmp_path: Path) -> None:
    settings.ARTIFACTS_URL = (tmp_path / "artifacts").as_uri()
    settings.RUNS_DIR = tmp_path / "runs"


@pytest.fixture
def trainer(monkeypatch: pytest.MonkeyPatch) -> Callable[[Mapping[str, Any]], None]:
    """Replace the training process by one that does what a script says."""

    def play(script: Mapping[str, Any]) -> None:
        monkeypatch.setattr(run_process, "command", fake_command(script))

    return play


@pytest.fixture
def client_of(live_server: LiveServer) -> Callable[[User], Client]:
    """Return clients of a live server, each with a token of its account."""

    def make(user: User) -> Client:
        return Client(live_server.url, create_token(user=user, by=None)[1], wait=lambda seconds: None)

    return make
