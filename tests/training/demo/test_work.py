"""Simulated labelers do what people do, by the same rules."""

import pytest

from labeling.models import Ranking, Reading, TaskKind
from labeling.rules import batches
from tests.factories import PromptFactory, ranked_task
from training.demo.labelers import make_labelers
from training.demo.people import make_simulated_labelers
from training.demo.work import work_through
from training.demo.world import write_prompts

pytestmark = pytest.mark.django_db


def test_they_cannot_tell_what_a_response_says_before_its_prompt_and_rank_it_then() -> None:
    batch = batches.create_batch(name="Read first", kind=TaskKind.COMPARISON, k=2, reads_first=True)
    (row, *_) = write_prompts(authors=1, per_author=1, seed=3)
    ranked_task(batch, 2, PromptFactory.create(text=row["prompt"]))
    batches.open_batch(batch=batch)
    people = make_labelers(train=1, held_out=0, seed=3)
    profiles = make_simulated_labelers(people)
    assert work_through(people=people, profiles=profiles, kind=TaskKind.COMPARISON, seed=3) == 1
    assert Ranking.objects.count() == 1
    assert list(Reading.objects.values_list("text", "cannot_tell")) == [("", True)] * 2
