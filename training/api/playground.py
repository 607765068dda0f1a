"""The playground for programs: one's own conversations with policies, and blind votes counted by policy."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.api.access import user_of
from labeling.api.pagination import KeysetPagination
from labeling.api.permissions import Requires
from labeling.api.serializers import Body, ErrorBody
from labeling.errors import InvalidInput
from labeling.rules.access import Action
from training.models import Conversation, Model, ReplyState
from training.rules import playground
from training.rules.playground_reading import SeenConversation, look_at
from training.rules.playground_votes import standings, vote
from training.tasks import enqueue_turn

REFUSALS = {403: ErrorBody, 404: ErrorBody, 409: ErrorBody, 422: ErrorBody, 429: ErrorBody}


class ConversationRow(serializers.ModelSerializer[Conversation]):
    """A conversation in a list."""

    consent = serializers.IntegerField(
        source="notice.version", default=None, allow_null=True, help_text="The notice agreed to."
    )

    class Meta:
        model = Conversation
        fields: tuple[str, ...] = (
            "code",
            "mode",
            "consent",
            "temperature",
            "top_p",
            "max_tokens",
            "created_at",
            "used_at",
            "erased_at",
        )


class SideBody(serializers.Serializer[Any]):
    """A side by its letter; who it is, is null while a vote is blind."""

    letter = serializers.CharField()
    model = serializers.UUIDField(allow_null=True)
    name = serializers.CharField(allow_null=True)


class ReplyBody(serializers.Serializer[Any]):
    """A reply as it is by now; ask again until `state` is neither queued nor writing."""

    code = serializers.UUIDField()
    letter = serializers.CharField()
    state = serializers.ChoiceField(choices=ReplyState.choices)
    attempt = serializers.IntegerField()
    text = serializers.CharField()
    reason = serializers.CharField()
    is_silent = serializers.BooleanField(help_text="Its worker has not been heard of for too long.")
    is_context_cut = serializers.BooleanField(help_text="The policy did not read the beginning.")
    tokens = serializers.IntegerField(allow_null=True)
    first_text_seconds = serializers.FloatField(allow_null=True)
    seconds = serializers.FloatField(allow_null=True)


class TurnBody(serializers.Serializer[Any]):
    """A prompt and the replies to it."""

    number = serializers.IntegerField()
    prompt = serializers.CharField(source="text")
    intake = serializers.CharField(help_text="What intake made of it; empty where nothing is kept.")
    replies = ReplyBody(many=True)


class ConversationBody(ConversationRow):
    """A conversation with everything said in it, as its owner may see it."""

    sides = serializers.SerializerMethodField()
    turns = serializers.SerializerMethodField()
    may_vote = serializers.SerializerMethodField()
    note = serializers.SerializerMethodField(help_text="What waiting replies wait for.")

    class Meta(ConversationRow.Meta):
        fields = (*ConversationRow.Meta.fields, "sides", "turns", "may_vote", "note")

    @property
    def seen(self) -> SeenConversation:
        """What the owner may see, looked up once."""
        found: SeenConversation = self.context["seen"]
        return found

    @extend_schema_field(SideBody(many=True))
    def get_sides(self, conversation: Conversation) -> Any:
        """Return who takes part."""
        sides = [
            {"letter": s.letter, "model": s.model and s.model.code, "name": s.model and s.model.name}
            for s in self.seen.sides
        ]
        return SideBody(sides, many=True).data

    @extend_schema_field(TurnBody(many=True))
    def get_turns(self, conversation: Conversation) -> Any:
        """Return the prompts and replies so far."""
        return TurnBody(self.seen.turns, many=True).data

    def get_may_vote(self, conversation: Conversation) -> bool:
        """Return whether a vote can be given now."""
        return self.seen.may_vote

    def get_note(self, conversation: Conversation) -> str:
        """Return what is waited for."""
        return self.seen.note


class StartRequest(Body):
    """With whom to talk. `models` may be empty where two are drawn or the newest pair is taken."""

    mode = serializers.ChoiceField(choices=Conversation.Mode.choices, default=Conversation.Mode.OPEN)
    models = serializers.ListField(child=serializers.UUIDField(), default=list, max_length=8)
    temperature = serializers.FloatField(default=1.0)
    top_p = serializers.FloatField(default=1.0)
    max_tokens = serializers.IntegerField(default=None, allow_null=True)
    consent = serializers.IntegerField(
        default=None,
        allow_null=True,
        min_value=1,
        help_text="Version of the notice agreed to; null keeps nothing.",
    )


class TurnRequest(Body):
    """The next prompt; `number` says which turn it is meant to be, so that sending twice asks once."""

    prompt = serializers.CharField(trim_whitespace=False)
    number = serializers.IntegerField(default=None, allow_null=True, min_value=1)


class VoteRequest(Body):
    """The letter of the better side, tie, or both_bad."""

    choice = serializers.CharField(max_length=10)


class StandingBody(serializers.Serializer[Any]):
    """How a policy fares; counts and share are null until it has enough votes."""

    model = serializers.UUIDField()
    name = serializers.CharField()
    votes = serializers.IntegerField()
    wins = serializers.IntegerField(allow_null=True)
    losses = serializers.IntegerField(allow_null=True)
    ties = serializers.IntegerField(allow_null=True)
    both_bad = serializers.IntegerField(allow_null=True)
    share = serializers.FloatField(allow_null=True)
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)


class PlaygroundView(APIView):
    """What every endpoint of one conversation shares."""

    permission_classes = (Requires(Action.USE_PLAYGROUND),)

    def mine(self, request: Request, code: UUID) -> Conversation:
        """Return a conversation of whoever asks; nobody else's exists for them."""
        return playground.conversation_of(user_of(request), code)

    def answer(self, request: Request, code: UUID, status_code: int = status.HTTP_200_OK) -> Response:
        """Answer with the conversation as it is now."""
        given = self.mine(request, code)
        body = ConversationBody(given, context={"seen": look_at(given, user_of(request))})
        return Response(body.data, status=status_code)


