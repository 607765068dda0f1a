"""Single tasks given to another batch, for staff."""

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
from labeling.models import Batch, Task
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
        tasks = list(Task.objects.filter(batch=batch, code__in=wanted["tasks"]))
        target = Batch.objects.filter(code=wanted["to"]).first()
        if len(tasks) != len(set(wanted["tasks"])):
            raise InvalidInput("Some of these tasks are not in this batch.", fields={"tasks": "unknown"})
        if target is None:
            raise InvalidInput("There is no such batch.", fields={"to": "unknown"})
        return Response(asdict(move_tasks(tasks=tasks, to=target, by=user_of(request))))
