"""The versions of guidelines and forms, and publishing the next ones."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render

from labeling.errors import LabelingError
from labeling.forms.publishing import (
    GuidelineEditor,
    PartsEditor,
    guideline_values,
    parts_values,
    question_sets,
    schema_of,
    with_another_row,
)
from labeling.forms.rankings import RankingForm
from labeling.models import Form, Guideline, Prompt, Response, TaskKind
from labeling.rules import forms, guidelines
from labeling.rules.access import Action
from labeling.rules.text_changes import changes_between
from labeling.views.access import PageRequest, require

may_publish = require(Action.PUBLISH_GUIDELINES)


@may_publish
def version_list(request: PageRequest) -> HttpResponseBase:
    """List, for each kind of task, every version of its guideline and of its form."""
    guidelines.ensure_defaults()
    kinds = [
        {
            "kind": kind,
            "guidelines": list(Guideline.objects.filter(kind=kind).order_by("-version")),
            "forms": list(Form.objects.filter(kind=kind).order_by("-version")),
        }
        for kind in TaskKind
    ]
    return render(request, "publishing/list.html", {"kinds": kinds})


@may_publish
def guideline_publish(request: PageRequest, kind: str) -> HttpResponseBase:
    """Write the next version of a guideline; a preview shows it rendered, and what changed."""
    newest = guidelines.current_guideline(_known(kind))
    editor = GuidelineEditor(request.POST or None, initial=guideline_values(newest))
    preview = None
    if editor.is_valid():
        data = editor.cleaned_data
        if "preview" in request.POST:
            preview = {"body": data["body"], "parts": changes_between(newest.body, data["body"])}
        else:
            try:
                new = guidelines.publish_guideline(
                    kind=kind,
                    title=data["title"],
                    body=data["body"],
                    by=request.user,
                    criteria=editor.lines(),
                )
            except LabelingError as error:
                editor.add_error(None, error.message)
            else:
                messages.success(request, f"Version {new.version} is published; new batches work by it.")
                return redirect("version-list")
    context = {"kind": TaskKind(kind), "newest": newest, "editor": editor, "preview": preview}
    page = "publishing/guideline.html#preview" if request.htmx and preview else "publishing/guideline.html"
    return render(request, page, context, status=422 if editor.is_bound and editor.errors else 200)


@may_publish
def form_publish(request: PageRequest, kind: str) -> HttpResponseBase:
    """Change the questions of a form; a preview shows them as labelers will see them, and what changed."""
    newest = guidelines.current_form(_known(kind))
    data: Any = request.POST or None
    if data and "add" in data:
        data = with_another_row(data, data["add"])
    parts = PartsEditor(data, initial=parts_values(newest))
    sets = question_sets(newest.schema, data)
    context: dict[str, Any] = {"kind": TaskKind(kind), "newest": newest, "parts": parts, "sets": sets}
    are_rows_valid = [
        rows.is_valid() for _, _, rows in sets
    ]  # every one is asked, so that each says its fault
    is_valid = data is not None and parts.is_valid() and all(are_rows_valid)
    if is_valid and "add" not in data:
        try:
            schema = forms.check_schema(schema_of(parts, sets))
            draft = Form(kind=kind, version=newest.version + 1, schema=schema)
            context |= {"preview": preview_of(draft), "changes": forms.changes(newest, draft)}
            if "publish" in data:
                new = forms.publish_form(
                    kind=kind, schema=schema, by=request.user, note=parts.cleaned_data["note"]
                )
                messages.success(request, f"Version {new.version} is published; new batches ask it.")
                return redirect("form-detail", new.code)
        except LabelingError as error:
            parts.add_error(None, error.message)
    is_wrong = data is not None and "add" not in data and (not is_valid or bool(parts.errors))
    return render(request, "publishing/form.html", context, status=422 if is_wrong else 200)


@may_publish
def form_detail(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Show one version of a form as labelers see it, and what it changed."""
    form = get_object_or_404(Form, code=code)
    before = forms.previous(form)
    context = {
        "version": form,
        "before": before,
        "changes": forms.changes(before, form),
        "preview": preview_of(form),
        "batches": form.batches.order_by("-created_at")[:20],
    }
    return render(request, "publishing/form_detail.html", context)


def preview_of(form: Form) -> RankingForm:
    """Return the form filled with nothing, over a response that says so; every condition counts as met."""
    prompt = Prompt(text="The prompt stands here.", tags=dict.fromkeys(_conditions(form), True))
    return RankingForm(responses=[Response(text="The response stands here.")], prompt=prompt, version=form)


def _conditions(form: Form) -> list[str]:
    return [flag["when"] for flag in forms.questions(form, "flags") if flag.get("when")]


def _known(kind: str) -> str:
    if kind not in TaskKind.values:
        raise Http404
    return kind
