"""A checkpoint is there whole or not at all."""

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from training.rlhf import checkpoint
from training.rlhf.checkpoint import newest_checkpoint, restore, save_checkpoint


def parts() -> tuple[torch.nn.Linear, torch.optim.AdamW]:
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 2)
    return model, torch.optim.AdamW(model.parameters(), lr=0.1)


def step(model: torch.nn.Linear, optimizer: torch.optim.AdamW) -> None:
    torch.autograd.backward(model(torch.randn(4, 3)).pow(2).sum())
    optimizer.step()
    optimizer.zero_grad()


def test_model_optimizer_and_random_state_come_back(tmp_path: Path) -> None:
    model, optimizer = parts()
    step(model, optimizer)
    save_checkpoint(tmp_path, 1, {"model": model, "optimizer": optimizer}, {"note": "x"})
    step(model, optimizer)
    expected = {name: x.clone() for name, x in model.state_dict().items()}
    again, again_optimizer = parts()
    newest = newest_checkpoint(tmp_path)
    assert newest is not None
    assert newest.step == 1
    assert restore(newest, {"model": again, "optimizer": again_optimizer}) == {"note": "x"}
    step(again, again_optimizer)
    assert all(torch.equal(x, expected[name]) for name, x in again.state_dict().items())


def test_only_the_newest_two_are_kept(tmp_path: Path) -> None:
    model, optimizer = parts()
    for number in (1, 2, 3):
        save_checkpoint(tmp_path, number, {"model": model, "optimizer": optimizer})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000002", "step-00000003"]


def test_an_incomplete_checkpoint_leaves_the_older_one_in_use(tmp_path: Path) -> None:
    model, optimizer = parts()
    for number in (1, 2):
        save_checkpoint(tmp_path, number, {"model": model, "optimizer": optimizer})
    tensors = tmp_path / "step-00000002/tensors.safetensors"
    tensors.write_bytes(tensors.read_bytes()[:-1])
    (tmp_path / ".step-00000003.tmp").mkdir()
    newest = newest_checkpoint(tmp_path)
    assert newest is not None
    assert newest.step == 1
    (tmp_path / "step-00000001/manifest.json").unlink()
    assert newest_checkpoint(tmp_path) is None


class Interrupted(BaseException):
    """The process dies here: not even `except Exception` sees it."""


def interrupt_at(patch: pytest.MonkeyPatch, call: int) -> None:
    """Let the n-th call that touches the disk fail, after it has done half of its work where it can."""
    counter = itertools.count(1)
    writers = (save_file, Path.write_text)

    def broken(original: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            if next(counter) != call:
                return original(*args, **kwargs)
            if original in writers:
                original(*args, **kwargs)
            for path in args:
                if isinstance(path, Path) and path.is_file():
                    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
            raise Interrupted

        return wrapped

    patch.setattr(checkpoint, "save_file", broken(save_file))
    patch.setattr(checkpoint, "flush", broken(checkpoint.flush))
    patch.setattr(shutil, "rmtree", broken(shutil.rmtree))
    for name in ("mkdir", "write_text", "rename"):
        patch.setattr(Path, name, broken(getattr(Path, name)))


def test_a_save_interrupted_at_any_write_leaves_a_usable_checkpoint(tmp_path: Path) -> None:
    model, optimizer = parts()
    outcomes = set()
    for call in itertools.count(1):
        folder = tmp_path / str(call)
        for number in (1, 2):
            step(model, optimizer)
            save_checkpoint(folder, number, {"model": model, "optimizer": optimizer})
        before = {name: x.clone() for name, x in model.state_dict().items()}
        step(model, optimizer)
        with pytest.MonkeyPatch.context() as patch:
            interrupt_at(patch, call)
            try:
                save_checkpoint(folder, 3, {"model": model, "optimizer": optimizer})
                was_interrupted = False
            except Interrupted:
                was_interrupted = True
        found = newest_checkpoint(folder)
        assert found is not None
        outcomes.add(found.step)
        expected = before if found.step == 2 else model.state_dict()
        assert all(torch.equal(found.tensors[f"model/{name}"], x) for name, x in expected.items())
        # The next save goes through and clears what was left.
        save_checkpoint(folder, 4, {"model": model, "optimizer": optimizer})
        assert len(list(folder.iterdir())) == 2
        if not was_interrupted:
            break
    assert call > 10
    assert outcomes == {2, 3}
