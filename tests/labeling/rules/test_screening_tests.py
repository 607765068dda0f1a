"""Building a screening test and publishing it."""

from typing import Any

import pytest

from labeling.errors import Conflict, InvalidInput, NotPermitted
from labeling.models import ScreeningTest, User
from labeling.rules import screening_tests
from tests.labeling.screenings import Part, Use, published_test

pytestmark = pytest.mark.django_db


def test_published_test_stays_as_it_is(dana: User) -> None:
    test = published_test(dana)
    item = test.items.all()[0]
    for change in (
        lambda: screening_tests.change_test(test=test, by=dana, title="Other"),
        lambda: screening_tests.add_item(test=test, by=dana, part=Part.DEMONSTRATION, text="Hm?"),
        lambda: screening_tests.change_item(item=item, by=dana, text="Hm?"),
        lambda: screening_tests.remove_item(item=item, by=dana),
        lambda: screening_tests.publish_test(test=test, by=dana),
        lambda: screening_tests.remove_test(test=test, by=dana),
    ):
        with pytest.raises(Conflict, match="published"):
            change()


def test_new_version_starts_as_a_copy(dana: User) -> None:
    first = published_test(dana, flagging_cutoff=0.8)
    second = screening_tests.create_test(by=dana, source=first)
    assert second.flagging_cutoff == 0.8
    assert second.items.count() == first.items.count()
    assert ScreeningTest.objects.current() == first
    screening_tests.publish_test(test=second, by=dana)
    assert (second.version, ScreeningTest.objects.current()) == (2, second)


def test_shipped_example_is_complete(dana: User) -> None:
    test = screening_tests.create_test(by=dana, example=True)
    screening_tests.publish_test(test=test, by=dana)
    assert test.version == 1
    assert (test.flagging_cutoff, test.ranking_cutoff, test.demonstration_cutoff) == (0.75, 0.75, 6.0)


def test_part_without_a_counted_item_is_not_published(dana: User) -> None:
    test = screening_tests.create_test(by=dana)
    screening_tests.add_item(test=test, by=dana, part=Part.DEMONSTRATION, text="Why?")
    with pytest.raises(InvalidInput, match="missing: Sensitive text, Ranking"):
        screening_tests.publish_test(test=test, by=dana)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"part": Part.FLAGGING, "text": "Boo"}, "researchers flag"),
        ({"part": Part.RANKING, "text": "Boo", "responses": ["one"]}, "2 to 9 responses"),
        (
            {"part": Part.RANKING, "text": "Boo", "responses": ["a", "b"], "reference": {"ranks": [1, 3]}},
            "from 1",
        ),
        (
            {"part": Part.RANKING, "text": "Boo", "responses": ["a", "b"], "reference": {"ranks": [1, 1]}},
            "ties everything",
        ),
        ({"part": Part.DEMONSTRATION, "text": "  "}, "empty"),
        ({"part": Part.DEMONSTRATION, "text": "Boo", "use": Use.TRAINING}, "explains"),
        ({"part": "song", "text": "Boo"}, "not a part"),
    ],
)
def test_item_that_makes_no_sense_is_refused(dana: User, content: dict[str, Any], message: str) -> None:
    test = screening_tests.create_test(by=dana)
    with pytest.raises(InvalidInput, match=message):
        screening_tests.add_item(test=test, by=dana, **content)


def test_cutoffs_are_shares_and_grades(dana: User) -> None:
    test = screening_tests.create_test(by=dana)
    with pytest.raises(InvalidInput):
        screening_tests.change_test(test=test, by=dana, flagging_cutoff=75.0)
    with pytest.raises(InvalidInput):
        screening_tests.change_test(test=test, by=dana, demonstration_cutoff=9.0)
    with pytest.raises(InvalidInput, match="Name 1 to"):
        screening_tests.change_test(test=test, by=dana, topics=[" "])


def test_labelers_do_not_build_tests(alice: Any) -> None:
    with pytest.raises(NotPermitted):
        screening_tests.create_test(by=alice.user)
