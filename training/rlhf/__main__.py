"""Run one stage in its folder: `python -m training.rlhf sft --config runs/a/run.toml`.

Exit status: 0 finished (or finished before), 2 refused because config, dataset or model is wrong, 3
cancelled and resumable, 1 crashed. result.json in the folder says why in one sentence. Started again on the
same folder, a run goes on from its newest checkpoint.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import logging
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from training.rlhf.config import STAGES, ConfigError, StageConfig, load_config
from training.rlhf.errors import RunCancelledError, RunFailedError, RunRefusedError
from training.rlhf.folder import Cancellation, read_result, write_progress, write_result
from training.rlhf.health import as_text, findings
from training.rlhf.launch import is_launcher, launch
from training.rlhf.mishaps import explain, release, reserve
from training.rlhf.resources import metering

FINISHED, CRASHED, REFUSED, CANCELLED = 0, 1, 2, 3
log = logging.getLogger("training.rlhf")


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, run the stage, return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m training.rlhf", description="Run one stage of training.")
    parser.add_argument("stage", choices=list(STAGES))
    parser.add_argument("--config", required=True, type=Path, help="run.toml; its folder is the run folder")
    options = parser.parse_args(arguments)
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(message)s", force=True)
    folder = options.config.resolve().parent
    before = read_result(folder).get("state")
    if before == "finished":
        log.info("%s is finished; nothing to do", folder)
        return FINISHED
    cancellation = Cancellation(folder)
    if before == "cancelled" and is_main():  # that request was honoured; starting again means going on
        cancellation.clear()
    if is_main():
        (folder / "result.json").unlink(missing_ok=True)
    try:
        config = load_config(options.config)
        if config.stage != options.stage:
            raise RunRefusedError(f"{options.config} configures stage {config.stage}, not {options.stage}.")
        processes = getattr(config, "processes", 1)
        if is_launcher(processes):
            line = [options.stage, "--config", str(options.config)]
            status = launch(processes, folder, line)
            if status is None:
                raise RunFailedError(f"the {processes} processes ended without a result; see the log.")
            return status
        cancellation.listen()
        if is_main():
            reserve(folder)
        with metering(folder, is_main=is_main()):
            metrics, report = run_stage(folder, config, cancellation)
    except ConfigError as error:
        return _end(folder, "failed", " ".join(error.problems), REFUSED)
    except RunRefusedError as error:
        return _end(folder, "failed", str(error), REFUSED)
    except RunCancelledError as error:
        return _end(folder, "cancelled", str(error), CANCELLED)
    except RunFailedError as error:
        return _end(folder, "failed", str(error), CRASHED)
    except (Exception, MemoryError) as error:
        with contextlib.suppress(OSError):  # the log may be on a full disk
            traceback.print_exc()
        text = str(error).strip().split("\n")[0]
        reason = explain(error, folder, options.stage) or f"{type(error).__name__}: {text}"
        return _end(folder, "failed", reason, CRASHED)
    if is_main():
        release(folder)
        model = "model" if (folder / "model").is_dir() else None
        report |= {"findings": look_at(folder)}
        write_result(folder, "finished", f"{config.stage} finished.", metrics, model, report=report)
        log.info("finished")
    return FINISHED


def is_main() -> bool:
    """Whether this process speaks for the run; torchrun numbers those it starts."""
    return os.environ.get("RANK", "0") == "0"


def run_stage(
    folder: Path, config: StageConfig, cancellation: Cancellation
) -> tuple[dict[str, float], dict[str, Any]]:
    """Run a stage in its folder; returns its final metrics and its report. Torch is loaded only here."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if is_main():
        write_progress(folder, config.stage, "loading", 0, 1, "models")
    stage = importlib.import_module(f"training.rlhf.{config.stage}")
    runtime = importlib.import_module("training.rlhf.runtime")
    run = runtime.Run(folder, config, cancellation)
    try:
        run.stop_if_cancelled()
        metrics: dict[str, float] = stage.run(config, run)
    except RunCancelledError:
        run.leave()
        raise
    run.leave()
    return metrics, dict(run.report)


def _end(folder: Path, state: str, reason: str, status: int) -> int:
    """Write down how a run ended; of several processes the first to fail says why."""
    log.error("%s: %s", state, reason)
    if is_main():
        release(folder)
    is_first = is_main() or (state == "failed" and not (folder / "result.json").exists())
    if folder.is_dir() and is_first and not _has_failed(folder):
        report = {"findings": look_at(folder)}
        write_result(folder, state, reason, {}, exit_status=status, report=report)
    return status


def look_at(folder: Path) -> list[dict[str, str]]:
    """List what stands out in the numbers of a run, for result.json, and write it as health.txt."""
    try:
        found = findings(folder / "metrics.jsonl")
        (folder / "health.txt").write_text(as_text(found) + "\n", encoding="utf-8")
    except OSError as error:
        log.warning("no health report: %s", error)
        return []
    return [finding._asdict() for finding in found]


def _has_failed(folder: Path) -> bool:
    return read_result(folder).get("state") == "failed"


if __name__ == "__main__":
    sys.exit(main())
