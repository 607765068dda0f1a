"""Datasets: listed, frozen, looked into, downloaded."""

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from labeling.errors import LabelingError
from labeling.rules.access import Action, can
from labeling.rules.texts import counted
from labeling.views.access import PageRequest, require
from labeling.views.lists import one_page
from training.forms.datasets import FreezeForm
from training.models import Dataset, DatasetKind
from training.rules.dataset_comparison import compare_datasets
from training.rules.dataset_formats import NATIVE, formats_of, part_file
from training.rules.datasets import freeze_dataset, read_records
from training.rules.models import models_of

RECORDS_A_PAGE = 10


@require(Action.EXPORT)
def dataset_list(request: PageRequest) -> HttpResponseBase:
    """List datasets, newest first."""
    kind = request.GET.get("kind", "")
    rows = Dataset.objects.select_related("created_by")
    if kind in DatasetKind.values:
        rows = rows.filter(kind=kind)
    context = {"page": one_page(request, rows), "kind": kind, "kinds": DatasetKind.choices}
    return render(request, "datasets/list.html", context)


@require(Action.EXPORT)
def dataset_freeze(request: PageRequest) -> HttpResponseBase:
    """Freeze labels. Nothing new since the last time gives the same dataset again."""
    form = FreezeForm(request.POST or None, initial={"kind": request.GET.get("kind", "sft")})
    if form.is_valid():
        newest = Dataset.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        try:
            dataset = freeze_dataset(
                kind=form.cleaned_data["kind"],
                selection=form.selection(),
                name=form.cleaned_data["name"],
                by=request.user,
            )
        except LabelingError as error:
            form.add_error(None, error.message)
        else:
            if dataset.pk > newest:
                messages.success(request, f"Froze {counted(dataset.rows, 'record')}.")
            else:
                messages.info(request, "Nothing has changed since: this is the dataset of these labels.")
            return redirect("dataset-detail", dataset.code)
    status = 422 if form.is_bound else 200
    return render(request, "datasets/freeze.html", {"form": form}, status=status)


@require(Action.EXPORT)
def dataset_detail(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Show a dataset's manifest, what was left out and why, its records, and what was trained on it."""
    dataset = get_object_or_404(Dataset.objects.select_related("created_by"), code=code)
    splits = list(dataset.counts)
    split = request.GET.get("split", "")
    split = split if split in splits else next(iter(splits), "")
    words, category = request.GET.get("q", "").strip(), request.GET.get("category", "")
    page = one_page(request, range(dataset.counts.get(split, 0)), RECORDS_A_PAGE)
    try:
        first = max(page.start_index() - 1, 0)
        records = read_records(
            dataset, split=split, first=first, count=RECORDS_A_PAGE + 1, words=words, category=category
        )
    except OSError:
        records = []
        messages.error(request, "The files of this dataset are not where they were stored.")
    context = {
        "dataset": dataset,
        "manifest": dataset.manifest,
        "selection": {key: value for key, value in dataset.manifest.get("selection", {}).items() if value},
        "split": split,
        "page": page,
        "records": records[:RECORDS_A_PAGE],
        "has_more": len(records) > RECORDS_A_PAGE,
        "words": words,
        "category": category,
        "is_filtered": bool(words or category),
        "statistics": dataset.statistics,
        "formats": formats_of(dataset.kind),
        "others": Dataset.objects.filter(kind=dataset.kind).exclude(pk=dataset.pk)[:100],
        "models": models_of(dataset),
        "used_by": dataset.used_by.select_related("run").order_by("-pk")[:50],
        "may_see_models": can(request.user, Action.SEE_MODELS),
    }
    return render(request, "datasets/detail.html", context)


@require(Action.EXPORT)
def dataset_compare(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Show what lies between this dataset and another of its kind, the older one first."""
    dataset = get_object_or_404(Dataset, code=code)
    other = _named(request.GET.get("other", ""))
    if other is None or other == dataset:
        messages.error(request, "Choose another dataset to compare with.")
        return redirect("dataset-detail", code)
    older, newer = sorted((dataset, other), key=lambda given: given.pk)
    try:
        difference = compare_datasets(older, newer)
    except LabelingError as error:
        messages.error(request, error.message)
        return redirect("dataset-detail", code)
    except FileNotFoundError:
        messages.error(request, "The files of one of the two are not where they were stored.")
        return redirect("dataset-detail", code)
    return render(request, "datasets/compare.html", {"difference": difference, "dataset": dataset})


@require(Action.EXPORT)
def dataset_part(request: PageRequest, code: UUID, split: str) -> HttpResponseBase:
    """Download the records of a part, as they were frozen, in the shape that TRL reads, or as Parquet."""
    dataset = get_object_or_404(Dataset, code=code)
    form = request.GET.get("format", NATIVE)
    if split not in dataset.counts or form not in formats_of(dataset.kind):
        raise Http404
    try:
        part = part_file(dataset, split, form)
    except LabelingError as error:
        messages.error(request, error.message)
        return redirect("dataset-detail", code)
    except OSError:
        messages.error(request, "The files of this dataset are not where they were stored.")
        return redirect("dataset-detail", code)
    response = StreamingHttpResponse(part.pieces, content_type=part.content_type)
    response["Content-Disposition"] = f'attachment; filename="{part.name}"'
    return response


def _named(code: str) -> Dataset | None:
    try:
        return Dataset.objects.filter(code=UUID(code)).first()
    except ValueError:
        return None
