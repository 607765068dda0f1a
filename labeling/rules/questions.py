"""The questions board: asked by labelers, answered by staff, read by everybody."""

from uuid import UUID

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from labeling.errors import Conflict, InvalidInput
from labeling.models import Guideline, Labeler, Question, QuestionRead, TaskKind, User
from labeling.rules import audit
from labeling.rules.access import Action, can, ensure, labeler_of
from labeling.rules.texts import check_text

MAX_TITLE, MAX_BODY = 160, 20_000


def may_see(user: User) -> bool:
    """Return whether somebody reads the board: whoever labels, and the staff that answers."""
    return labeler_of(user) is not None or can(user, Action.ANSWER_QUESTIONS)


@transaction.atomic
def ask(
    *, by: User, title: str, body: str = "", kind: str = "", guideline: Guideline | None = None
) -> Question:
    """Put a question on the board, about a kind of task or a version of a guideline where that is said.

    Raises InvalidInput naming every field that does not fit.
    """
    title = check_text(title, field="title").strip()
    body = check_text(body, field="body").strip()
    faults: dict[str, str] = {}
    if not 1 <= len(title) <= MAX_TITLE:
        faults["title"] = f"has {len(title)} characters, 1 to {MAX_TITLE} are allowed"
    if len(body) > MAX_BODY:
        faults["body"] = f"has {len(body)} characters, at most {MAX_BODY} are allowed"
    if kind and kind not in TaskKind.values:
        faults["kind"] = f'"{kind}" is not one of {", ".join(TaskKind.values)}'
    if faults:
        sentence = "; ".join(f"{name} {fault}" for name, fault in faults.items())
        raise InvalidInput(f"The question does not fit: {sentence}.", fields=faults)
    kind = guideline.kind if guideline is not None else kind
    question = Question.objects.create(asked_by=by, title=title, body=body, kind=kind, guideline=guideline)
    if can(by, Action.ANSWER_QUESTIONS):
        audit.record(actor=by, action="ask_question", obj=question)
    return question


@transaction.atomic
def answer(*, question: Question, text: str, by: User) -> Question:
    """Answer a question, or change its answer; everybody is shown it as unread. The same again does nothing.

    Raises InvalidInput for an empty or too long answer, Conflict for a question that was merged.
    """
    ensure(by, Action.ANSWER_QUESTIONS)
    text = check_text(text, field="answer").strip()
    if not 1 <= len(text) <= MAX_BODY:
        raise InvalidInput(
            f"An answer has 1 to {MAX_BODY} characters, this one has {len(text)}.",
            fields={"answer": "is empty" if not text else "is too long"},
        )
    question = _standing(question)
    if question.answered_at is not None and text == question.answer:
        return question
    is_new = question.answered_at is None
    question.answer, question.answered_by, question.answered_at = text, by, timezone.now()
    question.save(update_fields=["answer", "answered_by", "answered_at"])
    audit.record(actor=by, action="answer_question" if is_new else "change_answer", obj=question)
    return question


@transaction.atomic
def pin(*, question: Question, is_pinned: bool, by: User) -> Question:
    """Keep a question at the top of the board, or let it go from there."""
    ensure(by, Action.ANSWER_QUESTIONS)
    question = _standing(question)
    if question.is_pinned != is_pinned:
        question.is_pinned = is_pinned
        question.save(update_fields=["is_pinned"])
        audit.record(actor=by, action="pin_question" if is_pinned else "unpin_question", obj=question)
    return question


@transaction.atomic
def merge(*, question: Question, into: Question, by: User) -> Question:
    """Let another question, and its answer, stand for this one; what was merged into it follows.

    Raises InvalidInput for a question merged into itself, Conflict if either was merged already.
    """
    ensure(by, Action.ANSWER_QUESTIONS)
    if question.pk == into.pk:
        raise InvalidInput("A question cannot be merged into itself.", fields={"into": "the same question"})
    question, into = _standing(question), _standing(into)
    question.merged_into, question.is_pinned = into, False
    question.save(update_fields=["merged_into", "is_pinned"])
    question.duplicates.update(merged_into=into)
    audit.record(actor=by, action="merge_question", obj=question, into=str(into.code))
    return into


def board(*, words: str = "", kind: str = "", state: str = "") -> QuerySet[Question]:
    """Return the questions that stand, pinned ones first, narrowed by words, kind, and waiting or answered.

    A question is found by the words of its duplicates too.
    """
    rows = Question.objects.standing().select_related("asked_by__labeler", "guideline")
    if state == "waiting":
        rows = rows.filter(answered_at=None)
    elif state == "answered":
        rows = rows.answered()
    if kind in TaskKind.values:
        rows = rows.filter(kind=kind)
    for word in words.split()[:8]:
        own = Q(title__icontains=word) | Q(body__icontains=word) | Q(answer__icontains=word)
        duplicate = Question.objects.filter(
            Q(title__icontains=word) | Q(body__icontains=word), merged_into=OuterRef("pk")
        )
        rows = rows.filter(own | Exists(duplicate))
    return rows


def unread(labeler: Labeler) -> QuerySet[Question]:
    """Return the answers that a labeler has not read as they stand, newest first.

    Answers from before they came are not news to them, except pinned ones.
    """
    read = QuestionRead.objects.filter(
        labeler=labeler, question=OuterRef("pk"), read_at__gte=OuterRef("answered_at")
    )
    news = Q(answered_at__gte=labeler.created_at) | Q(is_pinned=True)
    return (
        Question.objects.standing().answered().filter(news, ~Exists(read)).order_by(F("answered_at").desc())
    )


def mark_read(*, question: Question, labeler: Labeler) -> None:
    """Record that a labeler has read the answer as it stands now."""
    if question.answered_at is not None:
        QuestionRead.objects.update_or_create(
            question=question, labeler=labeler, defaults={"read_at": timezone.now()}
        )


def by_code(code: UUID) -> Question | None:
    """Return a question, the one that stands for it if it was merged; None if there is none."""
    question = Question.objects.select_related("merged_into", "asked_by", "answered_by", "guideline")
    found = question.filter(code=code).first()
    return found.merged_into if found is not None and found.merged_into is not None else found


def asker_name(question: Question) -> str:
    """Return who asked, as everybody may know it: labelers by their pseudonym, staff as staff."""
    labeler = labeler_of(question.asked_by)
    return labeler.pseudonym if labeler is not None else "Staff"


def _standing(question: Question) -> Question:
    """Return the row, locked until the transaction ends. Raises Conflict if it was merged."""
    row = Question.objects.select_for_update().get(pk=question.pk)
    if row.merged_into_id is not None:
        raise Conflict("This question was merged into another; go there.", code="question_merged")
    return row
