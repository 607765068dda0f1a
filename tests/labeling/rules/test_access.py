"""Who may do what, by role."""

import pytest
from django.contrib.auth.models import AnonymousUser

from labeling.errors import NotPermitted
from labeling.models import Labeler, Role, User
from labeling.rules.access import Action, can, ensure, labeler_of, refusal, sees_policies
from tests.factories import UserFactory, claimed, qualified_labeler, writing_batch

pytestmark = pytest.mark.django_db


def granted(role: str) -> set[Action]:
    user = UserFactory.create(role=role)
    return {action for action in Action if can(user, action)}


def test_labelers_get_nothing_but_their_own_work(alice: Labeler, bob: Labeler, charlie: User) -> None:
    assert granted(Role.LABELER) == set()
    assert can(alice.user, Action.LABEL)
    assert not can(bob.user, Action.LABEL)
    assert not can(charlie, Action.LABEL)
    assert not can(AnonymousUser(), Action.LABEL)
    assert not sees_policies(alice.user)


def test_staff_roles_differ_where_they_should() -> None:
    manager, researcher, owner = granted(Role.MANAGER), granted(Role.RESEARCHER), granted(Role.OWNER)
    assert {Action.SEE_NAMES, Action.MANAGE_LABELERS} <= manager - researcher
    assert {Action.RUN_TRAINING, Action.EXPORT, Action.SEE_MODELS} <= researcher - manager
    assert {Action.MANAGE_BATCHES, Action.SEE_LABELERS, Action.SEE_AGREEMENT} <= manager & researcher
    assert owner == set(Action) - {Action.LABEL}


def test_staff_who_label_have_a_profile(dana: User) -> None:
    assert not can(dana, Action.LABEL)
    assert can(qualified_labeler(user=dana, cohort="researcher").user, Action.LABEL)


def test_assignment_is_its_labelers_own_even_when_paused(alice: Labeler, hana: Labeler) -> None:
    writing_batch(tasks=1)
    held = claimed(alice, "demonstration")
    assert can(alice.user, Action.LABEL, held)
    assert not can(hana.user, Action.LABEL, held)
    alice.status = Labeler.Status.PAUSED
    alice.save()
    user = User.objects.get(pk=alice.user.pk)
    assert can(user, Action.LABEL, held)
    assert not can(user, Action.LABEL)
    alice.status = Labeler.Status.ENDED
    alice.save()
    assert not can(User.objects.get(pk=alice.user.pk), Action.LABEL, held)


def test_inactive_account_may_do_nothing(olga: User) -> None:
    olga.is_active = False
    assert not any(can(olga, action) for action in Action)
    with pytest.raises(NotPermitted, match="account is closed"):
        ensure(olga, Action.MANAGE_BATCHES)


def test_account_without_profile_has_no_labeler(charlie: User) -> None:
    assert labeler_of(charlie) is None
    assert labeler_of(AnonymousUser()) is None


def test_refusals_say_who_may_and_who_helps(
    alice: Labeler, bob: Labeler, charlie: User, mia: User, dana: User
) -> None:
    assert "researchers and owners" in str(refusal(mia, Action.RUN_TRAINING))
    assert "your account is a manager's. An owner" in str(refusal(mia, Action.RUN_TRAINING))
    assert "managers and owners" in str(refusal(dana, Action.MANAGE_LABELERS))
    assert "ask the manager who invited you" in str(refusal(alice.user, Action.SEE_BATCHES))
    assert "in screening" in str(refusal(bob.user, Action.LABEL))
    assert "no labeler profile" in str(refusal(charlie, Action.LABEL))
    assert "Log in first" in str(refusal(AnonymousUser(), Action.LABEL))
