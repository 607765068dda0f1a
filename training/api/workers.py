"""Workers, for staff: who is alive, on what device, doing what, and which runs wait."""

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.api.permissions import Requires
from labeling.api.serializers import Body, ErrorBody
from labeling.rules.access import Action
from training.models import Run, Stage
from training.rules import workers
from training.rules.clock import is_clock_silent

MOST_WAITING = 50


class HeldRunBody(serializers.ModelSerializer[Run]):
    """A run that a worker holds, or that waits for one."""

    stage = serializers.ChoiceField(choices=Stage.choices)

    class Meta:
        model = Run
        fields = ("code", "stage", "state", "queue", "priority")


class WorkerBody(Body):
    """A worker of the last days."""

    name = serializers.CharField(source="worker.name")
    state = serializers.ChoiceField(choices=workers.STATES)
    host = serializers.CharField(source="worker.host")
    device = serializers.CharField(source="worker.device", help_text="What its runs compute on.")
    memory_bytes = serializers.IntegerField(source="worker.memory_bytes")
    queues = serializers.ListField(source="worker.queues", child=serializers.CharField())
    started_at = serializers.DateTimeField(source="worker.started_at")
    seen_at = serializers.DateTimeField(source="worker.seen_at")
    stopped_at = serializers.DateTimeField(source="worker.stopped_at", allow_null=True)
    runs = HeldRunBody(many=True)


class WorkersBody(Body):
    """Who works, and what waits."""

    workers = WorkerBody(many=True)
    unheard_queues = serializers.ListField(
        child=serializers.CharField(), help_text="Runs wait in them, and no living worker listens."
    )
    is_clock_silent = serializers.BooleanField(
        help_text="Nothing starts by itself then, and no dead worker's run is taken up."
    )
    waiting = HeldRunBody(many=True, help_text=f"The next {MOST_WAITING} by queue, most urgent first.")
    waiting_total = serializers.IntegerField()


class Workers(APIView):
    """What the machines are doing."""

    permission_classes = (Requires(Action.SEE_MODELS),)

    @extend_schema(responses={200: WorkersBody, 403: ErrorBody}, tags=["runs"])
    def get(self, request: Request) -> Response:
        """Return the workers of the last days with what each does, and the runs that wait."""
        found = workers.presences()
        waiting = Run.objects.queued().order_by("queue", "-priority", "pk")
        body = {
            "workers": found,
            "unheard_queues": workers.queues_without_workers(found),
            "is_clock_silent": is_clock_silent(),
            "waiting": waiting[:MOST_WAITING],
            "waiting_total": waiting.count(),
        }
        return Response(WorkersBody(body).data)
