"""Batches that run, for staff: paused, changed, balanced, extended, reopened, and the last change undone."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.api.access import user_of
from labeling.api.batches import REFUSALS, BatchDetailBody, BatchStep, TasksBody
from labeling.api.permissions import Requires
from labeling.api.serializers import Body, Choice, ErrorBody
from labeling.errors import Conflict, InvalidInput
from labeling.models import BatchTemplate, Category, Cohort, Policy, PromptKind, PromptSource, Split
from labeling.rules import batch_changes, batch_templates, batches, selection
from labeling.rules.access import Action

MAX_DRAWN = 100_000


class ShareRequest(Body):
    """A policy's fixed part of the K responses."""

    policy = serializers.CharField(help_text="Its name.")
    count = serializers.IntegerField(min_value=1, max_value=9)
    best_of = serializers.IntegerField(
        default=0, min_value=0, max_value=256, help_text="The best by score among so many scored responses."
    )


class DrawRequest(Body):
    """Which prompts to draw, and for ranked kinds whose responses to compare."""

    count = serializers.IntegerField(min_value=1, max_value=MAX_DRAWN)
    seed = serializers.IntegerField(required=False, min_value=0, max_value=selection.SEEDS - 1)
    split = Choice(choices=Split.choices, required=False)
    prompt_source = Choice(choices=PromptSource.choices, required=False)
    prompt_kind = Choice(choices=PromptKind.choices, required=False)
    category = Choice(choices=Category.choices, required=False)
    language = serializers.CharField(required=False, max_length=8)
    tags = serializers.ListField(
        child=serializers.RegexField(r"^[a-z0-9_]{1,60}$"), required=False, help_text="Flags that are yes."
    )
    author_cap = serializers.IntegerField(default=0, min_value=0, help_text="0: any number.")
    is_fresh = serializers.BooleanField(default=True)
    shares = ShareRequest(many=True, required=False)
    policies = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="Names; they fill up what shares leave of K."
    )


class CoverageBody(Body):
    """For how many of the filtered prompts a policy has what its share asks."""

    policy = serializers.CharField()
    prompts = serializers.IntegerField()
    missing = serializers.IntegerField()


class LookBody(Body):
    """What a draw would come to."""

    matching = serializers.IntegerField()
    coverage = CoverageBody(many=True)


class ChangeRequest(Body):
    """What may change while people work; what is not named stays. Null takes the cap or the deadline away."""

    name = serializers.CharField(required=False, max_length=120)
    priority = serializers.IntegerField(required=False)
    lease_seconds = serializers.IntegerField(required=False)
    cohorts = serializers.ListField(child=Choice(choices=Cohort.choices), required=False, allow_empty=False)
    labeler_cap = serializers.IntegerField(
        required=False, allow_null=True, help_text="How many of its tasks one labeler gets at most."
    )
    deadline_at = serializers.DateTimeField(required=False, allow_null=True)


class BalanceRequest(Body):
    """How many labelers are wanted on tasks."""

    overlap = serializers.IntegerField(min_value=1, max_value=batches.MAX_OVERLAP)
    which = Choice(choices=list(batch_changes.WHICH.items()), default="shared")
    only_unanswered = serializers.BooleanField(default=True)


class BalanceBody(Body):
    """What a change of overlap did."""

    tasks = serializers.IntegerField()
    opened = serializers.IntegerField()
    withdrawn = serializers.IntegerField()


class PauseRequest(Body):
    """Why."""

    reason = serializers.CharField(required=False, allow_blank=True, max_length=300)


class TemplateRequest(Body):
    """The name of a template."""

    name = serializers.CharField(max_length=120)


class TemplateBody(serializers.ModelSerializer[BatchTemplate]):
    """A template of batches."""

    class Meta:
        model = BatchTemplate
        fields = ("code", "name", "kind", "values", "created_at")


class Pause(BatchStep):
    """A break for a batch."""

    @extend_schema(request=PauseRequest, responses={200: BatchDetailBody, **REFUSALS}, tags=["batches"])
    def post(self, request: Request, code: UUID) -> Response:
        """Pause an open batch: no task is given out, what people hold they may finish."""
        body = PauseRequest(data=request.data)
        body.is_valid(raise_exception=True)
        batch = batch_changes.pause_batch(
            batch=self.batch(code), by=user_of(request), reason=body.validated_data.get("reason", "")
        )
        return Response(BatchDetailBody(batch).data)


class Resume(BatchStep):
    """The end of a break."""

    @extend_schema(request=None, responses={200: BatchDetailBody, **REFUSALS}, tags=["batches"])
    def post(self, request: Request, code: UUID) -> Response:
        """Resume a paused batch."""
        batch = batch_changes.resume_batch(batch=self.batch(code), by=user_of(request))
        return Response(BatchDetailBody(batch).data)


class Reopen(BatchStep):
    """A second life."""

    @extend_schema(request=None, responses={200: BatchDetailBody, **REFUSALS}, tags=["batches"])
    def post(self, request: Request, code: UUID) -> Response:
        """Reopen a closed batch: each task gets back the slots it lacks."""
        batch = batch_changes.reopen_batch(batch=self.batch(code), by=user_of(request))
        return Response(BatchDetailBody(batch).data)


