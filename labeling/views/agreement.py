"""How often labelers agree, with intervals: over all, by cohort and by batch."""

from django.http import HttpResponseBase
from django.shortcuts import render

from labeling.models import Batch, Cohort, TaskKind
from labeling.rules import agreement
from labeling.rules.access import Action
from labeling.views.access import PageRequest, require
from labeling.views.lists import one_page

BATCHES_A_PAGE = 20
TIE_MODES = (
    (
        "strict",
        "Ties left out",
        "Pairs that either labeler ties are left out, as the reward model sees them.",
    ),
    ("half", "A tie counts half", "One tie counts a half, two ties as agreement."),
    ("three_way", "Three answers", "Better, worse and tied are three answers; only the same one agrees."),
)


@require(Action.SEE_AGREEMENT)
def overview(request: PageRequest) -> HttpResponseBase:
    """Show pairwise agreement with its 95 % interval, beside chance and the share of ties."""
    wanted = request.GET.get("ties", "strict")
    mode = next((row for row in TIE_MODES if row[0] == wanted), TIE_MODES[0])
    ranked = [kind.value for kind in TaskKind if kind.is_ranked]
    page = one_page(request, Batch.objects.filter(kind__in=ranked), BATCHES_A_PAGE)
    context = {
        "mode": mode,
        "modes": TIE_MODES,
        "total": agreement.batch_agreement(tie_mode=mode[0]),
        "cohorts": [
            {
                "label": cohort.label,
                "agreement": agreement.batch_agreement(cohort=cohort.value, tie_mode=mode[0]),
            }
            for cohort in Cohort
        ],
        "batches": [
            {"batch": batch, "agreement": agreement.batch_agreement(batch, tie_mode=mode[0])}
            for batch in page
        ],
        "page": page,
    }
    return render(request, "agreement/overview.html", context)
