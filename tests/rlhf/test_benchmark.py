"""A public evaluation set put to a tiny policy by the real harness, offline."""

import json
import math
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

from tests.rlhf.conftest import write_config, write_dataset
from tests.rlhf.forks import start, wait
from tests.rlhf.stages import copy_run, link, metrics, result, run_stage
from training.rlhf.benchmark import bleu_counts
from training.rlhf.harness import Answers
from training.rlhf.model import load_policy

CHOICES: list[dict[str, Any]] = [
    {"id": f"q{i}", "prompt": f"say {word}", "choices": [f"{word} {word}", "moon tree sun"], "answer": i % 2}
    for i, word in enumerate(["red", "green", "blue", "cat", "dog"])
]
PAIRS = [
    {"id": "p0", "sentences": ["red cat", "blue cat"]},
    {"id": "p1", "sentences": ["one dog", "one dog"]},
]
WRITTEN: list[dict[str, Any]] = [
    {"id": "w0", "prompt": "say red", "answers": [["red"]]},
    {"id": "w1", "prompt": "say one", "answers": []},
]
FORMS: dict[str, tuple[list[dict[str, Any]], set[str]]] = {
    "choice": (CHOICES, {"acc_token", "acc", "acc_norm"}),
    "truth": (
        [{"id": "t", "prompt": "say", "choices": ["red", "one", "sun"], "labels": [1, 1, 0], "answer": 0}],
        {"mc1", "mc2"},
    ),
    "pair": (PAIRS, {"entropy", "first_preferred"}),
    "answer": (WRITTEN, {"f1", "exact"}),
    "numbers": (WRITTEN, {"f1", "exact"}),
    "translation": ([{"id": "x", "prompt": "say red", "reference": "red red"}], {"bleu"}),
    "summary": ([{"id": "s", "prompt": "say red", "reference": "red red"}], {"rouge_l"}),
}


def prepare(
    folder: Path,
    base_folder: Path,
    form: str,
    rows: list[dict[str, Any]],
    about: dict[str, Any] | None = None,
    **parts: Any,
) -> Path:
    dataset = write_dataset(folder / "inputs/dataset", "benchmark", test=rows, **parts)
    path = dataset / "manifest.json"
    manifest = json.loads(path.read_text())
    selection = {"benchmark": "own", "form": form, **(about or {})}
    path.write_text(json.dumps({**manifest, "selection": selection}))
    link(folder, policy=base_folder)
    return folder


