"""The interface for programs, as people read about it: what this account's programs may ask for."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.http import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from drf_spectacular.generators import EndpointEnumerator
from drf_spectacular.plumbing import get_doc

from labeling.rules.access import Rule
from labeling.views.access import PageRequest, require

PREFIX = "/api/v1/"
READS = "GET"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A request that the OpenAPI description names: its method, its address and what it does in a line."""

    method: str
    path: str
    summary: str
    rule: Rule

    @property
    def noun(self) -> str:
        return self.path.removeprefix(PREFIX).partition("/")[0]


@require()
def interface(request: PageRequest) -> HttpResponseBase:
    """List the requests that programs of this account may make, by noun."""
    mine = [each for each in endpoints() if each.rule.lets_in(request.user, writes=each.method != READS)]
    nouns = sorted({each.noun for each in mine})
    plain = (each.path for each in mine if each.method == READS and "{" not in each.path)
    context = {
        "groups": [(noun, [each for each in mine if each.noun == noun]) for noun in nouns],
        "count": len(mine),
        "example": request.build_absolute_uri(next(plain, PREFIX)),
    }
    return render(request, "interface/index.html", context)


@lru_cache(maxsize=1)
def endpoints() -> tuple[Endpoint, ...]:
    """Return every request that is described; the addresses do not change while a process lives."""
    return tuple(_described())


def _described() -> Iterator[Endpoint]:
    """Read the addresses and docstrings that the description is made of, but not the shapes of all bodies."""
    found: Any = EndpointEnumerator()
    description = reverse("api-schema")
    for path, _, method, callback in found.get_api_endpoints():
        if path == description:  # which does not describe itself
            continue
        view = callback.cls
        text = get_doc(getattr(view, method.lower(), None)) or get_doc(view)
        yield Endpoint(method, path, text.partition("\n")[0], _rule_of(view))


def _rule_of(view: Any) -> Rule:
    """Return whom an endpoint lets in; one that declares nothing asks for a login alone."""
    declared = (getattr(permission, "rule", None) for permission in view.permission_classes)
    return next((rule for rule in declared if isinstance(rule, Rule)), Rule())
