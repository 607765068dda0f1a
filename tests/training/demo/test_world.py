from collections import Counter
from itertools import islice
from random import Random

import pytest

from training.demo import answers, corpus, world
from training.demo.families import FAMILIES, find_question, phrase
from training.demo.family import Family


@pytest.mark.parametrize("family", FAMILIES.values(), ids=list(FAMILIES))
def test_every_wording_is_read_back_into_its_question(family: Family) -> None:
    rng = Random(1)
    for _ in range(100):
        question = family.draw(rng)
        for template in range(len(family.templates)):
            assert find_question(f"Hello! {phrase(question, template)} Thank you!") == question


def test_prompts_are_questions_of_the_world_and_never_repeat() -> None:
    rows = world.write_prompts(authors=30, per_author=30, seed=1)

    assert len({row["prompt"] for row in rows}) == len(rows) == 900
    assert all(find_question(row["prompt"]) for row in rows)
    assert set(Counter(row["user_id"] for row in rows).values()) == {30}


def test_the_same_seed_gives_the_same_prompts_and_another_seed_others() -> None:
    first = world.write_prompts(authors=3, per_author=20, seed=1)

    assert first == world.write_prompts(authors=3, per_author=20, seed=1)
    assert first != world.write_prompts(authors=3, per_author=20, seed=2)


def test_authors_differ_in_what_they_ask_for() -> None:
    rows = world.write_prompts(authors=2, per_author=60, seed=4)
    asked = [
        {
            found.family
            for row in rows
            if row["user_id"].endswith(author) and (found := find_question(row["prompt"]))
        }
        for author in ("000", "001")
    ]

    assert asked[0] != asked[1]


def test_demonstrations_are_good_about_as_often_as_the_labeler_is() -> None:
    rows = world.write_prompts(authors=20, per_author=20, seed=5)
    rng = Random(0)
    scores = [
        world.gold_score(row["prompt"], world.demonstrate(row["prompt"], rng, good_fraction=0.5))
        for row in rows
    ]

    assert 0.4 < sum(score >= 0.99 for score in scores) / len(scores) < 0.62


def test_pretraining_text_holds_all_four_kinds_and_repeats_exactly_for_a_seed() -> None:
    documents = list(corpus.documents(count=400, seed=7))

    assert {document["corpus"] for document in documents} == {
        "demo-story",
        "demo-facts",
        "demo-questions",
        "demo-talk",
    }
    assert documents[:20] == list(islice(corpus.documents(count=400, seed=7), 20))


def test_every_sloppy_way_has_a_weight() -> None:
    assert set(answers.SLOPPY_WAYS) == set(answers.SLOPPY_WEIGHTS)
