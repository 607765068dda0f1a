"""The registry: models, where each comes from, and letting one write responses."""

import itertools
from collections.abc import Iterable
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_POST

from labeling.errors import LabelingError
from labeling.models import Batch, Labeler, Policy, TaskKind
from labeling.rules import audit
from labeling.rules.access import Action, can
from labeling.rules.batches import create_batch
from labeling.views.access import PageRequest, require
from labeling.views.lists import one_page
from training.forms.models import ImportModelForm, SampleForm
from training.forms.rounds import configs_of
from training.models import Model, ModelKind, ModelStatus, Run
from training.rlhf.config import ConfigError, shipped_config, to_mapping
from training.rules import models
from training.rules.erasure import erased_prompts_seen
from training.rules.evaluations import evaluations_of, win_rates
from training.rules.lineage import (
    SHOWN_LEVELS,
    datasets_behind,
    descendant_keys,
    lineage,
    models_in_order,
    read_registry,
)
from training.rules.model_cards import card_of_model, guidelines_behind, labelers_behind
from training.rules.model_export import stream_archive
from training.rules.model_keeping import archive_model, delete_weights, promote_model, restore_model
from training.rules.over_optimisation import over_optimisation_of
from training.rules.round_choices import choices_of, signatures_of
from training.rules.sampling import Writer, choose_prompts, sample_for_batch
from training.tasks import enqueue_run

SHOWN = 20
"""Of evaluations, batches and models made from a model, the page names so many."""
DECIDED = {
    "promote": "{model} is promoted: forms offer it first.",
    "archive": "{model} is in the archive.",
    "restore": "{model} is registered again.",
    "delete-weights": "The weights of {model} are deleted; its record stays.",
}


@require(Action.SEE_MODELS)
def model_list(request: PageRequest) -> HttpResponseBase:
    """List models, newest first."""
    kind, words = request.GET.get("kind", ""), request.GET.get("q", "").strip()
    shows_archive = request.GET.get("archive") == "yes"
    rows = Model.objects.select_related("run", "parent", "reward_model", "policy")
    if kind in ModelKind.values:
        rows = rows.filter(kind=kind)
    if words:
        rows = rows.filter(name__icontains=words)
    archived = rows.filter(status=ModelStatus.ARCHIVED)
    rows = archived if shows_archive else rows.exclude(status=ModelStatus.ARCHIVED)
    context = {
        "page": one_page(request, rows),
        "kind": kind,
        "kinds": ModelKind.choices,
        "words": words,
        "shows_archive": shows_archive,
        "is_filtered": bool(kind or words or shows_archive),
        "may_train": can(request.user, Action.RUN_TRAINING),
    }
    return render(request, "models/list.html", context)


@require(Action.RUN_TRAINING)
def model_import(request: PageRequest) -> HttpResponseBase:
    """Enter a model from outside."""
    form = ImportModelForm(request.POST or None)
    if form.is_valid():
        try:
            model = models.import_model(**form.cleaned_data, by=request.user)
        except LabelingError as error:
            field = next((name for name in error.fields if name in form.fields), None)
            form.add_error(field, error.message)
        else:
            messages.success(request, f"{model} is in the registry.")
            return redirect("model-detail", model.code)
    return render(request, "models/import.html", {"form": form}, status=422 if form.is_bound else 200)


