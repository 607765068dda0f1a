"""Where a person may go from any page, and the addresses of a list's pages."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import template
from django.urls import NoReverseMatch, reverse

from labeling.models import User
from labeling.rules.access import Action, can, labeler_of

register = template.Library()


@dataclass(frozen=True, slots=True)
class Place:
    """One entry of the main navigation; it is current on addresses that start with one of its `roots`."""

    label: str
    route: str
    action: Action
    roots: tuple[str, ...]


WORK_ROOTS = ("/work/", "/demonstrations/", "/written-prompts/", "/comparisons/", "/receipts/", "/screening/")
PEOPLE_ROOTS = (
    "/labelers/", "/invitations/", "/screenings/", "/screening-", "/hours/", "/surveys/", "/terms/",
    "/staff/",
)  # fmt: skip
PLACES = (
    Place("Work", "work", Action.LABEL, WORK_ROOTS),
    Place("Dashboard", "dashboard", Action.SEE_DASHBOARD, ("/dashboard/",)),
    Place("Prompts", "prompt-list", Action.SEE_PROMPTS, ("/prompts/", "/intakes/", "/use-cases/")),
    Place("Batches", "batch-list", Action.SEE_BATCHES, ("/batches/", "/anchors/", "/skips/")),
    Place(
        "Reviews",
        "review-list",
        Action.REVIEW,
        ("/reviews/", "/disagreements/", "/gold/", "/flags/", "/tasks/"),
    ),
    Place("Questions", "question-list", Action.ANSWER_QUESTIONS, ("/questions/",)),
    Place("Guidelines", "version-list", Action.PUBLISH_GUIDELINES, ("/guidelines/", "/forms/")),
    Place("Labelers", "labeler-list", Action.SEE_LABELERS, PEOPLE_ROOTS),
    Place("Agreement", "agreement", Action.SEE_AGREEMENT, ("/agreement/", "/quality/")),
    Place("Datasets", "dataset-list", Action.EXPORT, ("/datasets/",)),
    Place("Runs", "run-list", Action.SEE_MODELS, ("/runs/",)),
    Place("Models", "model-list", Action.SEE_MODELS, ("/models/",)),
    Place("Rounds", "round-list", Action.SEE_MODELS, ("/rounds/",)),
    Place("Evaluations", "evaluation-list", Action.SEE_MODELS, ("/evaluations/",)),
)


@register.simple_tag(takes_context=True)
def navigation(context: Mapping[str, Any]) -> list[dict[str, Any]]:
    """List the places this person may go; a route that is not installed is left out."""
    request = context.get("request")
    user = getattr(request, "user", None)
    if request is None or not isinstance(user, User):
        return []
    found = []
    for place in PLACES:
        if not may_go(user, place):
            continue
        try:
            url = reverse(place.route)
        except NoReverseMatch:
            continue
        is_current = request.path.startswith(place.roots)
        found.append({"label": place.label, "url": url, "is_current": is_current})
    return found


def may_go(user: User, place: Place) -> bool:
    """Return whether the place is of use; a paused labeler still finds their work."""
    return can(user, place.action) or (place.action == Action.LABEL and labeler_of(user) is not None)


@register.simple_tag(takes_context=True)
def page_url(context: Mapping[str, Any], number: int) -> str:
    """Return this page's address with another page number and the same filters."""
    query = context["request"].GET.copy()
    query["page"] = str(number)
    return f"?{query.urlencode()}"
