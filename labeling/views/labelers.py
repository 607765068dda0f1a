"""Labelers: listed, invited, paused, qualified."""

from collections.abc import Callable, Mapping
from uuid import UUID

from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from labeling.errors import LabelingError
from labeling.forms.labelers import InviteForm, LabelerFilterForm, LabelerForm, ReasonForm
from labeling.models import AuditEvent, Invitation, Labeler, Role, ScreeningTest, TaskKind
from labeling.rules import labelers, listings, skip_attention, workload
from labeling.rules.access import Action, can, sees_names
from labeling.views.access import PageRequest, require
from labeling.views.keyset import keyset_page
from labeling.views.refusals import refusals_said

RECEIPTS_SHOWN = 10
EVENTS_SHOWN = 20


@require(Action.SEE_LABELERS)
def labeler_list(request: PageRequest) -> HttpResponseBase:
    """List labelers with what they may do and have done, and the open invitations."""
    form = LabelerFilterForm(request.GET or None)
    invitations = Invitation.objects.open().select_related("invited_by")
    rows = filtered(form, names=sees_names(request.user))
    sort = form.cleaned_data.get("sort") if form.is_valid() else ""
    context = {
        "form": form,
        "page": keyset_page(request, rows, key=sort or "pseudonym"),
        "count": rows.count(),
        "invitations": invitations if sees_names(request.user) else (),
        "is_filtered": any(request.GET.get(name) for name in form.fields),
        "may_manage": can(request.user, Action.MANAGE_LABELERS),
        "sees_names": sees_names(request.user),
    }
    return render(request, "labelers/list.html", context)


def filtered(form: LabelerFilterForm, *, names: bool) -> QuerySet[Labeler]:
    """Return the labelers that a filter leaves; without one, all people. `names` searches in them too."""
    rows = listings.labelers_with_counts()
    data = form.cleaned_data if form.is_valid() else {}
    who = data.get("who") or "people"
    if who == "people":
        rows = rows.filter(is_simulated=False, is_external=False)
    elif who != "all":
        rows = rows.filter(**{f"is_{who}": True})
    if data.get("status"):
        rows = rows.filter(status=data["status"])
    if data.get("cohort"):
        rows = rows.filter(cohort=data["cohort"])
    if data.get("vendor"):
        rows = rows.filter(vendor__icontains=data["vendor"].strip())
    if data.get("kind"):
        rows = rows.filter(qualifications__kind=data["kind"], qualifications__revoked_at=None)
    if data.get("q"):
        words = data["q"].strip()
        wanted = Q(pseudonym__icontains=words) | Q(vendor__icontains=words)
        if names:
            wanted |= Q(user__name__icontains=words) | Q(user__email__icontains=words)
        rows = rows.filter(wanted)
    return rows


@never_cache
@require(Action.MANAGE_LABELERS)
def labeler_invite(request: PageRequest) -> HttpResponseBase:
    """Invite somebody; the answer shows the link, once."""
    form = InviteForm(request.POST if request.method == "POST" else None, by=request.user)
    if form.is_valid():
        try:
            invitation, secret = labelers.invite(by=request.user, **form.cleaned_data)
        except LabelingError as error:
            field = next((name for name in error.fields if name in form.fields), None)
            form.add_error(field, error.message)
        else:
            link = request.build_absolute_uri(reverse("invitation-accept", args=[secret]))
            starts_in_screening = invitation.role == Role.LABELER and not invitation.kinds
            context = {
                "invitation": invitation,
                "link": link,
                "lacks_test": starts_in_screening and not ScreeningTest.objects.published().exists(),
                "may_publish": can(request.user, Action.BUILD_SCREENING),
            }
            return render(request, "labelers/invited.html", context)
    return render(request, "labelers/invite.html", {"form": form}, status=422 if form.is_bound else 200)