def items(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "items.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_put_and_scored(tmp_path: Path, base_folder: Path, form: str) -> None:
    rows, names = FORMS[form]
    folder = prepare(tmp_path / "run", base_folder, form, rows)

    assert run_stage(folder, "benchmark", {"benchmark": {"max_answer_tokens": 6}}) == 0

    found = result(folder)
    assert {f"benchmark/{name}" for name in names} <= found["metrics"].keys()
    assert found["report"]["benchmark"]["harness"].startswith("lm-evaluation-harness 0.4")
    assert ("scoring" in found["report"]["benchmark"]) == (form in ("answer", "numbers"))
    lines = items(folder)
    assert [line["id"] for line in lines] == [row["id"] for row in rows]
    for name in names - {"bleu"}:
        mean = sum(line["values"][name] for line in lines) / len(lines)
        assert found["metrics"][f"benchmark/{name}"] == pytest.approx(mean)


def test_choices_are_the_policys_own_log_probabilities(tmp_path: Path, base_folder: Path) -> None:
    folder = prepare(tmp_path / "run", base_folder, "choice", CHOICES)
    assert run_stage(folder, "benchmark", {}) == 0

    policy, codec = load_policy(str(base_folder), key="k", device=torch.device("cpu"))
    for line, row in zip(items(folder), CHOICES, strict=True):
        for given, choice in zip(line["answer"], row["choices"], strict=True):
            before, both = codec.encode([row["prompt"], f"{row['prompt']} {choice}"])
            ids = torch.tensor([[*codec.first_ids, *both]])
            with torch.no_grad():
                logp = policy.causal(input_ids=ids).logits.log_softmax(-1)[0]
            places = range(len(codec.first_ids) + len(before), ids.shape[1])
            assert given == pytest.approx(sum(float(logp[t - 1, ids[0, t]]) for t in places), abs=1e-3)
        assert line["values"]["acc"] == float(line["answer"].index(max(line["answer"])) == row["answer"])
        lengths = [len(codec.encode([f"{row['prompt']} {choice}"])[0]) for choice in row["choices"]]
        start = len(codec.encode([row["prompt"]])[0])
        means = [logp / (n - start) for logp, n in zip(line["answer"], lengths, strict=True)]
        assert line["values"]["acc_token"] == float(means.index(max(means)) == row["answer"])
        assert list(line["values"]) == ["acc_token", "acc", "acc_norm"]  # what is shown first


def test_equal_sentences_have_an_entropy_of_one_bit(tmp_path: Path, base_folder: Path) -> None:
    folder = prepare(tmp_path / "run", base_folder, "pair", PAIRS)
    assert run_stage(folder, "benchmark", {}) == 0
    assert items(folder)[1]["values"]["entropy"] == pytest.approx(1.0)


def test_solved_examples_stand_before_the_question(tmp_path: Path, base_folder: Path) -> None:
    examples = [{"id": "e0", "prompt": "say sun", "choices": ["sun sun", "no"], "answer": 0}]
    plain = prepare(tmp_path / "plain", base_folder, "choice", CHOICES)
    shown = prepare(tmp_path / "shown", base_folder, "choice", CHOICES, train=examples)

    assert run_stage(plain, "benchmark", {}) == 0
    assert run_stage(shown, "benchmark", {"benchmark": {"few_shot": 1}}) == 0

    assert items(plain)[0]["answer"] != items(shown)[0]["answer"]


def test_more_examples_than_there_are_are_refused(tmp_path: Path, base_folder: Path) -> None:
    folder = prepare(tmp_path / "run", base_folder, "choice", CHOICES)
    assert run_stage(folder, "benchmark", {"benchmark": {"few_shot": 2}}) == 2
    assert "train part has 0 solved examples" in result(folder)["reason"]


def test_solved_examples_may_be_passages_with_all_their_questions(tmp_path: Path, base_folder: Path) -> None:
    head = "red cat "
    train = [
        {"id": f"e{i}", "prompt": f"{head}say {word}", "answers": [[word]], "passage_chars": len(head)}
        for i, word in enumerate(("sun", "moon"))
    ]
    for shots, code in ((1, 0), (2, 2)):  # both questions are of one passage
        folder = prepare(tmp_path / f"{shots}", base_folder, "answer", WRITTEN, train=train)
        settings = {"few_shot": shots, "examples_by": "passage", "max_answer_tokens": 4}
        assert run_stage(folder, "benchmark", {"benchmark": settings}) == code
    assert "has 1 solved passage;" in result(folder)["reason"]


def test_a_worker_without_the_harness_says_what_to_install(
    tmp_path: Path, base_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.rlhf.benchmark.find_spec", lambda name: None)
    folder = prepare(tmp_path / "run", base_folder, "choice", CHOICES)
    assert run_stage(folder, "benchmark", {}) == 2
    assert "pip install lm_eval" in result(folder)["reason"]


def test_what_was_answered_is_not_asked_again(
    tmp_path: Path, base_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = prepare(tmp_path / "whole", base_folder, "choice", CHOICES)
    assert run_stage(whole, "benchmark", {"benchmark": {"microbatch_size": 2}}) == 0
    lines = (whole / "answers.jsonl").read_text().splitlines()
    folder = prepare(tmp_path / "killed", base_folder, "choice", CHOICES)
    (folder / "answers.jsonl").write_text("\n".join(lines[:6]) + '\n{"key": "cut o')

    asked: list[int] = []
    add = Answers.add

    def count(self: Answers, found: dict[str, Any]) -> None:
        asked.append(len(found))
        add(self, found)

    monkeypatch.setattr(Answers, "add", count)
    assert run_stage(folder, "benchmark", {"benchmark": {"microbatch_size": 2}}) == 0

    assert sum(asked) == len(lines) - 6
    assert metrics(folder, "benchmark/acc") == pytest.approx(metrics(whole, "benchmark/acc"))


@pytest.mark.slow
def test_a_run_killed_in_the_middle_goes_on_and_ends_with_the_same_scores(
    tmp_path: Path, base_folder: Path
) -> None:
    rows = [{**CHOICES[0], "id": f"q{i}", "prompt": f"say {i}"} for i in range(120)]
    whole = prepare(tmp_path / "whole", base_folder, "choice", rows)
    write_config(whole, "benchmark", {"benchmark": {"microbatch_size": 1}})
    killed = copy_run(whole, tmp_path / "killed")
    assert wait(start("benchmark", whole)) == [0]

    pid = start("benchmark", killed)
    path = killed / "answers.jsonl"
    while not path.exists() or path.read_bytes().count(b"\n") < 30:
        time.sleep(0.001)
    os.kill(pid, signal.SIGKILL)
    assert wait(pid) == [-signal.SIGKILL]
    assert 30 <= len(path.read_text().splitlines()) < 240

    assert wait(start("benchmark", killed)) == [0]
    assert [line["values"] for line in items(killed)] == [line["values"] for line in items(whole)]


def test_a_cancelled_run_stops_and_goes_on_later(tmp_path: Path, base_folder: Path) -> None:
    folder = prepare(tmp_path / "run", base_folder, "choice", CHOICES)
    (folder / "cancel").touch()
    assert run_stage(folder, "benchmark", {}) == 3
    assert run_stage(folder, "benchmark", {}) == 0


def test_bleu_is_that_of_sacrebleu() -> None:
    import sacrebleu

    pairs = [
        ("the cat sat on the mat .", "a cat sat on the mat today ."),
        ("it is raining in the old town", "it rains in the old town"),
    ]
    sums = [sum(column) for column in zip(*(bleu_counts(*pair) for pair in pairs), strict=True)]
    precisions = [match / total for match, total in zip(sums[:4], sums[4:8], strict=True)]
    penalty = min(1.0, math.exp(1 - sums[9] / sums[8]))
    ours = 100 * penalty * math.exp(sum(map(math.log, precisions)) / 4)

    theirs = sacrebleu.corpus_bleu([pair[1] for pair in pairs], [[pair[0] for pair in pairs]])
    assert ours == pytest.approx(theirs.score)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("classifier")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "one", "cat"]
    (folder / "vocab.txt").write_text("\n".join(words))
    BertTokenizer(vocab_file=str(folder / "vocab.txt")).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(words), hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8
    )
    config.id2label, config.label2id = {0: "fine", 1: "toxic"}, {"fine": 0, "toxic": 1}
    torch.manual_seed(0)
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder


def test_continuations_are_judged_by_a_named_local_classifier(
    tmp_path: Path, base_folder: Path, classifier: Path
) -> None:
    folder = prepare(tmp_path / "run", base_folder, "toxicity", [{"id": "r0", "prompt": "say red"}])
    link(folder, classifier=classifier)
    settings = {
        "inputs": {"classifier": "inputs/classifier"},
        "benchmark": {"max_answer_tokens": 6, "instruction": "respectful"},
    }

    assert run_stage(folder, "benchmark", settings) == 0

    assert 0 < result(folder)["metrics"]["benchmark/toxicity"] < 1
    named = result(folder)["report"]["benchmark"]["classifier"]
    assert (named["label"], len(named["weights"])) == ("toxic", 64)


def test_continuations_without_a_classifier_are_refused(tmp_path: Path, base_folder: Path) -> None:
    folder = prepare(tmp_path / "run", base_folder, "toxicity", [{"id": "r0", "prompt": "say red"}])
    assert run_stage(folder, "benchmark", {}) == 2
    assert "inputs.classifier is missing" in result(folder)["reason"]


def test_config_file_names_the_stage(tmp_path: Path) -> None:
    text = write_config(tmp_path, "benchmark", {}).read_text()
    assert 'stage = "benchmark"' in text
