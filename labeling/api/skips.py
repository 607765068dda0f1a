"""Skipped tasks, for staff."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.api.access import user_of
from labeling.api.pagination import KeysetPagination
from labeling.api.permissions import Requires
from labeling.api.serializers import Body, Choice, ErrorBody
from labeling.errors import NotFound
from labeling.models import Skip, Task
from labeling.rules import skips
from labeling.rules.access import Action


class SkippedTaskBody(Body):
    """A task, how often it was skipped for each reason, and whether it is set aside."""

    code = serializers.UUIDField()
    batch = serializers.UUIDField()
    prompt = serializers.UUIDField(allow_null=True)
    counts = serializers.DictField(child=serializers.IntegerField(), help_text="By reason.")
    set_aside_at = serializers.DateTimeField(allow_null=True)


class SkipFilter(Body):
    """Which skips count."""

    reason = Choice(choices=Skip.Reason.choices, required=False, default="")


class PutBackBody(Body):
    """How many more labelers the task is served to."""

    slots = serializers.IntegerField()


class SkippedTasks(generics.GenericAPIView[Task]):
    """What labelers passed on."""

    permission_classes = (Requires(Action.SEE_BATCHES),)
    pagination_class = KeysetPagination
    serializer_class = SkippedTaskBody
    queryset = Task.objects.none()

    @extend_schema(
        parameters=[SkipFilter], responses={200: SkippedTaskBody(many=True), 403: ErrorBody}, tags=["batches"]
    )
    def get(self, request: Request) -> Response:
        """List skipped tasks, newest first."""
        wanted = SkipFilter(data=request.query_params)
        wanted.is_valid(raise_exception=True)
        page = self.paginate_queryset(skips.skipped_tasks(reason=wanted.validated_data["reason"]))
        return self.get_paginated_response([_body(task) for task in page or []])


class PutBack(APIView):
    """A task that was set aside."""

    permission_classes = (Requires(Action.MANAGE_BATCHES),)

    @extend_schema(
        request=None,
        responses={200: PutBackBody, 403: ErrorBody, 404: ErrorBody, 409: ErrorBody},
        tags=["batches"],
    )
    def post(self, request: Request, code: UUID) -> Response:
        """Serve a task again that was set aside as broken."""
        task = Task.objects.filter(code=code).first()
        if task is None:
            raise NotFound("There is no such task.")
        return Response({"slots": skips.put_back(task=task, by=user_of(request))})


def _body(task: Task) -> dict[str, Any]:
    return {
        "code": str(task.code),
        "batch": str(task.batch.code),
        "prompt": str(task.prompt.code) if task.prompt else None,
        "counts": {each.value: getattr(task, each.value) for each in Skip.Reason},
        "set_aside_at": task.set_aside_at,
    }
