"""Stands in for `python -m training.rlhf`: does what script.json in the run folder says, in milliseconds."""

import json
import os
import pathlib
import signal
import sys
import time
from typing import Any, NoReturn

folder = pathlib.Path(sys.argv[1]).parent
script: dict[str, Any] = json.loads((folder / "script.json").read_text())


def end(state: str, status: int, reason: str = "") -> NoReturn:
    """Write the verdict and leave."""
    result = {"state": state, "reason": reason, "metrics": script.get("metrics", {}), "model": "model"}
    result["report"] = script.get("report", {})
    (folder / "result.json").write_text(json.dumps(result))
    sys.exit(status)


def append(name: str, lines: list[dict[str, Any]]) -> None:
    """Add lines to a file of the folder."""
    with (folder / name).open("a") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)


def answers(k: int) -> list[dict[str, Any]]:
    """Return k different responses to each prompt of the input, as a sample run writes them."""
    prompts = [
        json.loads(line)
        for path in sorted(folder.glob("inputs/prompts/*.jsonl"))
        for line in path.read_text().splitlines()
    ]
    return [
        {"prompt_id": prompt["id"], "index": i, "response": f"{folder.name} {i}", "ended": True, "tokens": 2}
        for prompt in prompts
        for i in range(k)
    ]


def scored() -> list[dict[str, Any]]:
    """Return the ranked responses with scores: the script's, or the length of the text."""
    path = folder / "ranked_responses.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [{**line, "score": script.get("score", len(line["response"]))} for line in lines]


def work() -> None:
    """Report, then end as the script says."""
    append("starts", [{"pid": os.getpid()}])
    sys.stdout.write(script.get("says", "at work") + "\n")
    sys.stdout.flush()
    progress = {"phase": "training", "done": 3, "total": 12, "unit": "steps", "eta_seconds": 9}
    (folder / "progress.json").write_text(json.dumps(progress))
    append("metrics.jsonl", [{"step": s, "at": 1763640000.0, **v} for s, v in script.get("points", [])])
    append("samples.jsonl", script.get("samples", []))
    if "crash" in script:
        raise RuntimeError(script["crash"])
    if "refuse" in script:
        end("failed", 2, script["refuse"])
    if script.get("waits"):
        is_stubborn = bool(script.get("stubborn"))
        signal.signal(signal.SIGTERM, signal.SIG_IGN if is_stubborn else lambda number, frame: None)
        (folder / "ready").touch()
        while is_stubborn or not (folder / "cancel").exists():
            time.sleep(0.02)
        end("cancelled", 3, "Asked to stop.")
    (folder / "model").mkdir(exist_ok=True)
    (folder / "model" / "config.json").write_text("{}")
    (folder / "model" / "instructloop.json").write_text(json.dumps({"seed": 1}))
    (folder / "responses.jsonl").touch()
    append("responses.jsonl", answers(script.get("answers", 0)))
    append("responses.jsonl", scored())
    append("items.jsonl", script.get("items", []))
    end("finished", 0)


result_file = folder / "result.json"
if not result_file.exists() or json.loads(result_file.read_text())["state"] != "finished":
    work()
