"""Every address of the product by every kind of person and method, from the table of addresses itself.

What is expected comes from the rule that each view declares (`labeling.rules.access.Rule`, written on it by
`require`, `require_labeler`, `open_to_all` or `Requires`). A view without a rule fails here.
"""

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.cache import cache
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from rest_framework.permissions import BasePermission, IsAuthenticated

from labeling.models import Labeler, Role, User
from labeling.rules.access import Action, Rule, can
from labeling.rules.demonstrations import submit_demonstration
from tests.factories import (
    LabelerFactory,
    UserFactory,
    claimed,
    qualified_labeler,
    ranked_batch,
    writing_batch,
)
from tests.labeling.screenings import published_test, taken

pytestmark = pytest.mark.django_db

# Addresses of libraries, which hold their own rules and have their own tests.
LIBRARIES = ("accounts/", "admin/", "api/v1/schema/")
OPEN = {"healthz"}
PAGES = {"interface"}  # for people, among the addresses for programs
METHODS = ("get", "post", "put", "patch", "delete")
READS = ("get",)
MANAGERS, RESEARCHERS = {"manager", "owner"}, {"researcher", "owner"}
STAFF = MANAGERS | RESEARCHERS
# Every action that not all staff hold; a new one is held by all staff, or is entered here.
HOLDERS: dict[Action, set[str]] = {
    Action.LABEL: {"labeler"},
    Action.MANAGE_LABELERS: MANAGERS,
    Action.SEE_NAMES: MANAGERS,
    Action.SEE_AUDIT: MANAGERS,
    Action.EXPORT_HOURS: MANAGERS,
    Action.PUBLISH_TERMS: MANAGERS,
    Action.RUN_SURVEYS: MANAGERS,
    Action.SET_PAY_RATES: MANAGERS,
    Action.SEE_MODELS: RESEARCHERS,
    Action.RUN_TRAINING: RESEARCHERS,
    Action.EXPORT: RESEARCHERS,
    Action.GRADE_SCREENING: RESEARCHERS,
    Action.JUDGE: RESEARCHERS,
    Action.MANAGE_STAFF: {"owner"},
}
PEOPLE = ("stranger", "nobody", "labeler", "paused", "manager", "researcher", "owner")


@dataclass(frozen=True)
class Address:
    """One address of the table, with a made-up object in it."""

    name: str
    path: str
    view: Any
    rule: Rule | None

    @property
    def is_api(self) -> bool:
        return self.path.startswith("/api/") and self.name not in PAGES

    def methods(self) -> Iterator[str]:
        """Yield what it serves; a page serves reading and posting."""
        view_class = getattr(self.view, "view_class", None)
        for method in METHODS if self.is_api else ("get", "post"):
            if view_class is None or hasattr(view_class, method):
                yield method


def addresses() -> list[Address]:
    return list(walk(get_resolver().url_patterns, ""))


def walk(patterns: list[URLPattern | URLResolver], prefix: str) -> Iterator[Address]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if route.startswith(LIBRARIES):
            continue
        if isinstance(pattern, URLResolver):
            yield from walk(pattern.url_patterns, route)
        else:
            view = pattern.callback
            yield Address(str(pattern.name), "/" + filled(route), view, rule_of(view, str(pattern.name)))


def filled(route: str) -> str:
    """Put an object that does not exist into an address."""
    known = {"uuid": str(uuid.UUID(int=1)), "int": "1", "slug": "comparison", "str": "comparison"}
    return re.sub(r"<(\w+):\w+>", lambda match: known[match.group(1)], route)


def rule_of(view: Any, name: str) -> Rule | None:
    """Return the declared rule: from the view, or from the permissions of an endpoint."""
    if name in OPEN:
        return Rule(is_open=True)
    if hasattr(view, "rule"):
        found: Rule = view.rule
        return found
    permissions: tuple[type[BasePermission], ...] = getattr(
        getattr(view, "view_class", None), "permission_classes", ()
    )
    rules = [permission.rule for permission in permissions if hasattr(permission, "rule")]
    if rules:
        assert len(rules) == 1, f"{name} declares {len(rules)} rules"
        return rules[0]  # type: ignore[no-any-return]
    return Rule() if list(permissions) == [IsAuthenticated] else None


@pytest.fixture(autouse=True)
def no_old_throttles() -> None:
    cache.clear()


