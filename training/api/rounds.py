"""Rounds, for staff: opened, watched, taken a step further."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.api.access import user_of
from labeling.api.pagination import KeysetPagination
from labeling.api.permissions import Requires
from labeling.api.serializers import Body, ErrorBody
from labeling.errors import InvalidInput, NotFound
from labeling.rules.access import Action
from training.api.models import AlarmBody
from training.api.refusals import config_checked
from training.models import Dataset, Model, Round
from training.rules import rounds
from training.rules.over_optimisation import over_optimisation_of
from training.rules.round_opening import model_of
from training.tasks import enqueue_run


class StepBody(Body):
    """One step of a round; `row` is the code of what it made."""

    key = serializers.CharField()
    title = serializers.CharField()
    state = serializers.CharField(help_text="waiting, ready, held, running, done or failed")
    detail = serializers.CharField()
    row = serializers.UUIDField(source="row.code", default=None, allow_null=True)


class RoundBody(serializers.ModelSerializer[Round]):
    """A turn of the loop."""

    previous = serializers.UUIDField(source="previous.code", default=None, allow_null=True)
    settings = serializers.DictField()

    class Meta:
        model = Round
        fields: tuple[str, ...] = (
            "code",
            "number",
            "name",
            "previous",
            "settings",
            "created_at",
            "closed_at",
        )


class RoundDetailBody(RoundBody):
    """A round with its steps."""

    steps = serializers.SerializerMethodField()
    alarm = serializers.SerializerMethodField(help_text="Of its new policy; null where there is nothing.")

    class Meta(RoundBody.Meta):
        fields = (*RoundBody.Meta.fields, "steps", "alarm")

    @extend_schema_field(StepBody(many=True))
    def get_steps(self, given: Round) -> Any:
        """Return the steps in order, as the rows have them now."""
        return StepBody(rounds.steps(given), many=True).data

    @extend_schema_field(AlarmBody(allow_null=True))
    def get_alarm(self, given: Round) -> Any:
        """Return what reward, KL and labelers say of the policy that the round made."""
        found = over_optimisation_of(model_of(given.ppo_run), given)
        return AlarmBody(found).data if found is not None else None


class RoundRequest(Body):
    """A new round: from a base model, or after another round."""

    name = serializers.CharField(max_length=120, required=False, default="", allow_blank=True)
    base_model = serializers.UUIDField(required=False)
    previous = serializers.UUIDField(required=False)
    pretrain_dataset = serializers.UUIDField(required=False)
    settings = serializers.DictField(
        required=False, default=dict, help_text="k, overlap, prompts, valid_prompts, configs by stage"
    )


@extend_schema(tags=["rounds"])
class RoundList(generics.ListAPIView[Round]):
    """Rounds, newest first."""

    permission_classes = (Requires(Action.SEE_MODELS, write=Action.RUN_TRAINING),)
    pagination_class = KeysetPagination
    serializer_class = RoundBody
    queryset = Round.objects.select_related("previous")

    @extend_schema(responses={200: RoundBody(many=True), 403: ErrorBody})
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List rounds."""
        return super().get(request, *args, **kwargs)

    @extend_schema(
        request=RoundRequest,
        responses={201: RoundDetailBody, 403: ErrorBody, 409: ErrorBody, 422: ErrorBody},
    )
    def post(self, request: Request) -> Response:
        """Open a first round, or do the last step of another one: close it and open the round after it.

        409 where that round waits for another step.
        """
        body = RoundRequest(data=request.data)
        body.is_valid(raise_exception=True)
        wanted = body.validated_data
        previous = _find(Round, wanted.get("previous"), "previous")
        opening = {
            "name": wanted["name"],
            "pretrain_dataset": _find(Dataset, wanted.get("pretrain_dataset"), "pretrain_dataset"),
            "settings": wanted["settings"],
            "by": user_of(request),
        }
        base_model = _find(Model, wanted.get("base_model"), "base_model")
        if previous is None:
            opened = rounds.open_round(base_model=base_model, **opening)
        else:
            opened = _follow(previous, base_model, opening)
        return Response(RoundDetailBody(opened).data, status=status.HTTP_201_CREATED)


@extend_schema(responses={200: RoundDetailBody, 403: ErrorBody, 404: ErrorBody}, tags=["rounds"])
class RoundDetail(generics.RetrieveAPIView[Round]):
    """Return a round and its steps."""

    permission_classes = (Requires(Action.SEE_MODELS),)
    serializer_class = RoundDetailBody
    queryset = Round.objects.select_related("previous")
    lookup_field = "code"


class StepIt(APIView):
    """The next step of a round."""

    permission_classes = (Requires(Action.RUN_TRAINING),)

    @extend_schema(
        request=None,
        responses={200: RoundDetailBody, 403: ErrorBody, 404: ErrorBody, 409: ErrorBody, 422: ErrorBody},
        tags=["rounds"],
    )
    def post(self, request: Request, code: UUID, key: str) -> Response:
        """Do the step; 409 where it is not the next one."""
        given = Round.objects.filter(code=code).first()
        if given is None:
            raise NotFound("There is no such round.")
        with config_checked():
            started = rounds.start_step(given=given, key=key, by=user_of(request))
        for run in started:
            enqueue_run(run)
        return Response(RoundDetailBody(given).data)


def _follow(previous: Round, base_model: Model | None, opening: dict[str, Any]) -> Round:
    if base_model is not None:
        text = "A later round goes on from the models of the round before it; name no base model."
        raise InvalidInput(text, fields={"base_model": text})
    with config_checked():
        started = rounds.open_next_round(given=previous, **opening)
    for run in started:
        enqueue_run(run)
    return Round.objects.get(previous=previous)


def _find(kind: Any, code: UUID | None, field: str) -> Any:
    if code is None:
        return None
    row = kind.objects.filter(code=code).first()
    if row is None:
        raise InvalidInput(f"{field}: there is none with the code {code}.", fields={field: "unknown"})
    return row
