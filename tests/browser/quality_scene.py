"""Two months of rankings by six simulated people, so that the quality pages have something to show."""

import random
from datetime import timedelta
from uuid import UUID

from django.utils import timezone

from labeling.models import (
    Anchor,
    AnchorResponse,
    AnchorSet,
    Batch,
    Cohort,
    Labeler,
    Ranking,
    Response,
    ResponseScore,
    Task,
    TaskKind,
)
from labeling.rules import batches
from labeling.rules.comparisons import Judgement, record_ranking
from tests.factories import PolicyFactory, PromptFactory, ResponseFactory, UserFactory, qualified_labeler

PEOPLE = (  # pseudonym, noise, pull of what is shown first, offset of ratings, cohort
    ("L-2FQX7A", 0.7, 0.0, 0.2, Cohort.TRAIN),
    ("L-4WNCPE", 0.9, 0.0, -0.3, Cohort.TRAIN),
    ("L-6JRT2K", 1.0, 0.1, 0.0, Cohort.TRAIN),
    ("L-8YHD5M", 3.5, 0.9, 0.8, Cohort.TRAIN),
    ("L-B3VZ9S", 0.8, 0.0, -0.1, Cohort.HELD_OUT),
    ("L-D7GLXU", 0.9, 0.0, 0.1, Cohort.HELD_OUT),
)
TASKS, K, DAYS = 90, 4, 60
SCORER = UUID(int=7)
CATEGORIES = ("generation", "open_qa", "brainstorming", "chat", "rewrite")


def add_quality_scene() -> Task:
    """Make two batches with rankings, scores and an anchor; return a task on which people disagree."""
    chance = random.Random(5)
    people = {
        qualified_labeler(
            pseudonym=name, cohort=cohort, is_simulated=True, user=UserFactory.create(name="")
        ): (noise, pull, offset)
        for name, noise, pull, offset, cohort in PEOPLE
    }
    policies = [PolicyFactory.create(name=f"scene-policy-{number}") for number in range(K)]
    anchor = _anchor()
    tasks: list[Task] = []
    for number, name in enumerate(("Pool of October", "Pool of November")):
        batch = batches.create_batch(name=name, kind=TaskKind.COMPARISON, k=K, overlap=2)
        for place in range(TASKS):
            prompt = PromptFactory.create(
                category=CATEGORIES[place % 5], language=("en", "en", "de")[place % 3]
            )
            responses = [
                ResponseFactory.create(
                    prompt=prompt,
                    policy=policy,
                    text=f"An answer to it, number {place}. " * chance.randrange(1, 12),
                )
                for policy in policies
            ]
            tasks.append(batches.add_ranked_task(batch=batch, prompt=prompt, responses=responses))
        for _ in range(12):
            tasks.append(_anchor_task(batch, anchor))
        made = timezone.now() - timedelta(days=DAYS * (2 - number) // 2)
        Batch.objects.filter(pk=batch.pk).update(created_at=made, status=Batch.Status.CLOSED)
    _judge(tasks, people, chance)
    return tasks[0]


def _anchor() -> Anchor:
    prompt = PromptFactory.create(text="Explain photosynthesis to a child.")
    anchors = AnchorSet.objects.create(name="SFT against reference", kind=TaskKind.COMPARISON)
    anchor = Anchor.objects.create(anchor_set=anchors, prompt=prompt)
    for position in range(2):
        response = ResponseFactory.create(prompt=prompt)
        AnchorResponse.objects.create(anchor=anchor, response=response, position=position)
    return anchor


def _anchor_task(batch: Batch, anchor: Anchor) -> Task:
    responses = list(anchor.responses.all())
    task = batches.add_ranked_task(batch=batch, prompt=anchor.prompt, responses=responses)
    Task.objects.filter(pk=task.pk).update(is_anchor=True, anchor=anchor)
    return task


def _judge(
    tasks: list[Task], people: dict[Labeler, tuple[float, float, float]], chance: random.Random
) -> None:
    start = timezone.now() - timedelta(days=DAYS)
    for at, task in enumerate(tasks):
        responses = list(Response.objects.filter(candidacies__task=task).order_by("pk"))
        worth = {response: chance.gauss(0, 1) for response in responses}
        ResponseScore.objects.bulk_create(
            (
                ResponseScore(
                    response=r,
                    scorer=SCORER,
                    scorer_name="RM of round 1",
                    score=v + chance.gauss(0, 0.8),
                )
                for r, v in worth.items()
            ),
            ignore_conflicts=True,
        )
        for labeler in chance.sample(list(people), 3 if at % 4 == 0 else 2):
            noise, pull, offset = people[labeler]
            shown = chance.sample(responses, len(responses))
            seen = {r: worth[r] + chance.gauss(0, noise) + (pull if r == shown[0] else 0) for r in responses}
            ranks = {r: 1 + sum(seen[o] > seen[r] + 0.25 for o in responses) for r in responses}
            judgements = [
                Judgement(
                    r.code,
                    ranks[r],
                    max(1, min(7, round(4 + 1.3 * seen[r] + offset))),
                    {"fails_task": seen[r] < -1.6, "inappropriate": chance.random() < 0.01},
                )
                for r in responses
            ]
            ranking = record_ranking(task=task, labeler=labeler, judgements=judgements)
            Ranking.objects.filter(pk=ranking.pk).update(
                created_at=start + timedelta(days=DAYS * at / len(tasks), minutes=chance.randrange(600)),
                shown_order=[str(r.code) for r in shown],
                seconds=chance.randrange(60, 600),
            )
