"""What labelers wrote as prompts, in datasets: few-shot pairs train the supervised policy."""

from typing import Any

import pytest

from labeling.models import Prompt, PromptKind, TaskKind
from labeling.rules import batches, revisions, written_prompts
from labeling.rules.written_prompts import Pair, few_shot_texts
from tests.factories import claimed, qualified_labeler
from training.models import Dataset
from training.rules.datasets import freeze_dataset, read_records

pytestmark = pytest.mark.django_db
PAIRS = [Pair("Cold food.", "bad"), Pair("Warm food.", "good"), Pair("Late food.", "bad")]


def records(dataset: Dataset) -> list[dict[str, Any]]:
    parts = [part["split"] for part in dataset.manifest["parts"]]
    return [record for split in parts for record in read_records(dataset, split=split, count=100)]


def test_each_pair_is_one_example_of_the_labelers_own_split() -> None:
    batch = batches.create_batch(name="Prompts", kind=TaskKind.PROMPT)
    written_prompts.add_prompt_tasks(batch=batch, count=1, prompt_kind=PromptKind.FEW_SHOT)
    batches.open_batch(batch=batch)
    slot = claimed(qualified_labeler(), TaskKind.PROMPT)
    receipt = written_prompts.submit_written_prompt(
        assignment=slot, text="Judge the food.", pairs=PAIRS, idempotency_key="a"
    )
    rows = records(freeze_dataset(kind="sft"))
    assert {row["prompt"]: row["completion"] for row in rows} == dict(
        zip(few_shot_texts("Judge the food.", PAIRS), ["bad", "good", "bad"], strict=True)
    )
    root = Prompt.objects.get(parent=None)
    assert sorted(str(row["parent_instruction_id"]) for row in rows) == sorted(
        ["None", str(root.code), str(root.code)]
    )
    assert {row["split"] for row in rows} == {root.split}
    revisions.reopen_submission(receipt=receipt)
    written_prompts.submit_written_prompt(
        assignment=slot, text="Judge the food.", pairs=PAIRS[:2], idempotency_key="b"
    )
    assert len(records(freeze_dataset(kind="sft"))) == 2
