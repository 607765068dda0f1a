"""How soon the playground's first word comes: from the prompt sent to the text a reader would see.

    python -m benchmarks.playground_first_word [--asked 10]
        [--out benchmarks/results/playground_first_word.json]

A worker of the queue `playground`, as `make run` starts it, on SQLite and the file broker, in a folder of its
own. A policy of a few thousand parameters answers, so that what is timed is the way there and back. The first
prompt finds a cold worker, which starts a process and loads the policy; the others find it warm.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from server.serve import worker_commands

PATIENCE_SECONDS = 300.0
LOOK_SECONDS = 0.02


def first_word(talk: Any, number: int) -> float:
    """Send a prompt and return the seconds until its owner can see the first text."""
    from training.models import Reply
    from training.rules import playground
    from training.tasks import enqueue_turn

    began = time.perf_counter()
    turn = playground.send_prompt(conversation=talk, text="Name a bird.", by=talk.owner, number=number)
    enqueue_turn(turn)
    found = None
    while time.perf_counter() - began < PATIENCE_SECONDS:
        reply = Reply.objects.get(turn=turn)
        if found is None and reply.text:
            found = time.perf_counter() - began
        if reply.is_ended:
            if found is None:
                raise SystemExit(f"The reply ended as {reply.state} without a word: {reply.reason}")
            return found
        time.sleep(LOOK_SECONDS)
    raise SystemExit(f"No word came in {PATIENCE_SECONDS:.0f} seconds.")


def measure(asked: int, log: Path) -> dict[str, Any]:
    """Ask a cold worker once and a warm one some times."""
    from tests.training.talks import conversation, policy, researcher
    from training.rules.playground import has_worker

    owner, model = researcher(), policy("tiny")
    with log.open("wb") as file:
        worker = subprocess.Popen(
            worker_commands()[2], stdout=file, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            until = time.monotonic() + PATIENCE_SECONDS
            while not has_worker():
                if worker.poll() is not None or time.monotonic() > until:
                    raise SystemExit(f"The worker did not start: {log.read_text(errors='replace')[-800:]}")
                time.sleep(0.1)
            talk = conversation(owner, model, max_tokens=20)
            cold = first_word(talk, 1)
            warm = [first_word(talk, number) for number in range(2, asked + 2)]
        finally:
            worker.terminate()
            worker.wait(60)
    return {
        "cold_seconds": round(cold, 2),
        "warm_median_seconds": round(statistics.median(warm), 2),
        "warm_slowest_seconds": round(max(warm), 2),
        "asked_warm": asked,
    }


def main() -> None:
    """Set up a folder, measure, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--asked", type=int, default=10, help="prompts to the warm worker")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="instructloop-first-word-") as folder:
        os.environ |= {
            "DATA_DIR": folder,
            "DJANGO_SETTINGS_MODULE": "server.settings.demo",
            "PLAYGROUND_PER_MINUTE": "10000",  # one person asks all of it, without a pause
        }
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        result = measure(options.asked, Path(folder) / "worker.log")
    result["machine"] = {"cores": os.cpu_count(), "python": platform.python_version()}
    text = json.dumps(result, indent=2)
    sys.stdout.write(text + "\n")
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
