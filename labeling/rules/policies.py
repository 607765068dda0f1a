"""Policies, and the responses they write."""

from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction

from labeling.errors import InvalidInput
from labeling.models import Policy, Prompt, Response
from labeling.rules.texts import check_text, exact_hash

PEOPLE = "people"
UNKNOWN = "unknown"


def policy_named(name: str, kind: str | None = None) -> Policy:
    """Return the policy of that name, made (as an imported one unless `kind` says otherwise) if it is new.

    Raises InvalidInput if one exists that is of another kind than asked for: the same name would then
    stand for two writers.
    """
    name = check_text(name, field="policy").strip()
    if not name or len(name) > 120:
        raise InvalidInput(
            f"The name of a policy has 1 to 120 characters, this one has {len(name)}.",
            fields={"policy": "length"},
        )
    policy, _ = Policy.objects.get_or_create(name=name, defaults={"kind": kind or Policy.Kind.IMPORTED})
    if kind is not None and policy.kind != kind:
        raise InvalidInput(
            f'The policy "{name}" exists as {policy.kind}, not as {kind}; choose another name.',
            fields={"policy": f"exists as {policy.kind}"},
        )
    return policy


def people_policy() -> Policy:
    """Return the policy under which people's demonstrations stand as responses."""
    return policy_named(PEOPLE, Policy.Kind.HUMAN)


def add_response(
    *,
    prompt: Prompt,
    policy: Policy,
    text: str,
    index: int = 0,
    sampling: Mapping[str, Any] | None = None,
    has_ended: bool = True,
) -> Response:
    """Record a response; the same text for the same prompt, policy and index is recorded once.

    An empty text is a response: models do write nothing.
    """
    check_text(text, field="text")
    key = {"prompt": prompt, "policy": policy, "index": index, "text_hash": exact_hash(text)}
    response = Response.objects.filter(**key).first()
    if response is not None:
        return response
    try:
        with transaction.atomic():
            return Response.objects.create(
                **key, text=text, sampling=dict(sampling or {}), has_ended=has_ended
            )
    except IntegrityError:  # another writer was a moment earlier
        return Response.objects.get(**key)
