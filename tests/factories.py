"""The least that is valid of each row; a test states what matters to it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import factory
from django.utils import timezone
from factory.django import DjangoModelFactory

from labeling.models import (
    Assignment,
    Batch,
    Cohort,
    Labeler,
    Policy,
    Prompt,
    PromptSource,
    Response,
    Role,
    Split,
    Task,
    TaskKind,
    User,
)
from labeling.rules import assignments, batches, labelers, policies
from labeling.rules.texts import exact_hash, text_hash

PASSWORD = "a long and winding word"


class UserFactory(DjangoModelFactory[User]):
    class Meta:
        model = User
        skip_postgeneration_save = True

    email = factory.Sequence(lambda n: f"person{n}@example.org")
    name = factory.Sequence(lambda n: f"Person {n}")
    role = Role.LABELER
    password = factory.django.Password(PASSWORD)


class LabelerFactory(DjangoModelFactory[Labeler]):
    class Meta:
        model = Labeler

    user = factory.SubFactory(UserFactory)
    pseudonym = factory.Sequence(lambda n: f"L-{n:06d}")
    cohort = Cohort.TRAIN
    status = Labeler.Status.ACTIVE


class PromptFactory(DjangoModelFactory[Prompt]):
    class Meta:
        model = Prompt

    text = factory.Sequence(lambda n: f"Give {n} tips for sleeping better.")
    source = PromptSource.PLAYGROUND
    author_key = factory.Sequence(lambda n: f"u_{n:016x}")
    split = Split.TRAIN
    language = "en"
    text_hash = factory.LazyAttribute(lambda prompt: text_hash(prompt.text))


class PolicyFactory(DjangoModelFactory[Policy]):
    class Meta:
        model = Policy

    name = factory.Sequence(lambda n: f"secret-policy-{n}")
    kind = Policy.Kind.IMPORTED


class ResponseFactory(DjangoModelFactory[Response]):
    class Meta:
        model = Response

    prompt = factory.SubFactory(PromptFactory)
    policy = factory.SubFactory(PolicyFactory)
    text = factory.Sequence(lambda n: f"Response number {n}.")
    text_hash = factory.LazyAttribute(lambda response: exact_hash(response.text))


def qualified_labeler(*kinds: str, **fields: Any) -> Labeler:
    """Return an active labeler who may take the kinds given, all of them by default."""
    labeler = LabelerFactory.create(**fields)
    for kind in kinds or TaskKind.values:
        labelers.grant_qualification(labeler=labeler, kind=kind)
    return labeler


def writing_batch(tasks: int = 3, **fields: Any) -> Batch:
    """Return an open batch of demonstrations."""
    batch = batches.create_batch(name="Writing", kind=TaskKind.DEMONSTRATION, **fields)
    batches.add_writing_tasks(batch=batch, prompts=PromptFactory.create_batch(tasks))
    return batches.open_batch(batch=batch)


def ranked_task(batch: Batch, k: int = 4, prompt: Prompt | None = None) -> Task:
    """Add a comparison of `k` responses by as many policies to a draft batch."""
    prompt = prompt or PromptFactory.create()
    responses = [ResponseFactory.create(prompt=prompt) for _ in range(k)]
    return batches.add_ranked_task(batch=batch, prompt=prompt, responses=responses)


def ranked_batch(tasks: int = 3, k: int = 4, kind: str = TaskKind.COMPARISON, **fields: Any) -> Batch:
    """Return an open batch of comparisons or final evaluations."""
    batch = batches.create_batch(name="Ranking", kind=kind, k=k, **fields)
    for _ in range(tasks):
        ranked_task(batch, k)
    return batches.open_batch(batch=batch)


def claimed(labeler: Labeler, kind: str) -> Assignment:
    """Return the labeler's next assignment; fails where there is none."""
    assignment = assignments.claim_next(labeler=labeler, kind=kind)
    assert assignment is not None
    return assignment


def at_work(assignment: Assignment, seconds: int) -> Assignment:
    """Let its labeler have worked so long on an assignment that they claimed as long ago."""
    claimed_at = timezone.now() - timedelta(seconds=seconds)
    Assignment.objects.filter(pk=assignment.pk).update(claimed_at=claimed_at)
    return assignments.heartbeat(assignment=assignment, active_seconds=seconds)


def people_response(prompt: Prompt, text: str) -> Response:
    """Return a person's response to a prompt."""
    return policies.add_response(prompt=prompt, policy=policies.people_policy(), text=text)
