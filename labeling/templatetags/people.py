"""The pages about people, each for those who may open it."""

from collections.abc import Mapping
from typing import Any

from django import template
from django.urls import NoReverseMatch, reverse

from labeling.models import Labeler, Survey, Terms
from labeling.rules.access import Action, can

register = template.Library()

TABS = (
    ("people", "Labelers", "labeler-list", Action.SEE_LABELERS),
    ("screening", "Screening", "screening-result-list", Action.DECIDE_SCREENING),
    ("hours", "Hours", "hours", Action.EXPORT_HOURS),
    ("surveys", "Surveys", "survey-results", Action.SEE_SURVEYS),
    ("terms", "Terms", "terms-list", Action.PUBLISH_TERMS),
    ("staff", "Staff", "staff-list", Action.MANAGE_STAFF),
)


@register.simple_tag(takes_context=True)
def people_tabs(context: Mapping[str, Any]) -> list[dict[str, str]]:
    """List the pages about people that this person may open."""
    user = context["request"].user
    found = []
    for name, label, route, action in TABS:
        if not can(user, action):
            continue
        try:
            found.append({"name": name, "label": label, "url": reverse(route)})
        except NoReverseMatch:
            continue
    return found


@register.simple_tag(takes_context=True)
def pending_terms(context: Mapping[str, Any]) -> Terms | None:
    """Return the terms that this person must accept before new work, None where nothing waits."""
    return Terms.objects.pending_for(context["request"].user)


@register.simple_tag
def open_surveys(labeler: Labeler) -> bool:
    """Return whether a survey waits for this labeler."""
    working = labeler.status in (Labeler.Status.ACTIVE, Labeler.Status.PAUSED)
    return working and Survey.objects.unanswered_by(labeler).exists()
