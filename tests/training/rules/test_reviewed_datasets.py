"""What reviews, surplus and anchors mean for datasets: left out, and counted with the reason."""

import pytest

from labeling.models import Anchor, AnchorSet, Review, User
from labeling.rules import reviews
from tests.factories import UserFactory
from tests.training.factories import demonstration, ranking
from training.rules.datasets import freeze_dataset, read_records

pytestmark = pytest.mark.django_db


@pytest.fixture
def reviewer(db: None) -> User:
    """Somebody of the staff."""
    return UserFactory.create(role="manager")


def test_demonstrations_that_a_review_left_out_or_returned_give_no_record(reviewer: User) -> None:
    kept, excluded = demonstration(text="Kept."), demonstration(text="Out.")
    reviews.review_demonstration(demonstration=kept, decision="accepted", by=reviewer)
    reviews.review_demonstration(
        demonstration=excluded, decision="excluded", comment="Off topic", by=reviewer
    )
    dataset = freeze_dataset(kind="sft")
    assert dataset.rows == 1
    assert dataset.manifest["dropped"] == {"review_excluded": 1}


def test_fixed_demonstration_trains_in_the_reviewers_words(reviewer: User) -> None:
    reviews.fix_demonstration(demonstration=demonstration(text="Slep."), text="Sleep.", by=reviewer)
    rows = read_records(freeze_dataset(kind="sft"), split="train")
    assert [row["completion"] for row in rows] == ["Sleep."]


def test_ranking_that_a_review_left_out_gives_no_record_until_it_is_taken_back(reviewer: User) -> None:
    ranking([1, 2])
    row = ranking([2, 1])
    review = reviews.review_ranking(
        ranking=row, decision=Review.Decision.EXCLUDED, comment="Random", by=reviewer
    )
    assert freeze_dataset(kind="comparisons").manifest["dropped"] == {"review_excluded": 1}
    reviews.undo_review(review=review, by=reviewer)
    assert freeze_dataset(kind="comparisons").rows == 2


def test_old_selection_gives_the_old_bytes_after_new_reviews(reviewer: User) -> None:
    demonstration()
    row = demonstration()
    before = freeze_dataset(kind="sft")
    reviews.review_demonstration(demonstration=row, decision="excluded", comment="Off topic", by=reviewer)
    assert freeze_dataset(kind="sft").rows == 1
    assert freeze_dataset(kind="sft", selection=before.manifest["selection"]).hash == before.hash


def test_surplus_labels_train_where_they_are_wanted() -> None:
    demonstration()
    demonstration(is_surplus=True)
    assert freeze_dataset(kind="sft").rows == 1
    assert freeze_dataset(kind="sft", selection={"include_surplus": True}).rows == 2


def test_labels_of_anchors_train_only_where_they_are_wanted() -> None:
    ranking([1, 2])
    task = ranking([1, 2]).task
    assert task.prompt is not None
    task.is_anchor = True
    task.anchor = Anchor.objects.create(
        anchor_set=AnchorSet.objects.create(name="SFT against reference"), prompt=task.prompt
    )
    task.save()
    dataset = freeze_dataset(kind="comparisons")
    assert (dataset.rows, dataset.manifest["dropped"]) == (1, {"anchor": 1})
    assert freeze_dataset(kind="comparisons", selection={"include_anchors": True}).rows == 2
