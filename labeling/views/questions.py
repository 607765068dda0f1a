"""The questions board: read by everybody who labels, answered by staff."""

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from labeling.errors import LabelingError
from labeling.forms.questions import AnswerForm, BoardFilterForm, MergeForm, QuestionForm
from labeling.models import Question
from labeling.rules import questions
from labeling.rules.access import Action, can, labeler_of
from labeling.views.access import PageRequest, require
from labeling.views.lists import one_page
from labeling.views.refusals import refusals_said

QUESTIONS_A_PAGE = 25


@require(Action.ANSWER_QUESTIONS, for_labelers=True)
def question_list(request: PageRequest) -> HttpResponseBase:
    """List the questions, pinned ones first, narrowed by words, kind and state."""
    ensure_reader(request)
    form = BoardFilterForm(request.GET or None)
    data = form.cleaned_data if form.is_valid() else {}
    rows = questions.board(words=data.get("q", ""), kind=data.get("kind", ""), state=data.get("state", ""))
    labeler = labeler_of(request.user)
    context = {
        "form": form,
        "page": one_page(request, rows, QUESTIONS_A_PAGE),
        "is_filtered": any(data.values()),
        "unread": set(questions.unread(labeler).values_list("pk", flat=True)) if labeler else set(),
    }
    return render(request, "questions/list.html", context)


@require(Action.ANSWER_QUESTIONS, for_labelers=True)
def question_ask(request: PageRequest) -> HttpResponseBase:
    """Put a question on the board."""
    ensure_reader(request)
    initial = {name: request.GET.get(name, "") for name in ("kind", "guideline")}
    form = QuestionForm(request.POST if request.method == "POST" else None, initial=initial)
    if form.is_valid():
        try:
            question = questions.ask(by=request.user, **form.cleaned_data)
        except LabelingError as error:
            show(form, error)
        else:
            messages.success(request, "Your question is on the board. The answer will reach you on Work.")
            return redirect("question-detail", question.code)
    return render(request, "questions/ask.html", {"form": form}, status=422 if form.is_bound else 200)


@require(Action.ANSWER_QUESTIONS, for_labelers=True)
def question_detail(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Show a question with its answer, which is read by being shown."""
    ensure_reader(request)
    question = questions.by_code(code)
    if question is None:
        raise Http404
    if question.code != code:
        return redirect("question-detail", question.code)
    labeler = labeler_of(request.user)
    if labeler is not None:
        questions.mark_read(question=question, labeler=labeler)
    return question_page(request, question, AnswerForm(initial={"answer": question.answer}), MergeForm())


def question_page(
    request: PageRequest, question: Question, answer_form: AnswerForm, merge_form: MergeForm
) -> HttpResponseBase:
    context = {
        "question": question,
        "asker": questions.asker_name(question),
        "is_own": question.asked_by_id == request.user.pk,
        "duplicates": question.duplicates.all(),
        "may_answer": can(request.user, Action.ANSWER_QUESTIONS),
        "answer_form": answer_form,
        "merge_form": merge_form,
    }
    is_refused = answer_form.is_bound or merge_form.is_bound
    return render(request, "questions/detail.html", context, status=422 if is_refused else 200)


@require_POST
@require(Action.ANSWER_QUESTIONS)
def question_answer(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Answer a question, or change its answer."""
    question = get_object_or_404(Question, code=code)
    form = AnswerForm(request.POST)
    if form.is_valid():
        try:
            questions.answer(question=question, text=form.cleaned_data["answer"], by=request.user)
        except LabelingError as error:
            show(form, error)
        else:
            messages.success(request, "Everybody who labels sees this answer until they have read it.")
            return redirect("question-detail", code)
    return question_page(request, question, form, MergeForm())


@require_POST
@require(Action.ANSWER_QUESTIONS)
def question_pin(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Keep a question at the top, or let it go."""
    question = get_object_or_404(Question, code=code)
    with refusals_said(request):
        questions.pin(question=question, is_pinned=request.POST.get("do") == "pin", by=request.user)
    return redirect("question-detail", code)


@require_POST
@require(Action.ANSWER_QUESTIONS)
def question_merge(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Let another question stand for this one."""
    question = get_object_or_404(Question, code=code)
    form = MergeForm(request.POST)
    if form.is_valid():
        into = Question.objects.filter(code=form.cleaned_data["into"]).first()
        if into is None:
            form.add_error("into", "There is no question with this code.")
        else:
            try:
                into = questions.merge(question=question, into=into, by=request.user)
            except LabelingError as error:
                show(form, error)
            else:
                messages.success(request, "Merged. Whoever opens the other one comes here.")
                return redirect("question-detail", into.code)
    return question_page(request, question, AnswerForm(initial={"answer": question.answer}), form)


def ensure_reader(request: PageRequest) -> None:
    if not questions.may_see(request.user):
        raise PermissionDenied


def show(form: QuestionForm | AnswerForm | MergeForm, error: LabelingError) -> None:
    """Put each fault beside its field."""
    for field, fault in error.fields.items():
        form.add_error(field if field in form.fields else None, str(fault))
    if not error.fields:
        form.add_error(None, error.message)
