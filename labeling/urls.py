"""Addresses of the labeling pages: `noun-verb` names, codes instead of ids."""

from django.urls import URLPattern, URLResolver, path

from labeling.views import (
    agreement,
    assignments,
    batches,
    comparisons,
    demonstrations,
    guidelines,
    home,
    invitations,
    labelers,
    prompts,
    receipts,
    work,
)

urlpatterns: list[URLPattern | URLResolver] = [
    path("", home.home, name="home"),
    path("styleguide/", home.styleguide, name="styleguide"),
    # Labelers
    path("work/", work.home, name="work"),
    path("work/preview/", work.preview, name="work-preview"),
    path("work/next/<slug:kind>/", assignments.next_task, name="task-next"),
    path("assignments/<uuid:code>/skip/", assignments.skip, name="assignment-skip"),
    path("demonstrations/<uuid:code>/write/", demonstrations.write, name="demonstration-write"),
    path("comparisons/<uuid:code>/rank/", comparisons.rank, name="comparison-rank"),
    path(
        "comparisons/<uuid:code>/responses/<uuid:response>/report/",
        comparisons.report_response,
        name="response-report",
    ),
    path("receipts/", receipts.receipt_list, name="receipt-list"),
    path("receipts/<uuid:code>/", receipts.receipt_detail, name="receipt-detail"),
    path("guidelines/<uuid:code>/", guidelines.guideline_detail, name="guideline-detail"),
    path("invitations/<str:token>/", invitations.accept, name="invitation-accept"),
    # Managers and researchers
    path("batches/", batches.batch_list, name="batch-list"),
    path("batches/new/", batches.batch_create, name="batch-create"),
    path("batches/<uuid:code>/", batches.batch_detail, name="batch-detail"),
    path("batches/<uuid:code>/open/", batches.batch_open, name="batch-open"),
    path("batches/<uuid:code>/close/", batches.batch_close, name="batch-close"),
    path("labelers/", labelers.labeler_list, name="labeler-list"),
    path("labelers/invite/", labelers.labeler_invite, name="labeler-invite"),
    path("labelers/<uuid:code>/", labelers.labeler_detail, name="labeler-detail"),
    path("labelers/<uuid:code>/pause/", labelers.labeler_pause, name="labeler-pause"),
    path("labelers/<uuid:code>/qualify/", labelers.labeler_qualify, name="labeler-qualify"),
    path("invitations/<uuid:code>/revoke/", labelers.invitation_revoke, name="invitation-revoke"),
    path("prompts/", prompts.prompt_list, name="prompt-list"),
    path("prompts/<uuid:code>/", prompts.prompt_detail, name="prompt-detail"),
    path("intakes/", prompts.intake_list, name="intake-list"),
    path("intakes/<uuid:code>/", prompts.intake_detail, name="intake-detail"),
    path("agreement/", agreement.overview, name="agreement"),
]