@require_POST
@require(Action.MANAGE_LABELERS)
def invitation_revoke(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Make a link useless."""
    invitation = get_object_or_404(Invitation, code=code)
    with refusals_said(request):
        labelers.revoke_invitation(invitation=invitation, by=request.user)
        messages.success(request, f"The link for {invitation.email} no longer works.")
    return redirect("labeler-list")


@require(Action.SEE_LABELERS)
def labeler_detail(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Show one labeler: what they may do, what they did, and what staff did about them."""
    return labeler_page(request, get_object_or_404(listings.labelers_with_counts(), code=code), ReasonForm())


def labeler_page(
    request: PageRequest, labeler: Labeler, form: ReasonForm, edit: LabelerForm | None = None
) -> HttpResponse:
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    current = {row.kind: row for row in labeler.qualifications.all() if row.revoked_at is None}
    context = {
        "labeler": labeler,
        "form": form,
        "edit": edit
        or LabelerForm(
            initial={
                "vendor": labeler.vendor,
                "cohort": labeler.cohort,
                "languages": ", ".join(labeler.languages),
            }
        ),
        "screenings": labeler.screenings.exclude(state="open").select_related("test"),
        "consents": labeler.user.consents.select_related("terms")[:1],
        "skips_over": skip_attention.labeler_needs_attention(labeler),
        "today": workload.progress_since(labeler, midnight),
        "qualifications": [{"kind": kind, "row": current.get(kind.value)} for kind in TaskKind],
        "skips": labeler.assignments.filter(state="skipped")
        .select_related("skip", "batch")
        .order_by("-finished_at")[:RECEIPTS_SHOWN],
        "receipts": labeler.receipts.select_related("assignment__batch")[:RECEIPTS_SHOWN],
        "events": AuditEvent.objects.filter(
            object_type="labeler", object_code=str(labeler.code)
        ).select_related("actor")[:EVENTS_SHOWN],
        "may_manage": can(request.user, Action.MANAGE_LABELERS),
        "sees_names": sees_names(request.user),
    }
    is_refused = form.is_bound or edit is not None
    return render(request, "labelers/detail.html", context, status=422 if is_refused else 200)


STEPS: Mapping[str, Callable[..., Labeler]] = {
    "pause": labelers.pause_labeler,
    "resume": labelers.resume_labeler,
    "end": labelers.end_labeler,
    "reinstate": labelers.reinstate_labeler,
}


@require_POST
@require(Action.MANAGE_LABELERS)
def labeler_pause(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Pause, resume, end or take back a labeler, with a reason that they read."""
    labeler = get_object_or_404(listings.labelers_with_counts(), code=code)
    form = ReasonForm(request.POST)
    if not form.is_valid():
        return labeler_page(request, labeler, form)
    usual = "resume" if labeler.status == Labeler.Status.PAUSED else "pause"
    change = STEPS.get(request.POST.get("do", usual), labelers.pause_labeler)
    with refusals_said(request):
        changed = change(labeler=labeler, by=request.user, reason=form.cleaned_data["reason"])
        messages.success(request, f"{changed} is now {changed.get_status_display().lower()}.")
    return redirect("labeler-detail", code)


@require_POST
@require(Action.MANAGE_LABELERS)
def labeler_change(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Change vendor and cohort."""
    labeler = get_object_or_404(listings.labelers_with_counts(), code=code)
    form = LabelerForm(request.POST)
    if form.is_valid():
        try:
            labelers.change_labeler(labeler=labeler, by=request.user, **form.cleaned_data)
        except LabelingError as error:
            form.add_error("languages" if "languages" in error.fields else None, error.message)
        else:
            messages.success(request, "Saved.")
            return redirect("labeler-detail", code)
    return labeler_page(request, labeler, ReasonForm(), form)


@require_POST
@require(Action.MANAGE_LABELERS)
def labeler_qualify(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Grant or revoke a qualification."""
    labeler = get_object_or_404(Labeler, code=code)
    kind = request.POST.get("kind", "")
    with refusals_said(request):
        if request.POST.get("do") == "revoke":
            labelers.revoke_qualification(labeler=labeler, kind=kind, by=request.user)
            messages.success(request, f"{labeler} no longer takes {kind} tasks.")
        else:
            labelers.grant_qualification(labeler=labeler, kind=kind, by=request.user)
            messages.success(request, f"{labeler} may take {kind} tasks.")
    return redirect("labeler-detail", code)
