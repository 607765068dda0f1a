"""Read a guideline."""

from uuid import UUID

from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, render

from labeling.models import Guideline
from labeling.views.access import PageRequest, require


@require()
def guideline_detail(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Show one version of a guideline to anybody who is logged in."""
    return render(request, "guidelines/detail.html", {"guideline": get_object_or_404(Guideline, code=code)})
