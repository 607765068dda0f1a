"""Solved examples by passage."""

from collections.abc import Mapping
from typing import Any

import pytest

from training.rlhf.errors import RunRefusedError
from training.rlhf.solved_examples import group_by_passage

HEAD, OTHER = "Passage: A dog ran.\n", "Passage: A cat sat.\n"


def example(key: str, head: str, question: str, answer: str) -> dict[str, Any]:
    return {"id": key, "prompt": head + question, "answers": [[answer]], "passage_chars": len(head)}


def answer(record: Mapping[str, Any]) -> str:
    return str(record["answers"][0][0])


def test_questions_of_a_passage_become_one_example_whose_last_one_is_left_to_answer() -> None:
    given = [
        example("1", HEAD, "Question: Who?\nAnswer:", "a dog"),
        example("2", OTHER, "Question: Who?\nAnswer:", "a cat"),
        example("3", HEAD, "Question: What?\nAnswer:", "ran"),
    ]
    first, second = group_by_passage(given, answer)
    assert first["prompt"] == f"{HEAD}Question: Who?\nAnswer: a dog\nQuestion: What?\nAnswer:"
    assert answer(first) == "ran"
    assert second == given[1]


def test_examples_that_name_no_passage_are_refused() -> None:
    with pytest.raises(RunRefusedError, match="allowed is question"):
        group_by_passage([{"id": "1", "prompt": "say red", "answers": [["red"]]}], answer)
