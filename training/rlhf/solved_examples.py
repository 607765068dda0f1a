"""Solved examples that stand before a question: all questions of a passage as one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from training.rlhf.errors import RunRefusedError

Record = Mapping[str, Any]


def group_by_passage(examples: Sequence[Record], answer: Callable[[Record], str]) -> list[dict[str, Any]]:
    """Make one example of all that ask about the same passage, in the order in which passages appear.

    examples  questions whose first `passage_chars` of the prompt are the passage
    answer    what an example shows as its answer
    returns   the passage, its questions each with its answer, and the last one for the harness to answer
    raises    RunRefusedError where an example names no passage
    """
    found: dict[str, dict[str, Any]] = {}
    for example in examples:
        length = example.get("passage_chars")
        if not isinstance(length, int):
            raise RunRefusedError(
                "benchmark.examples_by is passage, but this set's solved examples do not say which passage "
                "theirs is; allowed is question. Those of DROP, SQuADv2 and QuAC say it: import them again."
            )
        passage, question = example["prompt"][:length], example["prompt"][length:]
        before = found.get(passage)
        said = f"{before['prompt']} {answer(before)}\n{question}" if before else example["prompt"]
        found[passage] = {**example, "prompt": said}
    return list(found.values())
