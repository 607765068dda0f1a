"""Quality of labels: each labeler, ratings and flags, disagreeing tasks, drift, and all of it as files."""

from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render

from labeling.errors import NotFound
from labeling.models import Labeler, Task
from labeling.rules.access import Action, can, sees_policies
from labeling.rules.csv_tables import csv_lines
from labeling.rules.disagreements import disagreed_task
from labeling.rules.quality_reports import report
from labeling.rules.quality_tables import TABLES, quality_table
from labeling.views.access import PageRequest, require
from labeling.views.agreement import PAPER
from labeling.views.lists import one_page

ITEMS_A_PAGE = 30
EXCERPT = 160
ORDERS = {"name": "By name", "lowest": "Lowest agreement first"}


@require(Action.SEE_AGREEMENT)
def labelers(request: PageRequest) -> HttpResponseBase:
    """List labelers with their agreement and habits, under pseudonyms."""
    found = report("labelers")
    order = request.GET.get("order", "name")
    rows = list(found.body["labelers"]) if found.body else []
    if order == "lowest":
        rows.sort(key=lambda row: (row["estimate"] or {"value": 2.0})["value"])
    context = {
        "report": found,
        "page": one_page(request, rows),
        "order": order if order in ORDERS else "name",
        "orders": ORDERS,
        "scorer": found.body["scorer"] if found.body else "",
    }
    return render(request, "quality/labelers.html", context)


@require(Action.SEE_AGREEMENT)
def labeler(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Show one labeler's figures, over time and with each colleague."""
    person = get_object_or_404(Labeler.objects.select_related("user"), code=code)
    found = report("labelers")
    rows = found.body["labelers"] if found.body else []
    context = {
        "labeler": person,
        "report": found,
        "row": next((row for row in rows if row["code"] == str(code)), None),
        "scorer": found.body["scorer"] if found.body else "",
        "colleagues": _colleagues(str(code)),
        "may_see_person": can(request.user, Action.SEE_LABELERS),
        "paper": PAPER[0],
    }
    return render(request, "quality/labeler.html", context)


@require(Action.SEE_AGREEMENT)
def items(request: PageRequest) -> HttpResponseBase:
    """List the tasks on which labelers disagree most."""
    found = report("items")
    rows = found.body["items"] if found.body else []
    batches = {row["batch"]: row["batch_name"] for row in rows}
    batch = request.GET.get("batch", "")
    shown = [row for row in rows if row["batch"] == batch] if batch in batches else rows
    page = one_page(request, shown, ITEMS_A_PAGE)
    texts = Task.objects.filter(code__in=[row["task"] for row in page]).values_list("code", "prompt__text")
    excerpts = {str(code): (text or "")[:EXCERPT] for code, text in texts}
    for row in page:
        row["prompt"] = excerpts.get(row["task"], "")
    context = {
        "report": found,
        "page": page,
        "batches": batches,
        "batch": batch if batch in batches else "",
        "may_judge": can(request.user, Action.JUDGE),
    }
    return render(request, "quality/items.html", context)


@require(Action.SEE_AGREEMENT)
def item(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Show a task's responses with every labeler's order and ratings."""
    try:
        found = disagreed_task(code)
    except NotFound as error:
        raise Http404(error.message) from error
    if not sees_policies(request.user):
        raise PermissionDenied
    context = {"found": found, "sees_gold": can(request.user, Action.JUDGE)}
    return render(request, "quality/item.html", context)


@require(Action.SEE_AGREEMENT)
def ratings(request: PageRequest) -> HttpResponseBase:
    """Show agreement on the ratings and on each flag."""
    return render(request, "quality/ratings.html", {"report": report("ratings")})


@require(Action.SEE_AGREEMENT)
def drift(request: PageRequest) -> HttpResponseBase:
    """Show how agreement, and the preference on each anchor, move in time."""
    return render(request, "quality/drift.html", {"report": report("drift"), "paper": PAPER[0]})


@require(Action.SEE_AGREEMENT)
def table(request: PageRequest, name: str) -> HttpResponseBase:
    """Give a table as a CSV file."""
    if name not in TABLES:
        raise Http404
    try:
        found = quality_table(name)
    except NotFound as error:
        raise Http404(error.message) from error
    response = StreamingHttpResponse(
        csv_lines(found.header, found.rows), content_type="text/csv; charset=utf-8"
    )
    response["Content-Disposition"] = f'attachment; filename="quality-{name}.csv"'
    return response


def _colleagues(code: str) -> list[dict[str, Any]]:
    """Return strict agreement with each colleague this labeler met, the most tasks in common first."""
    body = report("pairs").body or {"labelers": [], "cells": []}
    names = body["labelers"]
    found = []
    for cell in body["cells"]:
        a, b = names[cell["a"]], names[cell["b"]]
        if code in (a["code"], b["code"]):
            other = b if a["code"] == code else a
            found.append({"labeler": other, "agreement": cell["modes"]["strict"]})
    return sorted(found, key=lambda row: -row["agreement"]["tasks"])
