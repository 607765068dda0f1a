"""The questions board: read by whoever labels, answered by staff."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers, status
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.api.access import user_of
from labeling.api.pagination import KeysetPagination
from labeling.api.permissions import Requires
from labeling.api.serializers import Body, Choice, ErrorBody
from labeling.errors import NotFound
from labeling.models import Guideline, Question, TaskKind, User
from labeling.rules import questions
from labeling.rules.access import Action, Rule, labeler_of
from labeling.rules.questions import MAX_BODY, MAX_TITLE


class QuestionBody(Body):
    """A question with its answer; who asked is known by pseudonym."""

    code = serializers.UUIDField()
    title = serializers.CharField()
    body = serializers.CharField(help_text="Markdown.")
    kind = serializers.CharField(allow_blank=True)
    guideline_version = serializers.IntegerField(allow_null=True)
    asked_by = serializers.CharField()
    created_at = serializers.DateTimeField()
    answer = serializers.CharField(allow_blank=True, help_text="Markdown.")
    answered_at = serializers.DateTimeField(allow_null=True)
    is_pinned = serializers.BooleanField()


class AskRequest(Body):
    """A question, about a kind of task or a version of a guideline where that is said."""

    title = serializers.CharField(max_length=MAX_TITLE)
    body = serializers.CharField(max_length=MAX_BODY, required=False, allow_blank=True, default="")
    kind = Choice(choices=TaskKind.choices, required=False, allow_blank=True, default="")
    guideline = serializers.UUIDField(required=False, allow_null=True, default=None)


class AnswerRequest(Body):
    """The answer that counts for everybody."""

    text = serializers.CharField(max_length=MAX_BODY)


class PinRequest(Body):
    """Whether the question stands at the top."""

    is_pinned = serializers.BooleanField()


class MergeRequest(Body):
    """The question that stands for this one from now on."""

    into = serializers.UUIDField()


class BoardFilter(Body):
    """What of the board is listed."""

    q = serializers.CharField(required=False, allow_blank=True, max_length=200, default="")
    kind = Choice(choices=TaskKind.choices, required=False, default="")
    state = Choice(choices=(("waiting", "Waiting"), ("answered", "Answered")), required=False, default="")


class ReadsBoard(BasePermission):
    """Whoever labels, and the staff that answers."""

    message = "The questions board is for labelers and those who answer them."
    rule = Rule(actions=(Action.ANSWER_QUESTIONS,), for_labelers=True)

    def has_permission(self, request: Request, view: APIView) -> bool:
        return isinstance(request.user, User) and questions.may_see(request.user)


def question_body(question: Question) -> dict[str, Any]:
    """Return a question as the API shows it."""
    return {
        "code": str(question.code),
        "title": question.title,
        "body": question.body,
        "kind": question.kind,
        "guideline_version": question.guideline.version if question.guideline else None,
        "asked_by": questions.asker_name(question),
        "created_at": question.created_at,
        "answer": question.answer,
        "answered_at": question.answered_at,
        "is_pinned": question.is_pinned,
    }


class QuestionList(generics.GenericAPIView[Question]):
    """The board."""

    permission_classes = (ReadsBoard,)
    pagination_class = KeysetPagination
    serializer_class = QuestionBody
    queryset = Question.objects.none()

    def get_queryset(self) -> QuerySet[Question]:
        """Return the questions that the address asks for."""
        wanted = BoardFilter(data=self.request.query_params)
        wanted.is_valid(raise_exception=True)
        data = wanted.validated_data
        return questions.board(words=data["q"], kind=data["kind"], state=data["state"])

    @extend_schema(
        parameters=[BoardFilter], responses={200: QuestionBody(many=True), 403: ErrorBody}, tags=["questions"]
    )
    def get(self, request: Request) -> Response:
        """List questions, newest first."""
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response([question_body(question) for question in page or []])

    @extend_schema(
        request=AskRequest, responses={201: QuestionBody, 403: ErrorBody, 422: ErrorBody}, tags=["questions"]
    )
    def post(self, request: Request) -> Response:
        """Ask a question."""
        body = AskRequest(data=request.data)
        body.is_valid(raise_exception=True)
        asked = dict(body.validated_data)
        code = asked.pop("guideline")
        guideline = Guideline.objects.filter(code=code).first() if code else None
        if code and guideline is None:
            raise NotFound("There is no such guideline.")
        question = questions.ask(by=user_of(request), guideline=guideline, **asked)
        return Response(question_body(question), status=status.HTTP_201_CREATED)


def _question(code: UUID) -> Question:
    question = questions.by_code(code)
    if question is None:
        raise NotFound("There is no such question.")
    return question


@extend_schema(responses={200: QuestionBody, 403: ErrorBody, 404: ErrorBody}, tags=["questions"])
class QuestionDetail(APIView):
    """One question; a merged one gives the one that stands for it."""

    permission_classes = (ReadsBoard,)

    def get(self, request: Request, code: UUID) -> Response:
        """Return a question; its answer counts as read by the labeler who asks."""
        question = _question(code)
        labeler = labeler_of(request.user)
        if labeler is not None:
            questions.mark_read(question=question, labeler=labeler)
        return Response(question_body(question))


class StaffView(APIView):
    """What only staff does to a question."""

    permission_classes = (Requires(Action.ANSWER_QUESTIONS),)


ANSWERS = {200: QuestionBody, 403: ErrorBody, 404: ErrorBody, 409: ErrorBody, 422: ErrorBody}


class Answer(StaffView):
    """The answer to a question."""

    @extend_schema(request=AnswerRequest, responses=ANSWERS, tags=["questions"])
    def post(self, request: Request, code: UUID) -> Response:
        """Answer a question, or change its answer."""
        body = AnswerRequest(data=request.data)
        body.is_valid(raise_exception=True)
        question = questions.answer(
            question=_question(code), text=body.validated_data["text"], by=user_of(request)
        )
        return Response(question_body(question))


class Pin(StaffView):
    """Whether a question stands at the top."""

    @extend_schema(request=PinRequest, responses=ANSWERS, tags=["questions"])
    def post(self, request: Request, code: UUID) -> Response:
        """Pin a question, or unpin it."""
        body = PinRequest(data=request.data)
        body.is_valid(raise_exception=True)
        question = questions.pin(question=_question(code), by=user_of(request), **body.validated_data)
        return Response(question_body(question))


class Merge(StaffView):
    """A duplicate and the question that stands for it."""

    @extend_schema(request=MergeRequest, responses=ANSWERS, tags=["questions"])
    def post(self, request: Request, code: UUID) -> Response:
        """Merge a question into another."""
        body = MergeRequest(data=request.data)
        body.is_valid(raise_exception=True)
        into = questions.merge(
            question=_question(code), into=_question(body.validated_data["into"]), by=user_of(request)
        )
        return Response(question_body(into))
