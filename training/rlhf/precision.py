"""How float32 products are computed.

torch's flag "medium" lets products of float32 matrices take oneDNN instead of MKL, which is up to twice as
fast on AMD's CPUs and is true float32 there. On CPUs with tile units (AMX) the same flag rounds the factors
to bfloat16, and on GPUs to TensorFloat-32. So the flag is tried on the machine at hand, and kept only where a
product stays as exact as before.

bfloat16 is tried too: a CPU without units for it computes such products many times slower than float32 ones.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import time
from collections.abc import Iterator

import torch

log = logging.getLogger("training.rlhf")
EMULATED = 2.0  # times as slow as float32; with units for it bfloat16 is never slower
EXACT = 1e-5  # rounding of float32 over a sum of 512; bfloat16 gives 3e-3


def set_float32_products(device: torch.device) -> str:
    """Take the faster products where they stay float32; returns the flag that holds now."""
    if device.type == "cpu":
        torch.set_float32_matmul_precision("medium" if _medium_is_exact() else "highest")
    return torch.get_float32_matmul_precision()


@contextlib.contextmanager
def decoding_products(device: torch.device) -> Iterator[None]:
    """Take torch's first choice for a while: the small, ever-changing products of decoding are faster so."""
    before = torch.get_float32_matmul_precision()
    if device.type == "cpu":
        torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@functools.cache
def bfloat16_slowdown() -> float:
    """How many times as long as in float32 a product of matrices takes this CPU in bfloat16."""
    seconds = []
    for dtype in (torch.float32, torch.bfloat16):
        x = torch.ones(128, 128, dtype=dtype)
        torch.mm(x, x)
        began = time.process_time()
        for _ in range(4):
            torch.mm(x, x)
        seconds.append(time.process_time() - began)
    return seconds[1] / max(seconds[0], 1e-9)


def warn_of_emulation(device: torch.device) -> None:
    """Say in the log if bfloat16 was asked for on a CPU that only emulates it."""
    if device.type == "cpu" and (times := bfloat16_slowdown()) > EMULATED:
        log.warning(
            "dtype is bfloat16, which this CPU emulates: a product takes %.0f times as long as in float32. "
            "float32 is faster here, and more exact.",
            times,
        )


@functools.cache
def _medium_is_exact() -> bool:
    before = torch.get_float32_matmul_precision()
    source = torch.Generator().manual_seed(0)
    a, b = (torch.randn(256, 512, generator=source) for _ in range(2))
    try:
        torch.set_float32_matmul_precision("medium")
        error = ((a @ b.T).double() - a.double() @ b.double().T).norm()
    finally:
        torch.set_float32_matmul_precision(before)
    relative = float(error / (a.double() @ b.double().T).norm())
    exact = relative < EXACT
    log.info(
        "float32 products by oneDNN %s (relative error %.0e)",
        "stay float32: taken" if exact else "are rounded to bfloat16 on this CPU: left alone",
        relative,
    )
    return exact
