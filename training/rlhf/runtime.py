"""What surrounds a stage: device, precision, threads, seeds, progress, cancelling, checkpoints."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import random
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
import transformers

from training.rlhf import parallel
from training.rlhf.attention import use_flex
from training.rlhf.checkpoint import Stateful, newest_checkpoint, restore, save_checkpoint
from training.rlhf.config import StageConfig
from training.rlhf.errors import RunCancelledError, RunFailedError, RunRefusedError
from training.rlhf.folder import Cancellation, write_progress
from training.rlhf.metrics import MetricsWriter
from training.rlhf.origin import origin_of, require_same_origin
from training.rlhf.precision import set_float32_products, warn_of_emulation

log = logging.getLogger("training.rlhf")
PROGRESS_SECONDS = 0.5


class Run:
    """One run folder and the process that works in it."""

    def __init__(self, folder: Path, config: StageConfig, cancellation: Cancellation | None = None) -> None:
        self.folder = folder
        self.config = config
        self.cancellation = cancellation or Cancellation(folder)
        self.device = pick_device(config.device)
        parallel.start(getattr(config, "processes", 1), self.device.type)
        self.metrics = MetricsWriter(folder / "metrics.jsonl", writes=parallel.is_main())
        self.report: dict[str, Any] = {}
        self.origin = origin_of(config, folder)
        self._phase = ""
        self._phase_began = 0.0
        self._phase_first = 0
        self._progress_at = 0.0
        self._checkpoint_at = time.monotonic()
        quiet: Any = transformers.utils.logging
        quiet.set_verbosity_error()
        quiet.disable_progress_bar()
        if config.threads:
            torch.set_num_threads(config.threads)
        set_float32_products(self.device)
        if config.dtype == "bfloat16":
            warn_of_emulation(self.device)
        use_flex(config.flex)
        random.seed(config.seed)
        torch.manual_seed(config.seed)

    def stop_if_cancelled(self) -> None:
        """Raise RunCancelledError if the run has been asked to stop; for phases that need no checkpoint."""
        [asked] = parallel.any_of(self.cancellation.asked)
        if asked:
            raise RunCancelledError("the run was cancelled on request.")

    def leave(self) -> None:
        """Wait for the other processes of the run and part from them."""
        parallel.stop()

    def path(self, value: str) -> str:
        """Resolve a path of the config against the run folder; anything that is not there may be a hub id."""
        local = self.folder / value
        return str(local) if local.exists() or value.startswith((".", "/", "inputs/")) else value

    def autocast(self) -> AbstractContextManager[Any]:
        """Run matrix products in the configured precision."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.config.dtype == "bfloat16")

    def progress(self, phase: str, done: int, total: int, unit: str) -> None:
        """Say how far the run is. Writes progress.json now and then, at once when the phase changes."""
        now = time.monotonic()
        if phase != self._phase:
            self._phase, self._phase_began, self._phase_first, self._progress_at = phase, now, done, 0.0
            log.info("%s: %d of %d %s", phase, done, total, unit)
        if now - self._progress_at < PROGRESS_SECONDS and done < total:
            return
        self._progress_at = now
        made = done - self._phase_first
        eta = (now - self._phase_began) / made * (total - done) if made > 0 else None
        if parallel.is_main():
            write_progress(self.folder, self.config.stage, phase, done, total, unit, eta)

    def add_sample(self, step: int, sample: Mapping[str, Any]) -> None:
        """Append a sampled text to samples.jsonl."""
        if not parallel.is_main():
            return
        with (self.folder / "samples.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **sample}, ensure_ascii=False) + "\n")

    def _drop_samples_after(self, step: int) -> None:
        """Leave out of samples.jsonl what an earlier process wrote beyond a step: it is written again."""
        path = self.folder / "samples.jsonl"
        if not parallel.is_main() or not path.is_file():
            return
        kept = []
        for line in path.read_text(encoding="utf-8").split("\n"):
            with contextlib.suppress(ValueError):  # cut off when that process was killed
                if json.loads(line)["step"] <= step:
                    kept.append(line + "\n")
        temporary = path.with_name(".samples.jsonl.tmp")
        temporary.write_text("".join(kept), encoding="utf-8")
        os.replace(temporary, path)

    def publish_model(self, save: Callable[[Path], None]) -> None:
        """Write the final model under a temporary name, then put it in place as model/.

        Every process calls save, to gather what is sharded; it writes in the main one only.
        """
        self.progress("saving", 0, 1, "models")
        temporary, final = self.folder / ".model.tmp", self.folder / "model"
        if parallel.is_main():
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir()
        save(temporary)
        if parallel.is_main():
            shutil.rmtree(final, ignore_errors=True)
            temporary.rename(final)
        self.progress("saving", 1, 1, "models")

    def resume(self, parts: Mapping[str, Stateful]) -> tuple[int, dict[str, Any]]:
        """Restore the newest complete checkpoint; returns the steps done (0 without one) and plain state.

        Raises RunRefusedError if another config or other inputs made it.
        """
        checkpoint = newest_checkpoint(self.folder / "checkpoints")
        if checkpoint is None:
            self._drop_samples_after(-1)
            return 0, {}
        what, kept = f"the checkpoint after step {checkpoint.step}", self.folder / "checkpoints"
        require_same_origin(checkpoint.state.get("origin", {}), self.origin, what=what, folder=kept)
        log.info("resuming after step %d", checkpoint.step)
        self._drop_samples_after(checkpoint.step)
        return checkpoint.step, restore(checkpoint, parts)

    def save_if_due(
        self, step: int, parts: Mapping[str, Stateful], state: Mapping[str, Any] | None = None, *, last: bool
    ) -> None:
        """Save a checkpoint if its time has come or the run was cancelled; in the latter case stop here."""
        report: Any = getattr(self.config, "report", None)
        every, seconds = report.checkpoint_every, report.checkpoint_seconds
        due = step % every == 0 if every else time.monotonic() - self._checkpoint_at >= seconds
        due, cancelled = parallel.any_of(due, self.cancellation.asked)
        if (due and not last) or cancelled:
            save_checkpoint(self.folder / "checkpoints", step, parts, state, self.origin)
            self._checkpoint_at = time.monotonic()
        if cancelled:
            raise RunCancelledError(f"the run was cancelled on request after step {step}; it can be resumed.")


def due(step: int, every: int, total: int) -> bool:
    """Say whether a thing done every so many steps comes after this one; 0 means only after the last."""
    return step == total or (every > 0 and step % every == 0)


def pick_device(name: str) -> torch.device:
    """Turn the config's device into a torch device; auto takes a GPU if there is one.

    Each process that torchrun started on a machine has a GPU of its own.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise RunRefusedError("device is cuda but no GPU is available; allowed here is auto or cpu.")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if name == "cuda" and here > (gpus := torch.cuda.device_count()):
        raise RunRefusedError(
            f"{here} processes were started on a machine with {gpus} GPUs; allowed is one per GPU: lower "
            "processes, or share them over machines with torchrun's --nnodes and --nproc_per_node."
        )
    if name == "cuda" and "LOCAL_RANK" in os.environ:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device(name)


def require_finite(value: float, what: str, step: int) -> float:
    """Return the value, or fail the run if it is no number."""
    if value != value or value in (float("inf"), float("-inf")):
        raise RunFailedError(
            f"{what} became {value} at step {step}; lower optim.learning_rate or look at the last metrics."
        )
    return value