@extend_schema(tags=["playground"])
class ConversationList(generics.ListAPIView[Conversation]):
    """Your conversations, newest first."""

    permission_classes = (Requires(Action.USE_PLAYGROUND),)
    pagination_class = KeysetPagination
    serializer_class = ConversationRow
    queryset = Conversation.objects.all()

    def get_queryset(self) -> QuerySet[Conversation]:
        """Return those of whoever asks."""
        return Conversation.objects.select_related("notice").filter(owner=user_of(self.request))

    @extend_schema(request=StartRequest, responses={201: ConversationBody, **REFUSALS})
    def post(self, request: Request) -> Response:
        """Start a conversation; send its first prompt afterwards."""
        body = StartRequest(data=request.data)
        body.is_valid(raise_exception=True)
        wanted = dict(body.validated_data)
        codes = wanted.pop("models")
        found = {model.code: model for model in Model.objects.filter(code__in=codes)}
        if missing := [str(code) for code in codes if code not in found]:
            raise InvalidInput(f"There is no model {missing[0]}.", fields={"models": missing})
        user = user_of(request)
        given = playground.start_conversation(owner=user, models=[found[code] for code in codes], **wanted)
        answer = ConversationBody(given, context={"seen": look_at(given, user)})
        return Response(answer.data, status=status.HTTP_201_CREATED)


@extend_schema(tags=["playground"])
class ConversationDetail(PlaygroundView):
    """One conversation of yours."""

    @extend_schema(responses={200: ConversationBody, 403: ErrorBody, 404: ErrorBody})
    def get(self, request: Request, code: UUID) -> Response:
        """Return it with everything said so far."""
        return self.answer(request, code)

    @extend_schema(responses={204: None, 403: ErrorBody, 404: ErrorBody})
    def delete(self, request: Request, code: UUID) -> Response:
        """Delete its words; the votes stay."""
        rows = Conversation.objects.filter(pk=self.mine(request, code).pk)
        playground.erase_conversations(rows, by=user_of(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


@extend_schema(tags=["playground"])
class Turns(PlaygroundView):
    """The prompts of a conversation."""

    @extend_schema(request=TurnRequest, responses={202: ConversationBody, **REFUSALS})
    def post(self, request: Request, code: UUID) -> Response:
        """Send the next prompt; the replies are written on a worker, so ask for the conversation again."""
        body = TurnRequest(data=request.data)
        body.is_valid(raise_exception=True)
        sent = body.validated_data
        turn = playground.send_prompt(
            conversation=self.mine(request, code),
            text=sent["prompt"],
            number=sent["number"],
            by=user_of(request),
        )
        enqueue_turn(turn)
        return self.answer(request, code, status.HTTP_202_ACCEPTED)


@extend_schema(tags=["playground"])
class Stop(PlaygroundView):
    """Stopping what is being written."""

    @extend_schema(request=None, responses={200: ConversationBody, 403: ErrorBody, 404: ErrorBody})
    def post(self, request: Request, code: UUID) -> Response:
        """Stop the replies that are not finished; the words so far stay."""
        playground.cancel_replies(conversation=self.mine(request, code), by=user_of(request))
        return self.answer(request, code)


@extend_schema(tags=["playground"])
class CastVote(PlaygroundView):
    """The vote on a blind conversation."""

    @extend_schema(request=VoteRequest, responses={200: ConversationBody, **REFUSALS})
    def post(self, request: Request, code: UUID) -> Response:
        """Vote once; whoever may know policies sees the names in the answer."""
        body = VoteRequest(data=request.data)
        body.is_valid(raise_exception=True)
        given = self.mine(request, code)
        vote(conversation=given, choice=body.validated_data["choice"], by=user_of(request))
        return self.answer(request, code)


@extend_schema(tags=["playground"])
class Retry(PlaygroundView):
    """Asking for one reply again."""

    @extend_schema(request=None, responses={202: ConversationBody, **REFUSALS})
    def post(self, request: Request, code: UUID) -> Response:
        """Ask again for a reply that failed, was stopped, or whose worker went silent."""
        reply = playground.reply_of(user_of(request), code)
        turn = playground.retry_reply(reply=reply, by=user_of(request))
        enqueue_turn(turn)
        return self.answer(request, reply.turn.conversation.code, status.HTTP_202_ACCEPTED)


@extend_schema(tags=["playground"])
class Standings(APIView):
    """How policies fare in blind votes."""

    permission_classes = (Requires(Action.SEE_DASHBOARD),)

    @extend_schema(responses={200: StandingBody(many=True), 403: ErrorBody})
    def get(self, request: Request) -> Response:
        """List every policy with votes; those with enough of them first."""
        rows = [
            {
                "model": row.model.code, "name": row.model.name, "votes": row.votes,
                **{
                    name: getattr(row, name) if row.share is not None else None
                    for name in ("wins", "losses", "ties", "both_bad", "share", "low", "high")
                },
            }
            for row in standings()
        ]  # fmt: skip
        return Response(StandingBody(rows, many=True).data)
