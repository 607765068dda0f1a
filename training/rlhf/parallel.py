"""Several processes of one run: who does what, and how their work becomes one step.

torchrun starts the processes and says how many there are. Every process reads the same data in the same
order; the microbatches of a minibatch are dealt out, each weighs what it weighs with one process, and
gradients are summed: the step is that of one process up to the order of additions. `ddp` keeps whole models
everywhere and sums gradients before the step; `fsdp` (FSDP2, `fully_shard`) keeps a share of each weight, its
gradient and its optimizer state in each process. With one process every function here does nothing.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor

from training.rlhf.errors import RunRefusedError

T = TypeVar("T")
OUTER_METHODS = ("hidden", "hidden_groups", "logits", "values", "scores", "score_groups")
BUCKET_ELEMENTS = 1 << 24


def start(processes: int, device: str) -> None:
    """Join the other processes of the run.

    processes  how many the config asks for
    raises     RunRefusedError if another number was started: two single runs would overwrite each other
    """
    started = int(os.environ.get("WORLD_SIZE", "1"))
    if started != processes:
        raise RunRefusedError(
            f"processes is {processes} but {started} were started; leave the start to python -m "
            f"training.rlhf, or give torchrun an --nproc_per_node and --nnodes that make {processes}."
        )
    if processes == 1 or dist.is_initialized():
        return
    dist.init_process_group("nccl" if device == "cuda" else "gloo")


def stop() -> None:
    """Wait for the others and leave the group."""
    if dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()


def size() -> int:
    """How many processes work on this run."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """The number of this process; 0 is the one that writes."""
    return dist.get_rank() if dist.is_initialized() else 0


def is_main() -> bool:
    """Whether this process writes metrics, checkpoints and models."""
    return rank() == 0


def share(parts: Sequence[T]) -> list[tuple[T, float]]:
    """Take this process's parts of a minibatch, each with its weight.

    returns  (part, weight); every process gets equally many, as sharded models need it, so that the last part
             may come again with weight 0
    """
    if size() == 1:
        return [(part, 1.0) for part in parts]
    mine = [(parts[place], 1.0) for place in range(rank(), len(parts), size())]
    each = -(-len(parts) // size())
    return mine + [(parts[-1], 0.0)] * (each - len(mine))


def summed(values: Mapping[str, float]) -> dict[str, float]:
    """Add up numbers over the processes; every process has the same names."""
    if size() == 1:
        return dict(values)
    packed = torch.tensor(list(values.values()), dtype=torch.float64, device=_device())
    dist.all_reduce(packed)
    return dict(zip(values, packed.tolist(), strict=True))


def largest(value: float) -> float:
    """Find the largest of a number over the processes."""
    return max(gathered(value))


def any_of(*flags: bool) -> list[bool]:
    """Say for each flag whether it is set in any process, so that all of them stop or save at one step."""
    if size() == 1:
        return list(flags)
    packed = torch.tensor(flags, dtype=torch.int32, device=_device())
    dist.all_reduce(packed, op=dist.ReduceOp.MAX)
    return [bool(flag) for flag in packed.tolist()]


def gathered(value: T) -> list[T]:
    """Collect a value of every process, in the order of their numbers. Not for anything large."""
    if size() == 1:
        return [value]
    found: list[Any] = [None] * size()
    dist.all_gather_object(found, value)
    return found


def barrier() -> None:
    """Wait until every process is here."""
    if dist.is_initialized():
        dist.barrier()


def sum_gradients(model: nn.Module) -> None:
    """Add up the gradients of whole models over the processes; sharded ones did it in their backward pass."""
    if size() == 1 or isinstance(model, FSDPModule):
        return
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    bucket: list[Tensor] = []
    for place, grad in enumerate(grads):
        bucket.append(grad)
        if sum(x.numel() for x in bucket) < BUCKET_ELEMENTS and place + 1 < len(grads):
            continue
        flat = torch.cat([x.flatten() for x in bucket])
        dist.all_reduce(flat)
        for x, part in zip(bucket, torch.split(flat, [x.numel() for x in bucket]), strict=True):
            x.copy_(part.view_as(x))
        bucket = []


def shard(model: nn.Module, parallel: str) -> None:
    """Leave each process a share of a model's weights, layer by layer, if the config says fsdp.

    Only the outer methods of our models may be called afterwards: they gather what they need and let it go.
    """
    if size() == 1 or parallel != "fsdp":
        return
    mesh = init_device_mesh(_device().type, (size(),))
    lists = [module for module in model.modules() if isinstance(module, nn.ModuleList)]
    for layer in max(lists, key=len, default=[]):
        fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)
    for module in _sharded(model):
        module.set_gradient_divide_factor(1.0)  # sums: every loss is weighed by its share already
        module.set_force_sum_reduction_for_comms(True)  # gloo has no other
    for name in OUTER_METHODS:
        if hasattr(model, name):
            register_fsdp_forward_method(model, name)
    # Decoding runs layers by themselves; which module is the outermost must be known before.
    first: Any = getattr(model, "hidden", None) or getattr(model, "values", None)
    one = torch.zeros(1, 1, dtype=torch.long, device=_device())
    with torch.no_grad():
        first(one, torch.ones_like(one, dtype=torch.bool))
    for module in _sharded(model):
        module.reshard()


@contextlib.contextmanager
def whole(model: nn.Module) -> Iterator[None]:
    """Hold all weights of a sharded model: decoding calls it often, and not equally often everywhere."""
    modules = _sharded(model)
    inner = modules[1:]  # the outermost module comes first
    for module in modules:
        module.set_reshard_after_forward(False, recurse=False)
        module.unshard()
    try:
        yield
    finally:
        for module in modules:
            module.reshard()
            module.set_reshard_after_forward(module in inner, recurse=False)


def full(x: Tensor) -> Tensor:
    """Gather a sharded tensor; every process must ask for the same one."""
    return x.full_tensor() if isinstance(x, DTensor) else x


def like(x: Tensor, target: Tensor) -> Tensor:
    """Cut a whole tensor as the target is cut."""
    if not isinstance(target, DTensor):
        return x
    moved = x.to(target.device)
    return distribute_tensor(moved, target.device_mesh, target.placements, src_data_rank=None)


def full_state(module: nn.Module) -> dict[str, Tensor]:
    """Gather the weights of a module on the CPU; tied weights stay one tensor.

    Every process takes part; the main one gets them, the others nothing.
    """
    seen: dict[int, Tensor] = {}
    state = module.state_dict(keep_vars=True)
    for x in {id(x): x for x in state.values()}.values():
        joined = full(x.detach())
        if is_main():
            seen[id(x)] = joined.cpu()
        del joined
    return {name: seen[id(x)] for name, x in state.items() if id(x) in seen}


def _sharded(model: nn.Module) -> list[FSDPModule]:
    return [module for module in model.modules() if isinstance(module, FSDPModule)]


def _device() -> torch.device:
    if dist.get_backend() == "nccl":
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("cpu")
