"""A checkpoint is there whole or not at all."""

from pathlib import Path

import torch

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
    checkpoint = newest_checkpoint(tmp_path)
    assert checkpoint is not None
    assert checkpoint.step == 1
    assert restore(checkpoint, {"model": again, "optimizer": again_optimizer}) == {"note": "x"}
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
    checkpoint = newest_checkpoint(tmp_path)
    assert checkpoint is not None
    assert checkpoint.step == 1
    (tmp_path / "step-00000001/manifest.json").unlink()
    assert newest_checkpoint(tmp_path) is None
