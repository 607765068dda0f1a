"""Single tasks given to another batch, or to one labeler, for staff."""

from dataclasses import asdict
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.api.access import user_of
from labeling.api.batches import REFUSALS, BatchStep
from labeling.api.serializers import Body
from labeling.errors import InvalidInput
from labeling.models import Batch, Labeler, Task
from labeling.rules import task_giving
from labeling.rules.task_moves import MAX_TASKS_AT_ONCE, move_tasks


class MoveRequest(Body):
    """Which tasks go where."""

    tasks = serializers.ListField(
        child=serializers.UUIDField(), allow_empty=False, max_length=MAX_TASKS_AT_ONCE, help_text="Codes."
    )
    to = serializers.UUIDField(help_text="Code of a batch of the same kind.")


class MoveBody(Body):
    """What became of the tasks."""

    moved = serializers.IntegerField(help_text="Gone whole: nobody had touched them.")
    divided = serializers.IntegerField(help_text="Labels nobody had taken are wanted there now.")
    left = serializers.IntegerField(help_text="Stay: every label wanted is held or given.")


class MoveTasks(BatchStep):
    """Tasks of one batch for another, and so for other cohorts."""

    @extend_schema(request=MoveRequest, responses={200: MoveBody, **REFUSALS}, tags=["batches"])
    def post(self, request: Request, code: UUID) -> Response:
        """Move tasks; nobody sees one twice."""
        batch = self.batch(code)
        body = MoveRequest(data=request.data)
        body.is_valid(raise_exception=True)
        wanted = body.validated_data
        tasks = _tasks_of(batch, wanted["tasks"])
        target = Batch.objects.filter(code=wanted["to"]).first()
        if target is None:
            raise InvalidInput("There is no such batch.", fields={"to": "unknown"})
        return Response(asdict(move_tasks(tasks=tasks, to=target, by=user_of(request))))


class GiveRequest(Body):
    """Which tasks are kept for whom."""

    tasks = serializers.ListField(
        child=serializers.UUIDField(),
        allow_empty=False,
        max_length=task_giving.MAX_TASKS_AT_ONCE,
        help_text="Codes.",
    )
    labeler = serializers.UUIDField(help_text="Code of an active labeler who is qualified for the kind.")
    days = serializers.IntegerField(
        min_value=1, max_value=task_giving.MAX_DAYS, default=3, help_text="Then they are anybody's again."
    )


class GiveBody(Body):
    """What became of the tasks."""

    given = serializers.IntegerField(help_text="Held by the labeler now.")
    left = serializers.IntegerField(help_text="Stay: seen by them, not for them, or without an open slot.")
    until = serializers.DateTimeField(help_text="Until when they are kept.")


class GiveTasks(BatchStep):
    """Tasks of a batch for one labeler by name."""

    @extend_schema(request=GiveRequest, responses={200: GiveBody, **REFUSALS}, tags=["batches"])
    def post(self, request: Request, code: UUID) -> Response:
        """Lease tasks for a labeler before they ask."""
        batch = self.batch(code)
        body = GiveRequest(data=request.data)
        body.is_valid(raise_exception=True)
        wanted = body.validated_data
        labeler = Labeler.objects.filter(code=wanted["labeler"], is_external=False).first()
        if labeler is None:
            raise InvalidInput("There is no such labeler.", fields={"labeler": "unknown"})
        tasks = _tasks_of(batch, wanted["tasks"])
        given = task_giving.give_tasks(tasks=tasks, labeler=labeler, days=wanted["days"], by=user_of(request))
        return Response(GiveBody(given).data)


def _tasks_of(batch: Batch, codes: list[UUID]) -> list[Task]:
    tasks = list(Task.objects.filter(batch=batch, code__in=codes))
    if len(tasks) != len(set(codes)):
        raise InvalidInput("Some of these tasks are not in this batch.", fields={"tasks": "unknown"})
    return tasks