class Change(BatchStep):
    """The rules of a batch."""

    @extend_schema(request=ChangeRequest, responses={200: BatchDetailBody, **REFUSALS}, tags=["batches"])
    def post(self, request: Request, code: UUID) -> Response:
        """Change name, priority, lease, cohorts, the cap per labeler or the deadline."""
        body = ChangeRequest(data=request.data)
        body.is_valid(raise_exception=True)
        given = dict(body.validated_data)
        clears = [field for field in batch_changes.CLEARABLE if field in given and given[field] is None]
        batch = batch_changes.change_batch(
            batch=self.batch(code), by=user_of(request), clears=clears, **given
        )
        return Response(BatchDetailBody(batch).data)


class Balance(BatchStep):
    """Overlap."""

    @extend_schema(request=BalanceRequest, responses={200: BalanceBody, **REFUSALS}, tags=["batches"])
    def post(self, request: Request, code: UUID) -> Response:
        """Raise or lower overlap; slots are opened or withdrawn to fit."""
        body = BalanceRequest(data=request.data)
        body.is_valid(raise_exception=True)
        done = batch_changes.balance_batch(batch=self.batch(code), by=user_of(request), **body.validated_data)
        return Response(asdict(done))


class Withdraw(BatchStep):
    """An early end."""

    @extend_schema(request=None, responses={200: BalanceBody, **REFUSALS}, tags=["batches"])
    def post(self, request: Request, code: UUID) -> Response:
        """Withdraw every open slot; what people hold or gave is then all the batch wants."""
        done = batch_changes.withdraw_slots(batch=self.batch(code), by=user_of(request))
        return Response(asdict(done))


class Undo(BatchStep):
    """The way back."""

    @extend_schema(request=None, responses={200: BatchDetailBody, **REFUSALS}, tags=["batches"])
    def post(self, request: Request, code: UUID) -> Response:
        """Undo the newest change of a batch."""
        batch = self.batch(code)
        event = batch_changes.last_undoable(batch)
        if event is None:
            raise Conflict("There is no change of this batch to undo.", code="nothing_to_undo")
        return Response(
            BatchDetailBody(batch_changes.undo_change(batch=batch, event=event, by=user_of(request))).data
        )


class Draw(BatchStep):
    """Prompts by filters."""

    @extend_schema(request=DrawRequest, responses={201: TasksBody, **REFUSALS}, tags=["batches"])
    def post(self, request: Request, code: UUID) -> Response:
        """Draw prompts into a batch; one that runs gives them out at once."""
        batch = self.batch(code)
        choice, given = _choice(request, batch.kind, batch.k, batch.baseline_id)
        added = batch_changes.extend_batch(
            batch=batch, choice=choice, count=given["count"], seed=given.get("seed"), by=user_of(request)
        )
        return Response({"added": added}, status=status.HTTP_201_CREATED)


class Look(BatchStep):
    """What a draw would find."""

    @extend_schema(request=DrawRequest, responses={200: LookBody, **REFUSALS}, tags=["batches"])
    def post(self, request: Request, code: UUID) -> Response:
        """Count what matches, and what policies lack. Changes nothing."""
        batch = self.batch(code)
        choice, _ = _choice(request, batch.kind, batch.k, batch.baseline_id)
        return Response(
            {
                "matching": selection.count_matching(choice, batch),
                "coverage": [
                    {"policy": row.policy, "prompts": row.prompts, "missing": row.missing}
                    for row in selection.coverage(choice, batch)
                ],
            }
        )


class MakeTemplate(BatchStep):
    """A batch as the model of others."""

    @extend_schema(request=TemplateRequest, responses={201: TemplateBody, **REFUSALS}, tags=["batches"])
    def post(self, request: Request, code: UUID) -> Response:
        """Save a template of a batch."""
        body = TemplateRequest(data=request.data)
        body.is_valid(raise_exception=True)
        batch = self.batch(code)
        template = batch_templates.save_template(
            name=body.validated_data["name"],
            kind=batch.kind,
            values=batch_templates.values_of(batch),
            by=user_of(request),
        )
        return Response(TemplateBody(template).data, status=status.HTTP_201_CREATED)


class Templates(APIView):
    """Templates of batches."""

    permission_classes = (Requires(Action.SEE_BATCHES),)

    @extend_schema(responses={200: TemplateBody(many=True), 403: ErrorBody}, tags=["batches"])
    def get(self, request: Request) -> Response:
        """List the templates that are offered, by name."""
        return Response(TemplateBody(BatchTemplate.objects.current(), many=True).data)


def _choice(
    request: Request, kind: str, k: int, baseline: int | None
) -> tuple[selection.Choice, dict[str, Any]]:
    body = DrawRequest(data=request.data)
    body.is_valid(raise_exception=True)
    given = dict(body.validated_data)
    names = {*given.get("policies", []), *(share["policy"] for share in given.get("shares", []))}
    known = dict(Policy.objects.filter(name__in=names).values_list("name", "pk"))
    if strange := names - known.keys():
        raise InvalidInput(
            f"There are no policies named {', '.join(sorted(strange))}.", fields={"policies": "unknown"}
        )
    choice = selection.Choice(
        kind=kind,
        split=given.get("split", ""),
        source=given.get("prompt_source", ""),
        prompt_kind=given.get("prompt_kind", ""),
        category=given.get("category", ""),
        language=given.get("language", ""),
        tags=tuple(given.get("tags", ())),
        author_cap=given["author_cap"],
        is_fresh=given["is_fresh"],
        k=k,
        policies=tuple(known[name] for name in given.get("policies", [])),
        shares=tuple(
            selection.Share(known[share["policy"]], share["count"], share["best_of"])
            for share in given.get("shares", [])
        ),
        baseline=baseline,
    )
    return choice, given
