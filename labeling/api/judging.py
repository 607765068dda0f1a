"""Gold and disagreements, for researchers: reference orders marked, disputes listed and settled."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.api.access import user_of
from labeling.api.pagination import KeysetPagination
from labeling.api.permissions import Requires
from labeling.api.serializers import Body, ErrorBody
from labeling.errors import NotFound
from labeling.models import MAX_K, GoldAnswer, Task
from labeling.rules import adjudications, gold
from labeling.rules.access import Action
from labeling.rules.judgements import Judgement

READS = {403: ErrorBody, 404: ErrorBody, 422: ErrorBody}
REFUSALS = {**READS, 409: ErrorBody}
PAGE = 50


class OrderRequest(Body):
    """An order of all responses of a task, and why it is right."""

    ranks = serializers.DictField(
        child=serializers.IntegerField(min_value=1, max_value=MAX_K),
        help_text="Rank by the response's code; 1 is best, equal ranks are ties.",
    )
    reason = serializers.CharField(max_length=gold.MAX_REASON_CHARACTERS)


class SettleRequest(OrderRequest):
    """The final order of a task that labelers order differently."""

    leaves_out_others = serializers.BooleanField(
        default=False, help_text="The labelers' rankings stay out of datasets."
    )


class GoldBody(Body):
    """A reference order. No labeler's answer holds any of it."""

    code = serializers.UUIDField()
    task = serializers.UUIDField()
    batch = serializers.UUIDField()
    prompt = serializers.UUIDField()
    ranks = serializers.DictField(child=serializers.IntegerField())
    reason = serializers.CharField()
    created_at = serializers.DateTimeField()


class DisagreementBody(Body):
    """A task whose labelers order some pair differently; labelers by their pseudonyms."""

    task = serializers.UUIDField()
    batch = serializers.UUIDField()
    prompt = serializers.UUIDField()
    agreement = serializers.FloatField(help_text="Share of pairs ordered alike, ties left out.")
    rankings = serializers.DictField(
        child=serializers.DictField(child=serializers.IntegerField()),
        help_text="By labeler, the rank of each response.",
    )


class DisagreementPage(Body):
    """Disagreements, newest first, and where the next page begins."""

    results = DisagreementBody(many=True)
    below = serializers.IntegerField(allow_null=True, help_text="For the next page; null on the last one.")


class DisagreementFilter(Body):
    """Which disagreements."""

    below = serializers.IntegerField(default=0, min_value=0)
    worst = serializers.FloatField(
        default=1.0, min_value=0, max_value=1, help_text="Those that agree on less."
    )


class AdjudicationBody(Body):
    """How a disagreement was settled."""

    code = serializers.UUIDField()
    task = serializers.UUIDField(source="task.code")
    reason = serializers.CharField()
    created_at = serializers.DateTimeField()


class TaskView(APIView):
    """What the calls on one task share."""

    permission_classes = (Requires(Action.JUDGE),)

    def task(self, code: UUID) -> Task:
        """Return a task by its code."""
        found = Task.objects.filter(code=code).first()
        if found is None:
            raise NotFound("There is no such task.")
        return found


class GoldList(APIView):
    """Tasks with a reference order."""

    permission_classes = (Requires(Action.JUDGE),)

    @extend_schema(responses={200: GoldBody(many=True), 403: ErrorBody}, tags=["reviews"])
    def get(self, request: Request) -> Response:
        """List the references that count, newest first."""
        pages = KeysetPagination()
        page = pages.paginate_queryset(gold.tasks_with_gold(), request, self) or []
        return pages.get_paginated_response([_gold_body(each) for each in page])


class TaskGold(TaskView):
    """A task's reference order."""

    @extend_schema(request=OrderRequest, responses={201: GoldBody, **REFUSALS}, tags=["reviews"])
    def put(self, request: Request, code: UUID) -> Response:
        """Give a ranked task a reference order; an earlier one is withdrawn."""
        task = self.task(code)
        body = OrderRequest(data=request.data)
        body.is_valid(raise_exception=True)
        marked = gold.mark_gold(
            task=task,
            judgements=_judgements(body.validated_data["ranks"]),
            reason=body.validated_data["reason"],
            by=user_of(request),
        )
        return Response(_gold_body(marked), status=status.HTTP_201_CREATED)

    @extend_schema(responses={204: None, **REFUSALS}, tags=["reviews"])
    def delete(self, request: Request, code: UUID) -> Response:
        """Make a task an ordinary one again; the reference is kept, withdrawn."""
        current = GoldAnswer.objects.current().filter(task=self.task(code)).first()
        if current is None:
            raise NotFound("This task has no reference order.")
        gold.withdraw_gold(gold=current, by=user_of(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class Disagreements(APIView):
    """What is to be settled."""

    permission_classes = (Requires(Action.JUDGE),)

    @extend_schema(
        parameters=[DisagreementFilter], responses={200: DisagreementPage, **READS}, tags=["reviews"]
    )
    def get(self, request: Request) -> Response:
        """List tasks whose labelers order some pair differently, newest first."""
        wanted = DisagreementFilter(data=request.query_params)
        wanted.is_valid(raise_exception=True)
        found = adjudications.disagreements(most=PAGE, **wanted.validated_data)
        below = found[-1].task.pk if len(found) == PAGE else None
        return Response({"results": [_disagreement_body(each) for each in found], "below": below})


class Settle(TaskView):
    """The end of a disagreement."""

    @extend_schema(request=SettleRequest, responses={201: AdjudicationBody, **REFUSALS}, tags=["reviews"])
    def post(self, request: Request, code: UUID) -> Response:
        """Settle a task with a final order, recorded as the researcher's own ranking."""
        task = self.task(code)
        body = SettleRequest(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data
        settled = adjudications.adjudicate(
            task=task,
            judgements=_judgements(given["ranks"]),
            reason=given["reason"],
            by=user_of(request),
            leaves_out_others=given["leaves_out_others"],
        )
        return Response(AdjudicationBody(settled).data, status=status.HTTP_201_CREATED)


def _judgements(ranks: dict[str, int]) -> list[Judgement]:
    try:
        return [Judgement(UUID(code), rank) for code, rank in ranks.items()]
    except ValueError as error:
        raise serializers.ValidationError({"ranks": ["The keys are codes of responses."]}) from error


def _gold_body(answer: GoldAnswer) -> dict[str, Any]:
    task = answer.task
    return {
        "code": str(answer.code),
        "task": str(task.code),
        "batch": str(task.batch.code),
        "prompt": str(task.given_prompt.code),
        "ranks": answer.ranks,
        "reason": answer.reason,
        "created_at": answer.created_at,
    }


def _disagreement_body(found: adjudications.Disagreement) -> dict[str, Any]:
    return {
        "task": str(found.task.code),
        "batch": str(found.task.batch.code),
        "prompt": str(found.task.given_prompt.code),
        "agreement": found.agreement,
        "rankings": {
            ranking.labeler.pseudonym: {
                str(place.response.code): place.rank for place in ranking.places.all()
            }
            for ranking in found.rankings
        },
    }
