"""Run one stage in its folder: `python -m training.rlhf sft --config runs/a/run.toml`.

Exit status: 0 finished (or finished before), 2 refused because config, dataset or model is wrong, 3
cancelled and resumable, 1 crashed. result.json in the folder says why in one sentence. Started again on the
same folder, a run goes on from its newest checkpoint.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
import traceback
from pathlib import Path

from training.rlhf.config import STAGES, ConfigError, StageConfig, load_config
from training.rlhf.errors import RunCancelledError, RunFailedError, RunRefusedError
from training.rlhf.folder import Cancellation, read_result, write_progress, write_result

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
    cancellation.listen()
    if before == "cancelled":  # that request was honoured; starting again means going on
        cancellation.clear()
    (folder / "result.json").unlink(missing_ok=True)
    try:
        config = load_config(options.config)
        if config.stage != options.stage:
            raise RunRefusedError(f"{options.config} configures stage {config.stage}, not {options.stage}.")
        metrics = run_stage(folder, config, cancellation)
    except ConfigError as error:
        return _end(folder, "failed", " ".join(error.problems), REFUSED)
    except RunRefusedError as error:
        return _end(folder, "failed", str(error), REFUSED)
    except RunCancelledError as error:
        return _end(folder, "cancelled", str(error), CANCELLED)
    except RunFailedError as error:
        return _end(folder, "failed", str(error), CRASHED)
    except Exception as error:
        traceback.print_exc()
        text = str(error).strip().split("\n")[0]
        return _end(folder, "failed", f"{type(error).__name__}: {text}", CRASHED)
    model = "model" if (folder / "model").is_dir() else None
    write_result(folder, "finished", f"{config.stage} finished.", metrics, model)
    log.info("finished")
    return FINISHED


def run_stage(folder: Path, config: StageConfig, cancellation: Cancellation) -> dict[str, float]:
    """Run a stage in its folder and return its final metrics; torch is loaded only here."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    write_progress(folder, config.stage, "loading", 0, 1, "models")
    stage = importlib.import_module(f"training.rlhf.{config.stage}")
    runtime = importlib.import_module("training.rlhf.runtime")
    run = runtime.Run(folder, config, cancellation)
    run.stop_if_cancelled()
    metrics: dict[str, float] = stage.run(config, run)
    return metrics


def _end(folder: Path, state: str, reason: str, status: int) -> int:
    log.error("%s: %s", state, reason)
    if folder.is_dir():
        write_result(folder, state, reason, {})
    return status


if __name__ == "__main__":
    sys.exit(main())
