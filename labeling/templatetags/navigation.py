"""Where a person may go from any page, and the addresses of a list's pages."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import template
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from labeling.models import User
from labeling.rules.access import Action, can, labeler_of

register = template.Library()


@dataclass(frozen=True, slots=True)
class Place:
    """One page that the navigation leads to; current on addresses that start with one of its `roots`."""

    label: str
    route: str
    action: Action
    roots: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """An entry of the main navigation. One of several places leads to the first that this person may see,
    and shows the others in a second row."""

    label: str
    places: tuple[Place, ...]


WORK_ROOTS = ("/work/", "/demonstrations/", "/written-prompts/", "/comparisons/", "/receipts/", "/screening/")
PEOPLE_ROOTS = (
    "/labelers/", "/invitations/", "/screenings/", "/screening-", "/hours/", "/surveys/", "/terms/",
    "/staff/",
)  # fmt: skip
LABELING = (
    Place("Batches", "batch-list", Action.SEE_BATCHES, ("/batches/", "/anchors/", "/skips/")),
    Place("Prompts", "prompt-list", Action.SEE_PROMPTS, ("/prompts/", "/intakes/", "/use-cases/")),
    Place(
        "Reviews",
        "review-list",
        Action.REVIEW,
        ("/reviews/", "/disagreements/", "/gold/", "/flags/", "/tasks/", "/audit/"),
    ),
    Place("Questions", "question-list", Action.ANSWER_QUESTIONS, ("/questions/",)),
    Place("Guidelines", "version-list", Action.PUBLISH_GUIDELINES, ("/guidelines/", "/forms/")),
    Place("Agreement", "agreement", Action.SEE_AGREEMENT, ("/agreement/", "/quality/")),
)
TRAINING = (
    Place("Rounds", "round-list", Action.SEE_MODELS, ("/rounds/",)),
    Place("Datasets", "dataset-list", Action.EXPORT, ("/datasets/",)),
    Place("Runs", "run-list", Action.SEE_MODELS, ("/runs/",)),
    Place("Models", "model-list", Action.SEE_MODELS, ("/models/",)),
    Place("Evaluations", "evaluation-list", Action.SEE_MODELS, ("/evaluations/",)),
    Place("Playground", "playground", Action.USE_PLAYGROUND, ("/playground/",)),
    Place("Workers", "worker-list", Action.SEE_MODELS, ("/workers/",)),
)
OVERVIEW = (
    Place("Dashboard", "dashboard", Action.SEE_DASHBOARD, ("/dashboard/",)),
    Place("Costs", "costs", Action.SEE_COSTS, ("/costs/",)),
    Place("Webhooks", "webhook-list", Action.MANAGE_WEBHOOKS, ("/webhooks/",)),
)
GROUPS = (
    Group("Work", (Place("Work", "work", Action.LABEL, WORK_ROOTS),)),
    Group("Dashboard", OVERVIEW),
    Group("Labeling", LABELING),
    Group("Labelers", (Place("Labelers", "labeler-list", Action.SEE_LABELERS, PEOPLE_ROOTS),)),
    Group("Training", TRAINING),
)


@register.simple_tag(takes_context=True)
def navigation(context: Mapping[str, Any]) -> list[dict[str, Any]]:
    """List the groups this person may go to, each with its places; a route not installed is left out."""
    request = context.get("request")
    user = getattr(request, "user", None)
    if request is None or not isinstance(user, User):
        return []
    found = []
    for group in GROUPS:
        places = [place for given in group.places if (place := _shown(request, user, given))]
        if places:
            is_current = any(place["is_current"] for place in places)
            label = group.label if len(places) > 1 else places[0]["label"]
            found.append(
                {"label": label, "url": places[0]["url"], "is_current": is_current, "places": places}
            )
    return found


def _shown(request: HttpRequest, user: User, place: Place) -> dict[str, Any] | None:
    if not may_go(user, place):
        return None
    try:
        url = reverse(place.route)
    except NoReverseMatch:
        return None
    return {"label": place.label, "url": url, "is_current": request.path.startswith(place.roots)}


def may_go(user: User, place: Place) -> bool:
    """Return whether the place is of use; a paused labeler still finds their work."""
    return can(user, place.action) or (place.action == Action.LABEL and labeler_of(user) is not None)


@register.simple_tag(takes_context=True)
def page_url(context: Mapping[str, Any], number: int) -> str:
    """Return this page's address with another page number and the same filters."""
    query = context["request"].GET.copy()
    query["page"] = str(number)
    return f"?{query.urlencode()}"
