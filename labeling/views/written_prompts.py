"""Write a prompt: plain, few-shot or for a use case."""

from uuid import UUID

from django.http import Http404, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_POST

from labeling.errors import AssignmentClosed, InvalidInput, StaleDraft
from labeling.forms.areas import as_typed
from labeling.forms.written_prompts import WrittenPromptForm, posted_pairs
from labeling.models import Assignment, PromptKind, TaskKind
from labeling.rules import assignments, writing_hints, written_prompts
from labeling.rules.written_prompts import MAX_PAIRS, MIN_PAIRS, Pair
from labeling.views.access import LabelerRequest, require_labeler
from labeling.views.assignments import (
    after_submission,
    draft_of,
    is_workable,
    lead_on,
    own_assignment,
    page_of,
    task_context,
)


@gzip_page
@require_labeler
def write(request: LabelerRequest, code: UUID) -> HttpResponseBase:
    """Show what is asked for and a place to write; a submission leads on."""
    assignment = own_assignment(request, code)
    if assignment.kind != TaskKind.PROMPT:
        raise Http404
    if request.method != "POST":
        if not is_workable(assignment):
            return lead_on(request, assignment)
        return page(request, assignment, form_of_draft(assignment))
    pairs = posted_pairs(request.POST)
    if "add" in request.POST or "take_out" in request.POST:
        return page(request, assignment, changed_form(assignment, request.POST, pairs))
    if "save" in request.POST:
        return save(request, assignment, pairs)
    form = bound_form(assignment, request.POST, pairs)
    if form.is_valid():
        try:
            receipt = written_prompts.submit_written_prompt(
                assignment=assignment,
                text=form.cleaned_data["text"],
                pairs=form.pairs(),
                idempotency_key=form.cleaned_data["idempotency_key"],
                typing=form.typing(),
            )
        except AssignmentClosed as error:
            return lead_on(request, assignment, error)
        except InvalidInput as error:
            form.renew_key()
            show_faults(form, error)
            assignment = own_assignment(request, code)
        else:
            return after_submission(request, receipt)
    return page(request, assignment, form, status=422)


def page(
    request: LabelerRequest, assignment: Assignment, form: WrittenPromptForm, status: int = 200
) -> HttpResponseBase:
    context = {
        **task_context(assignment),
        "form": form,
        "prompt_kind": form.kind.value,
        "kind_label": form.kind.label,
        "use_case": assignment.task.use_case,
        "min_pairs": MIN_PAIRS,
        "max_pairs": MAX_PAIRS,
        "max_tokens": writing_hints.MAX_TOKENS,
    }
    name = "written_prompts/write.html#writing-form" if request.htmx else "written_prompts/write.html"
    return render(request, name, context, status=status)


def form_of_draft(assignment: Assignment) -> WrittenPromptForm:
    draft = draft_of(assignment)
    payload = draft.payload if draft else {}
    text = payload.get("text")
    return WrittenPromptForm(
        kind=written_prompts.asked_kind(assignment),
        pairs=written_prompts.read_pairs(payload.get("pairs"))[:MAX_PAIRS],
        text=text if isinstance(text, str) else "",
    )


def bound_form(assignment: Assignment, data: QueryDict, pairs: list[Pair]) -> WrittenPromptForm:
    """Bind what was sent, its pairs numbered anew."""
    data = data.copy()
    for number, pair in enumerate(pairs, start=1):
        data[f"query-{number}"], data[f"response-{number}"] = pair.query, pair.response
    return WrittenPromptForm(data, kind=written_prompts.asked_kind(assignment), pairs=pairs)


def changed_form(assignment: Assignment, data: QueryDict, pairs: list[Pair]) -> WrittenPromptForm:
    """Add a pair or take one out, for pages without scripts."""
    remove = data.get("take_out", "")
    if remove.isdecimal() and len(pairs) > MIN_PAIRS:
        pairs = [pair for number, pair in enumerate(pairs, start=1) if number != int(remove)]
    elif "add" in data and len(pairs) < MAX_PAIRS:
        pairs = [*pairs, Pair("", "")]
    return WrittenPromptForm(
        kind=written_prompts.asked_kind(assignment), pairs=pairs, text=data.get("text", "")
    )


def save(request: LabelerRequest, assignment: Assignment, pairs: list[Pair]) -> HttpResponseBase:
    """Save a draft from a page without scripts."""
    draft = draft_of(assignment)
    payload = {
        "text": as_typed(request.POST.get("text", "")),
        "pairs": [{"query": pair.query, "response": pair.response} for pair in pairs],
    }
    try:
        assignments.save_draft(assignment=assignment, version=draft.version if draft else 0, payload=payload)
    except (AssignmentClosed, StaleDraft) as error:
        form = bound_form(assignment, request.POST, pairs)
        form.add_error(None, error.message)
        return page(request, assignment, form, status=422)
    return redirect(page_of(assignment))


def show_faults(form: WrittenPromptForm, error: InvalidInput) -> None:
    """Put each fault beside its field."""
    pairs = error.fields.get("pairs")
    if isinstance(pairs, dict):
        for number, fault in pairs.items():
            part = "response" if fault == "response empty" else "query"
            form.add_error(f"{part}-{number}", f"Pair {number}: {fault}.")
        form.focus_first_fault()
    elif "text" in error.fields:
        form.add_error("text", error.message)
    else:
        form.add_error(None, error.message)


@require_POST
@require_labeler
def preview(request: LabelerRequest) -> HttpResponseBase:
    """Show the prompts that what is being written makes, each with the response it asks for."""
    text = request.POST.get("text", "")
    pairs = [pair for pair in posted_pairs(request.POST) if pair.query.strip()]
    if request.POST.get("prompt_kind") == PromptKind.FEW_SHOT:
        made = [
            {"text": prompt, "response": pair.response}
            for prompt, pair in zip(written_prompts.few_shot_texts(text, pairs), pairs, strict=True)
        ]
    else:
        made = [{"text": text, "response": ""}]
    return render(request, "written_prompts/preview.html", {"made": made})