@pytest.fixture
def people() -> dict[str, User | AnonymousUser]:
    paused = qualified_labeler()
    Labeler.objects.filter(pk=paused.pk).update(status=Labeler.Status.PAUSED)
    found: dict[str, User | AnonymousUser] = {
        "stranger": AnonymousUser(),
        "nobody": UserFactory.create(),
        "labeler": qualified_labeler().user,
        "paused": User.objects.get(pk=paused.user_id),
    }
    for role in (Role.MANAGER, Role.RESEARCHER, Role.OWNER):
        found[role.value] = UserFactory.create(role=role)
    return found


def test_every_address_declares_who_may_open_it() -> None:
    found = addresses()
    assert len(found) > 100
    assert [address.name for address in found if address.rule is None] == []


def test_each_action_is_held_by_the_roles_written_here(people: dict[str, User | AnonymousUser]) -> None:
    held = {action: {name for name, user in people.items() if can(user, action)} for action in Action}
    assert held == {action: HOLDERS.get(action, STAFF) for action in Action}


@pytest.mark.parametrize("person", PEOPLE)
def test_doors_open_as_declared(people: dict[str, User | AnonymousUser], person: str) -> None:
    user = people[person]
    client = Client(raise_request_exception=False)
    wrong: list[str] = []
    for address in addresses():
        assert address.rule is not None, address.name
        for method in address.methods():
            if address.name == "account-log-out":
                continue  # would log this very client out
            if isinstance(user, User):
                client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
                user = User.objects.get(pk=user.pk)  # nothing remembered from the last address
            status = answer_of(client, address, method)
            expected = address.rule.lets_in(user, writes=method not in READS)
            if problem(address, status, expected, isinstance(user, User)):
                wrong.append(f"{method} {address.name}: {status}, {'in' if expected else 'out'} expected")
    assert wrong == []


def answer_of(client: Client, address: Address, method: str) -> str:
    """Return the answer in a word: a status, or "login" for the way to the login page."""
    call = getattr(client, method)
    answer = call(address.path) if method == "get" else call(address.path, "{}", "application/json")
    if answer.status_code == 302 and answer["Location"].startswith("/accounts/login/"):
        return "login"
    return str(answer.status_code)


def problem(address: Address, status: str, expected: bool, is_known: bool) -> bool:
    """Return whether an answer contradicts what was declared; a fault of the server always does."""
    if status.startswith("5"):
        return status != "503"
    if status == "405":  # refused before anybody asks who it is
        return False
    if expected:
        return status in ("401", "403", "login")
    if is_known:
        return status != "403"
    return status not in (("401", "403") if address.is_api else ("login",))


def test_labelers_objects_do_not_exist_for_other_labelers(alice_and_others: dict[str, Any]) -> None:
    mine, objects = alice_and_others["client"], alice_and_others["objects"]
    own = [
        address
        for address in addresses()
        if address.rule is not None and address.rule.for_labelers and str(uuid.UUID(int=1)) in address.path
    ]
    assert len(own) >= 10
    for address in own:
        for code in objects:
            path = address.path.replace(str(uuid.UUID(int=1)), str(code))
            for method in address.methods():
                call = getattr(mine, method)
                answer = call(path) if method == "get" else call(path, "{}", "application/json")
                assert answer.status_code in (400, 403, 404, 405, 422), (method, path, answer.status_code)


@pytest.fixture
def alice_and_others() -> dict[str, Any]:
    """A client of one labeler, and the codes of what another labeler has."""
    other, me = qualified_labeler(), qualified_labeler()
    writing_batch(tasks=2)
    ranked_batch(tasks=1)
    done = claimed(other, "demonstration")
    receipt = submit_demonstration(assignment=done, text="Mine alone.", idempotency_key="1")
    owner = UserFactory.create(role=Role.OWNER)
    published_test(owner)
    screened = taken(LabelerFactory.create(status=Labeler.Status.SCREENING))
    client = Client()
    client.force_login(me.user, backend="django.contrib.auth.backends.ModelBackend")
    held = [claimed(other, kind).code for kind in ("demonstration", "comparison")]
    codes = [
        done.code,
        receipt.code,
        screened.code,
        screened.answers.all()[0].code,
        *held,
    ]
    return {"client": client, "objects": codes}


def test_wrong_invitation_is_no_door(client: Client) -> None:
    assert client.get(reverse("invitation-accept", args=["guess"])).status_code == 404
