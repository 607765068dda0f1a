"""Addresses of the labeling pages: `noun-verb` names, codes instead of ids."""

from django.urls import URLPattern, URLResolver, path

from labeling.views import (
    assignments,
    comparisons,
    demonstrations,
    guidelines,
    home,
    invitations,
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
    path("receipts/", receipts.receipt_list, name="receipt-list"),
    path("receipts/<uuid:code>/", receipts.receipt_detail, name="receipt-detail"),
    path("guidelines/<uuid:code>/", guidelines.guideline_detail, name="guideline-detail"),
    path("invitations/<str:token>/", invitations.accept, name="invitation-accept"),
]