@require(Action.SEE_MODELS)
def model_detail(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Show a model, everything behind it and everything made from it."""
    model = get_object_or_404(Model.objects.select_related("run", "policy", "created_by"), code=code)
    registry = read_registry()
    tree = lineage(model, levels=SHOWN_LEVELS, registry=registry)
    behind = datasets_behind(model, registry=registry)
    people = labelers_behind(behind)
    children = descendant_keys(model, registry=registry)
    most = None if request.GET.get("descendants") == "all" else SHOWN
    evaluations = evaluations_of(model)
    rates = win_rates(evaluations[:SHOWN])
    batches = Batch.objects.filter(sample_runs__inputs__model=model).distinct()
    facts = {key: value for key, value in model.facts.items() if not isinstance(value, dict | list)}
    context = {
        "model": model,
        "facts": facts,
        "metrics": model.facts.get("metrics") or {},
        "lineage": tree,
        "choices": choices_of(tree.round) if tree.round else [],
        "signatures": signatures_of(tree.round) if tree.round else [],
        "guidelines": guidelines_behind(behind),
        "labelers": people,
        "labeler_codes": _codes_of(people) if can(request.user, Action.SEE_LINEAGE) else {},
        "descendants": models_in_order(children[:most]),
        "descendant_count": len(children),
        "erased_prompts": erased_prompts_seen(model),
        "batches": batches.order_by("-pk")[:SHOWN],
        "batch_count": batches.count(),
        "evaluations": [{"evaluation": row, "rate": rates[row.pk]} for row in evaluations[:SHOWN]],
        "evaluation_count": len(evaluations),
        "responses": model.policy.responses.count() if model.policy else 0,
        "may_train": can(request.user, Action.RUN_TRAINING),
        "may_export": can(request.user, Action.EXPORT),
        "alarm": over_optimisation_of(model),
    }
    return render(request, "models/detail.html", context)


def _codes_of(pseudonyms: Iterable[str]) -> dict[str, UUID]:
    """Return the codes of labelers, whose pages lead to every model that saw their labels."""
    rows = Labeler.objects.filter(pseudonym__in=list(pseudonyms))
    return dict(rows.values_list("pseudonym", "code"))


@require_POST
@require(Action.RUN_TRAINING)
def model_decide(request: PageRequest, code: UUID, decision: str) -> HttpResponseBase:
    """Promote a model, archive it, take either back, or delete its weights."""
    model = get_object_or_404(Model, code=code)
    reason = request.POST.get("reason", "").strip()
    try:
        match decision:
            case "promote":
                promote_model(model=model, by=request.user, reason=reason)
            case "archive":
                archive_model(model=model, by=request.user, reason=reason)
            case "restore":
                restore_model(model=model, by=request.user)
            case "delete-weights" if request.POST.get("name") == model.name:
                delete_weights(model=model, by=request.user, reason=reason)
            case "delete-weights":
                messages.error(request, f'Type the name of the model, "{model.name}", to delete its weights.')
                return redirect("model-detail", code)
            case _:
                raise Http404
    except LabelingError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, DECIDED[decision].format(model=model))
    return redirect("model-detail", code)


@require(Action.SEE_MODELS)
def model_card(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Give the card of a model as Markdown."""
    model = get_object_or_404(Model.objects.select_related("run", "policy"), code=code)
    response = HttpResponse(card_of_model(model), content_type="text/markdown; charset=utf-8")
    name = content_disposition_header(as_attachment=False, filename=f"{model.name.replace('/', '-')}.md")
    response["Content-Disposition"] = name or "inline"
    return response


@require(Action.EXPORT)
def model_export(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Download a model as a folder that transformers loads, in a tar archive, with its card."""
    model = get_object_or_404(Model.objects.select_related("run", "policy"), code=code)
    pieces = stream_archive(model)
    try:
        first = next(pieces)
    except LabelingError as error:
        messages.error(request, error.message)
        return redirect("model-detail", code)
    except FileNotFoundError:
        messages.error(request, "The weights of this model are not where they were stored.")
        return redirect("model-detail", code)
    audit.record(actor=request.user, action="export_model", obj=model)
    response = StreamingHttpResponse(itertools.chain([first], pieces), content_type="application/x-tar")
    name = content_disposition_header(as_attachment=True, filename=f"{model.name.replace('/', '-')}.tar")
    response["Content-Disposition"] = name or "attachment"
    return response


@require(Action.RUN_TRAINING)
def model_sample(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Let a model write the responses of a new comparison batch."""
    model = get_object_or_404(Model.objects.policies(), code=code)
    policy = model.policy
    assert policy is not None  # the query asked for one
    names = configs_of("sample")
    form = SampleForm(
        request.POST or None, policy=policy, configs=names, initial={"name": f"Responses of {model}"[:120]}
    )
    if form.is_valid():
        try:
            batch, runs = start_sampling(request, policy, form)
        except LabelingError as error:
            form.add_error(None, error.message)
        except ConfigError as error:
            form.add_error(None, " ".join(error.problems))
        else:
            for run in runs:
                enqueue_run(run)
            messages.success(request, "The responses are being sampled; then the batch opens by itself.")
            return redirect("run-detail", runs[0].code) if runs else redirect("batch-detail", batch.code)
    status = 422 if form.is_bound else 200
    return render(request, "models/sample.html", {"form": form, "model": model}, status=status)


@transaction.atomic
def start_sampling(request: PageRequest, policy: Policy, form: SampleForm) -> tuple[Batch, list[Run]]:
    """Make the batch and order its responses; all or nothing."""
    data = form.cleaned_data
    writers = [Writer(policy, data["count"], data["temperature"])]
    if data["other"]:
        writers.append(Writer(data["other"], data["other_count"], data["temperature"]))
    batch = create_batch(
        name=data["name"],
        kind=TaskKind.COMPARISON,
        by=request.user,
        k=sum(writer.count for writer in writers),
        overlap=data["overlap"],
    )
    prompts = choose_prompts(split=data["split"], count=data["prompts"], used_in=TaskKind.COMPARISON)
    config = to_mapping(shipped_config(data["config"])) if data["config"] else {}
    runs = sample_for_batch(batch=batch, writers=writers, prompts=prompts, config=config, by=request.user)
    return batch, runs
