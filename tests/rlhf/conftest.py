"""Datasets and tiny models made on the spot."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from training.rlhf.config import dump_config, parse_config
from training.rlhf.data import manifest_hash
from training.rlhf.model import LanguageModel, save_policy
from training.rlhf.pretrain import new_language_model, train_tokenizer
from training.rlhf.stage_configs import Pretrain
from training.rlhf.tokenizer import Codec, make_codec

Rows = Sequence[Mapping[str, Any]]
WORDS = ["red", "green", "blue", "one", "two", "three", "cat", "dog", "bird", "sun", "moon", "tree", "say"]


@pytest.fixture(autouse=True)
def torch_as_it_starts() -> None:
    """One thread and plain float32 products, whatever the test before has asked for."""
    torch.set_num_threads(1)
    torch.set_float32_matmul_precision("highest")


def write_dataset(folder: Path, kind: str, **splits: Rows) -> Path:
    """Freeze rows as a dataset folder, as the product does."""
    folder.mkdir(parents=True)
    parts = []
    for split, rows in splits.items():
        path = folder / f"{split}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        parts.append({"path": path.name, "split": split, "rows": len(rows), "sha256": digest})
    manifest = {"kind": kind, "schema": 1, "code": "test", "parts": parts, "hash": manifest_hash(parts)}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def write_config(folder: Path, stage: str, settings: Mapping[str, Any]) -> Path:
    """Write a run.toml into a run folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "run.toml"
    path.write_text(dump_config(parse_config(stage, settings)), encoding="utf-8")
    return path


def sentence(source: random.Random, least: int = 2, most: int = 8) -> str:
    return " ".join(source.choices(WORDS, k=source.randint(least, most)))


def texts(n: int, seed: int = 0) -> list[dict[str, str]]:
    source = random.Random(seed)
    return [{"id": f"t{i}", "text": sentence(source, 5, 30), "corpus": "made"} for i in range(n)]


def demonstrations(n: int, seed: int = 0) -> list[dict[str, str]]:
    source = random.Random(seed)
    return [
        {"id": f"d{i}", "prompt": f"say {word}", "completion": f"{word} {word}"}
        for i, word in enumerate(source.choices(WORDS, k=n))
    ]


def comparisons(n: int, seed: int = 0, group: str = "train") -> list[dict[str, Any]]:
    """Rankings in which the response that repeats the prompt's word wins and the longest loses."""
    source = random.Random(seed)
    rows = []
    for i in range(n):
        word = source.choice(WORDS)
        outputs = [f"{word} {word}", sentence(source, 2, 3), sentence(source, 2, 3), sentence(source, 6, 8)]
        outputs = outputs[: source.randint(2, 4)]
        ranked = [
            {"oid": "ABCD"[j], "text": text, "model": "m", "rank": [1, 2, 2, 4][j], "flags": {}}
            for j, text in enumerate(outputs)
        ]
        source.shuffle(ranked)
        rows.append({"id": f"c{i}", "prompt": f"say {word}", "outputs": ranked, "labeler_group": group})
    return rows


@pytest.fixture(scope="session")
def codec() -> Codec:
    settings = Pretrain(vocab_size=320, context=128)
    tokenizer = train_tokenizer([row["text"] for row in texts(200)], settings)
    return make_codec(tokenizer, source="", key="test")


def tiny_model(codec: Codec, shape: str, seed: int = 0) -> LanguageModel:
    settings = Pretrain(shape=shape, layers=2, width=32, heads=2, context=128)
    model = new_language_model(settings, codec, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():  # larger than usual weights, so that differences show
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.05)
    return model


@pytest.fixture(scope="session", params=["gpt2", "llama"])
def shape(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def model(codec: Codec, shape: str) -> LanguageModel:
    return tiny_model(codec, shape)


@pytest.fixture(scope="session")
def base_folder(codec: Codec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Llama on disk, never trained."""
    folder = tmp_path_factory.mktemp("base")
    save_policy(tiny_model(codec, "llama"), codec, folder, {"kind": "base"})
    return folder
