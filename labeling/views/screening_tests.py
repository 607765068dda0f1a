"""Building screening tests: drafts, their items, publishing."""

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from labeling.errors import LabelingError
from labeling.forms.screening import ItemForm, ScreeningTestForm
from labeling.models import ScreeningItem, ScreeningTest
from labeling.rules import screening_tests
from labeling.rules.access import Action
from labeling.views.access import PageRequest, require
from labeling.views.refusals import refusals_said

Part = ScreeningItem.Part


@require(Action.BUILD_SCREENING)
def test_list(request: PageRequest) -> HttpResponseBase:
    """List the versions and the drafts."""
    context = {
        "tests": ScreeningTest.objects.select_related("created_by", "published_by"),
        "current": ScreeningTest.objects.current(),
    }
    return render(request, "screening/test_list.html", context)


@require_POST
@require(Action.BUILD_SCREENING)
def test_create(request: PageRequest) -> HttpResponseBase:
    """Start a draft: from the current version, from the example, or empty."""
    start = request.POST.get("start", "")
    source = ScreeningTest.objects.current() if start == "current" else None
    test = screening_tests.create_test(by=request.user, source=source, example=start == "example")
    return redirect("screening-test-detail", test.code)


@require(Action.BUILD_SCREENING)
def test_detail(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Show a test with its items; a draft's settings can be changed here."""
    test = get_object_or_404(ScreeningTest, code=code)
    return test_page(request, test, ScreeningTestForm(initial=ScreeningTestForm.initial_of(test)))


@require_POST
@require(Action.BUILD_SCREENING)
def test_change(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Save a draft's settings."""
    test = get_object_or_404(ScreeningTest, code=code)
    form = ScreeningTestForm(request.POST)
    if form.is_valid():
        try:
            screening_tests.change_test(test=test, by=request.user, **form.settings())
        except LabelingError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, "Saved.")
            return redirect("screening-test-detail", code)
    return test_page(request, test, form)


@require_POST
@require(Action.BUILD_SCREENING)
def test_publish(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Publish a draft, or throw it away."""
    test = get_object_or_404(ScreeningTest, code=code)
    with refusals_said(request):
        if request.POST.get("do") == "remove":
            screening_tests.remove_test(test=test, by=request.user)
            messages.success(request, "The draft is gone.")
            return redirect("screening-test-list")
        screening_tests.publish_test(test=test, by=request.user)
        messages.success(request, f"Version {test.version} is published; the next labelers take it.")
    return redirect("screening-test-detail", code)


@require(Action.BUILD_SCREENING)
def item_create(request: PageRequest, code: UUID, part: str) -> HttpResponseBase:
    """Add an item to a draft."""
    test = get_object_or_404(ScreeningTest, code=code)
    if part not in Part.values:
        raise Http404
    form = ItemForm(request.POST if request.method == "POST" else None, part=part)
    if form.is_valid():
        try:
            screening_tests.add_item(test=test, by=request.user, part=part, **form.item_content())
        except LabelingError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, "Added.")
            another = "another" in request.POST
            return redirect("screening-item-create", code, part) if another else redirect(_at(test))
    return item_page(request, test, form, Part(part), None)


@require(Action.BUILD_SCREENING)
def item_change(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Change a draft's item, or take it out."""
    item = get_object_or_404(ScreeningItem.objects.select_related("test"), code=code)
    form = ItemForm(
        request.POST if request.method == "POST" else None,
        part=item.part,
        initial=ItemForm.initial_of(item),
    )
    try:
        if request.POST.get("do") == "remove":
            screening_tests.remove_item(item=item, by=request.user)
            messages.success(request, "Taken out.")
            return redirect(_at(item.test))
        if form.is_valid():
            screening_tests.change_item(item=item, by=request.user, **form.item_content())
            messages.success(request, "Saved.")
            return redirect(_at(item.test))
    except LabelingError as error:
        form.add_error(None, error.message)
    return item_page(request, item.test, form, Part(item.part), item)


def test_page(request: PageRequest, test: ScreeningTest, form: ScreeningTestForm) -> HttpResponse:
    items = list(test.items.all())
    context = {
        "test": test,
        "form": form,
        "parts": [{"part": part, "items": [item for item in items if item.part == part]} for part in Part],
        "attempts": test.attempts.count(),
    }
    return render(request, "screening/test_detail.html", context, status=422 if form.is_bound else 200)


def item_page(
    request: PageRequest, test: ScreeningTest, form: ItemForm, part: Part, item: ScreeningItem | None
) -> HttpResponse:
    context = {"test": test, "form": form, "part": part, "item": item}
    return render(request, "screening/item_edit.html", context, status=422 if form.is_bound else 200)


def _at(test: ScreeningTest) -> str:
    return reverse("screening-test-detail", args=[test.code])
