"""Prompts, for staff."""

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.api.access import user_of
from labeling.api.pagination import KeysetPagination
from labeling.api.permissions import Requires
from labeling.api.serializers import Choice, ErrorBody
from labeling.models import Category, Prompt, PromptSource, Split
from labeling.rules import audit, prompt_sources
from labeling.rules.access import Action


class PromptBody(serializers.ModelSerializer[Prompt]):
    """A prompt and what intake found out about it."""

    class Meta:
        model = Prompt
        fields = (
            "code",
            "text",
            "source",
            "kind",
            "author_key",
            "external_id",
            "split",
            "language",
            "category",
            "tags",
            "words",
            "has_pii",
            "pii_spans",
            "held_reason",
            "written_at",
            "created_at",
        )
        read_only_fields = fields


# Written as a call because a class cannot have attributes named as some of its base's.
PromptRequest = type(
    inline_serializer(
        "PromptRequest",
        {
            "prompt": serializers.CharField(trim_whitespace=False),
            "user_id": serializers.CharField(max_length=120, help_text="The author; kept as a pseudonym."),
            "source": Choice(choices=[("api", "API"), ("playground", "Playground")], default="api"),
            "consent": serializers.IntegerField(
                min_value=1, help_text="The version of the notice that the author agreed to."
            ),
        },
    )
)


# What to list; nothing else in the address reaches a query.
PromptFilter = type(
    inline_serializer(
        "PromptFilter",
        {
            "split": Choice(choices=Split.choices, required=False),
            "source": Choice(choices=PromptSource.choices, required=False),
            "category": Choice(choices=Category.choices, required=False),
            "language": serializers.RegexField(r"^[a-z]{2,8}$", required=False),
            "has_pii": serializers.BooleanField(required=False, allow_null=True, default=None),
            "is_held": serializers.BooleanField(required=False, allow_null=True, default=None),
        },
    )
)


@extend_schema(
    parameters=[PromptFilter],
    responses={200: PromptBody(many=True), 403: ErrorBody},
    tags=["prompts"],
)
class PromptList(generics.ListAPIView[Prompt]):
    """List prompts, newest first; take one in from a live source."""

    permission_classes = (Requires(Action.SEE_PROMPTS, write=Action.IMPORT),)
    pagination_class = KeysetPagination
    serializer_class = PromptBody
    queryset = Prompt.objects.all()

    def get_queryset(self) -> QuerySet[Prompt]:
        """Return the prompts that the address asks for."""
        wanted = PromptFilter(data=self.request.query_params)
        wanted.is_valid(raise_exception=True)
        prompts = Prompt.objects.all()
        for name, value in wanted.validated_data.items():
            if name == "is_held" and value is not None:
                prompts = prompts.exclude(held_reason="") if value else prompts.filter(held_reason="")
            elif value is not None:
                prompts = prompts.filter(**{name: value})
        return prompts

    @extend_schema(
        parameters=[],
        request=PromptRequest,
        responses={201: PromptBody, 403: ErrorBody, 409: ErrorBody, 422: ErrorBody},
        tags=["prompts"],
    )
    def post(self, request: Request) -> Response:
        """Take one prompt in, with the version of the notice that its author agreed to."""
        body = PromptRequest(data=request.data)
        body.is_valid(raise_exception=True)
        sent = body.validated_data
        prompt = prompt_sources.take_prompt(
            text=sent["prompt"], author=sent["user_id"], source=sent["source"], consent=sent["consent"]
        )
        audit.record(actor=user_of(request), action="take_prompt", obj=prompt, consent=sent["consent"])
        return Response(PromptBody(prompt).data, status=status.HTTP_201_CREATED)


@extend_schema(responses={200: PromptBody, 403: ErrorBody, 404: ErrorBody}, tags=["prompts"])
class PromptDetail(generics.RetrieveAPIView[Prompt]):
    """Return one prompt."""

    permission_classes = (Requires(Action.SEE_PROMPTS),)
    serializer_class = PromptBody
    queryset = Prompt.objects.all()
    lookup_field = "code"
