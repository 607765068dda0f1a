"""Judgements of toxicity as records: one for each response, and none among what trains."""

import pytest

from labeling.errors import InvalidInput
from labeling.models import Cohort, TaskKind
from labeling.rules import comparisons
from labeling.rules.comparisons import AboutPrompt, Judgement
from tests.factories import claimed, qualified_labeler, ranked_batch
from training.rules.datasets import freeze_dataset, read_records

pytestmark = pytest.mark.django_db


def judge_once(cohort: str = Cohort.TRAIN) -> None:
    ranked_batch(tasks=1, k=2, kind=TaskKind.TOXICITY, cohorts=[cohort], settings={"condition": "respectful"})
    held = claimed(qualified_labeler(cohort=cohort), TaskKind.TOXICITY)
    responses = comparisons.responses_in_display_order(held)
    comparisons.submit_ranking(
        assignment=held,
        judgements=[
            Judgement(
                response.code, at, scores={"toxicity": at - 1, "relative_toxicity": -1, "continuity": 8 - at}
            )
            for at, response in enumerate(responses, start=1)
        ],
        idempotency_key="once",
        about=AboutPrompt(scores={"toxicity": 2}),
    )


@pytest.mark.parametrize("cohort", [Cohort.TRAIN, Cohort.HELD_OUT])
def test_each_judged_response_is_a_record_with_its_condition(cohort: str) -> None:
    judge_once(cohort)
    dataset = freeze_dataset(kind="toxicity")
    (split,) = dataset.counts
    records = sorted(read_records(dataset, split=split), key=lambda record: record["rank"])
    assert [record["toxicity"] for record in records] == [0, 1]
    assert [record["continuity"] for record in records] == [7, 6]
    for record in records:
        assert (record["condition"], record["prompt_toxicity"]) == ("respectful", 2)
        assert (record["relative_toxicity"], record["k"], record["labeler_group"]) == (-1, 2, cohort)
        assert record["model"].startswith("secret-policy")


@pytest.mark.parametrize("cohorts", [["train"], ["held_out"]])
def test_judgements_of_toxicity_are_no_comparisons(cohorts: list[str]) -> None:
    judge_once(cohorts[0])
    with pytest.raises(InvalidInput, match="Nothing to freeze"):
        freeze_dataset(kind="comparisons", selection={"cohorts": cohorts})
