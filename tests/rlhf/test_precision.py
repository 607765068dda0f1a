"""The faster float32 products are taken only where they are float32, and emulated bfloat16 is named."""

import logging

import pytest
import torch

from training.rlhf import precision

CPU = torch.device("cpu")


def test_products_are_as_exact_as_float32_whatever_was_chosen() -> None:
    before = torch.get_float32_matmul_precision()
    try:
        precision.set_float32_products(CPU)
        source = torch.Generator().manual_seed(3)
        a, b = torch.randn(128, 300, generator=source), torch.randn(300, 64, generator=source)
        truth = a.double() @ b.double()
        assert float(((a @ b).double() - truth).norm() / truth.norm()) < 1e-5
    finally:
        torch.set_float32_matmul_precision(before)


def test_a_cpu_that_would_round_keeps_torchs_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_float32_matmul_precision()
    try:
        monkeypatch.setattr(precision, "_medium_is_exact", lambda: False)
        assert precision.set_float32_products(CPU) == "highest"
        monkeypatch.setattr(precision, "_medium_is_exact", lambda: True)
        assert precision.set_float32_products(CPU) == "medium"
        with precision.decoding_products(CPU):
            assert torch.get_float32_matmul_precision() == "highest"
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)


def test_bfloat16_on_a_cpu_that_emulates_it_is_said_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(logging.getLogger("training.rlhf"), "propagate", True)
    monkeypatch.setattr(precision, "bfloat16_slowdown", lambda: 60.0)
    precision.warn_of_emulation(CPU)
    assert "60 times as long as in float32" in caplog.text
    caplog.clear()
    monkeypatch.setattr(precision, "bfloat16_slowdown", lambda: 0.5)
    precision.warn_of_emulation(CPU)
    assert caplog.text == ""


def test_how_much_slower_bfloat16_is_is_measured_once() -> None:
    assert 0 < precision.bfloat16_slowdown() == precision.bfloat16_slowdown()
