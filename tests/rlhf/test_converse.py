"""The process that the playground talks to: real, on a tiny model made on the spot."""

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.rlhf.conftest import tiny_model
from training.rlhf.converse import Desk, Shelf, answer, size_in_memory
from training.rlhf.model import load_policy, save_policy
from training.rlhf.tokenizer import Codec

Events = list[dict[str, Any]]


def asked(name: str, model: Path | str, **fields: Any) -> dict[str, Any]:
    request = {"turns": ["say red"], "max_tokens": 24, "temperature": 1.0, "top_p": 1.0, "seed": 7}
    return {"do": "answer", "id": name, "model": str(model), **request, **fields}


def talk(*requests: dict[str, Any], memory_gb: float = 1.0) -> Events:
    """Send all requests, end the input when each has its last event, and return what was said."""
    command = [sys.executable, "-m", "training.rlhf.converse", "--memory-gb", str(memory_gb)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.writelines(json.dumps(request) + "\n" for request in requests)
    process.stdin.flush()
    events: Events = []
    open_ones = {request["id"] for request in requests}
    while open_ones:
        line = process.stdout.readline()
        assert line, "the process ended before it had answered"
        events.append(json.loads(line))
        if events[-1]["event"] in ("ended", "failed"):
            open_ones.discard(events[-1]["id"])
    process.stdin.close()
    assert process.wait(30) == 0
    return events


def of(events: Events, name: str) -> Events:
    return [event for event in events if event["id"] == name]


def test_two_answers_are_written_in_turn_and_each_adds_up(base_folder: Path) -> None:
    events = talk(asked("a", base_folder), asked("b", base_folder, seed=8))
    for name in "ab":
        mine = of(events, name)
        kinds = [event["event"] for event in mine]
        assert kinds[:2] == ["loading", "started"]
        assert kinds[-1] == "ended"
        pieces = "".join(event["text"] for event in mine if event["event"] == "text")
        assert pieces == mine[-1]["text"] != ""
    order = [event["id"] for event in events if event["event"] == "text"]
    assert order.index("b") < len(order) - 1 - order[::-1].index("a")
    assert of(events, "a")[-1]["text"] != of(events, "b")[-1]["text"]


def test_the_same_seed_writes_the_same_again(base_folder: Path) -> None:
    events = talk(asked("a", base_folder), asked("b", base_folder))
    assert of(events, "a")[-1]["text"] == of(events, "b")[-1]["text"]


def test_a_missing_model_fails_with_a_sentence_and_others_go_on(base_folder: Path, tmp_path: Path) -> None:
    events = talk(asked("a", tmp_path / "gone"), asked("b", base_folder))
    assert of(events, "a")[-1]["event"] == "failed"
    assert of(events, "b")[-1]["event"] == "ended"


def test_a_model_beyond_the_memory_is_refused(base_folder: Path) -> None:
    said = talk(asked("a", base_folder), memory_gb=0.00001)[-1]
    assert said["event"] == "failed"
    assert "PLAYGROUND_MEMORY_GB" in said["reason"]


def test_a_conversation_beyond_the_context_loses_its_beginning_and_says_so(base_folder: Path) -> None:
    events = talk(asked("a", base_folder, turns=["say red " * 80, "red", "again"], max_tokens=500))
    assert {"id": "a", "event": "started", "is_cut": True} in events
    assert events[-1]["event"] == "ended"
    assert events[-1]["tokens"] <= 128


@pytest.fixture
def folders(codec: Codec, tmp_path: Path) -> list[Path]:
    found = [tmp_path / name for name in ("one", "two", "three")]
    for seed, folder in enumerate(found):
        save_policy(tiny_model(codec, "llama", seed=seed), codec, folder, {"kind": "base"})
    return found


def test_the_shelf_keeps_what_was_used_last(folders: list[Path]) -> None:
    one, two, three = map(str, folders)
    size = size_in_memory(one)
    model, _ = load_policy(one, key="test", device=torch.device("cpu"))
    assert size >= sum(x.numel() for x in model.parameters()) * 4
    shelf = Shelf(int(2.5 * size), "cpu")
    for name in (one, two, one, three):
        shelf.get(name, {name})
    assert [shelf.has(name) for name in (one, two, three)] == [True, False, True]
    assert shelf.get(one, {one})[0] is shelf.get(one, {one})[0]


def test_models_that_do_not_fit_together_are_asked_one_after_the_other(folders: list[Path]) -> None:
    one, two, _ = map(str, folders)
    out = io.StringIO()
    desk = Desk(Shelf(int(1.5 * size_in_memory(one)), "cpu"), out)
    desk.take(asked("a", one, max_tokens=6))
    desk.take(asked("b", two, max_tokens=6))
    desk.advance()
    assert (list(desk.active), len(desk.waiting)) == (["a"], 1)
    while not desk.is_idle:
        desk.advance()
    events = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [event["id"] for event in events if event["event"] == "ended"] == ["a", "b"]


def test_a_stopped_request_says_nothing_more(base_folder: Path) -> None:
    out = io.StringIO()
    desk = Desk(Shelf(10**9, "cpu"), out)
    desk.take(asked("a", base_folder, max_tokens=100))
    for _ in range(5):
        desk.advance()
    said = out.getvalue()
    desk.take({"do": "stop", "id": "a"})
    assert desk.is_idle
    desk.advance()
    assert out.getvalue() == said


def test_bad_settings_fail_one_request_only(base_folder: Path) -> None:
    events = list(answer(asked("a", base_folder, temperature="warm"), Shelf(10**9, "cpu"), set()))
    assert events[-1] is not None
    assert events[-1]["event"] == "failed"
