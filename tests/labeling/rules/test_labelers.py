"""People: invited, accepted, paused, qualified, or known from files only."""

from datetime import timedelta

import pytest
from django.utils import timezone

from labeling.errors import Conflict, InvalidInput, NotFound, NotPermitted
from labeling.models import AuditEvent, Invitation, Labeler, Role, TaskKind, User
from labeling.rules import labelers
from tests.factories import PASSWORD

COMPARISON = TaskKind.COMPARISON


def invited(
    by: User, kinds: tuple[str, ...] = (COMPARISON,), role: str = Role.LABELER
) -> tuple[Invitation, str]:
    return labelers.invite(
        by=by, email=" New@Example.org ", role=role, cohort="train", kinds=kinds, vendor="V"
    )


def test_invitation_makes_a_qualified_labeler_once(mia: User) -> None:
    invitation, token = invited(mia)
    assert token not in invitation.token_hash
    user = labelers.accept_invitation(token=token, name="Nora", password=PASSWORD, time_zone="Europe/Rome")
    assert (user.email, user.role, user.time_zone) == ("new@example.org", Role.LABELER, "Europe/Rome")
    assert user.check_password(PASSWORD)
    assert user.labeler.status == Labeler.Status.ACTIVE
    assert user.labeler.vendor == "V"
    assert user.labeler.is_qualified(COMPARISON)
    with pytest.raises(NotFound):
        labelers.accept_invitation(token=token, name="Again", password=PASSWORD)


def test_invitation_without_kinds_starts_in_screening(mia: User) -> None:
    _, token = invited(mia, kinds=())
    user = labelers.accept_invitation(token=token, name="Nora", password=PASSWORD)
    assert user.labeler.status == Labeler.Status.SCREENING


def test_weak_password_leaves_the_invitation_open(mia: User) -> None:
    _, token = invited(mia)
    with pytest.raises(InvalidInput) as refusal:
        labelers.accept_invitation(token=token, name="Nora", password="1234")
    assert "password" in refusal.value.fields
    assert labelers.accept_invitation(token=token, name="Nora", password=PASSWORD)


def test_revoked_late_and_wrong_invitations_are_not_found(mia: User) -> None:
    invitation, token = invited(mia)
    labelers.revoke_invitation(invitation=invitation, by=mia)
    with pytest.raises(Conflict):
        labelers.revoke_invitation(invitation=invitation, by=mia)
    second, late = invited(mia)
    Invitation.objects.filter(pk=second.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    for secret in (token, late, "guess"):
        with pytest.raises(NotFound, match="not valid"):
            labelers.accept_invitation(token=secret, name="N", password=PASSWORD)


def test_a_second_invitation_ends_the_first(mia: User) -> None:
    _, first = invited(mia)
    _, second = invited(mia)
    with pytest.raises(NotFound):
        labelers.invitation_for(first)
    assert labelers.invitation_for(second)


@pytest.mark.parametrize("email", ["nonsense", "", "alice@example.org"])
def test_address_must_be_one_and_free(mia: User, alice: Labeler, email: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        labelers.invite(by=mia, email=email, role="labeler", cohort="train", kinds=())
    assert "email" in refusal.value.fields


def test_only_owners_invite_staff(mia: User, olga: User, dana: User, alice: Labeler) -> None:
    with pytest.raises(NotPermitted, match="Only an owner"):
        invited(mia, role=Role.OWNER)
    for nobody in (dana, alice.user):
        with pytest.raises(NotPermitted):
            invited(nobody)
    _, token = invited(olga, kinds=(), role=Role.RESEARCHER)
    user = labelers.accept_invitation(token=token, name="Rex", password=PASSWORD)
    assert user.role == Role.RESEARCHER
    assert not Labeler.objects.filter(user=user).exists()


def test_qualification_is_granted_once_and_revoked_not_deleted(mia: User, bob: Labeler) -> None:
    first = labelers.grant_qualification(labeler=bob, kind=COMPARISON, by=mia)
    assert labelers.grant_qualification(labeler=bob, kind=COMPARISON, by=mia) == first
    bob.refresh_from_db()
    assert bob.status == Labeler.Status.ACTIVE
    labelers.revoke_qualification(labeler=bob, kind=COMPARISON, by=mia)
    assert not bob.is_qualified(COMPARISON)
    assert bob.qualifications.count() == 1
    with pytest.raises(Conflict):
        labelers.revoke_qualification(labeler=bob, kind=COMPARISON, by=mia)


def test_pause_and_resume_are_recorded(mia: User, alice: Labeler) -> None:
    labelers.pause_labeler(labeler=alice, by=mia, reason="holiday")
    alice.refresh_from_db()
    assert (alice.status, alice.status_reason) == (Labeler.Status.PAUSED, "holiday")
    with pytest.raises(Conflict):
        labelers.pause_labeler(labeler=alice, by=mia, reason="again")
    labelers.resume_labeler(labeler=alice, by=mia)
    events = AuditEvent.objects.filter(object_code=str(alice.code)).values_list("action", "actor__name")
    assert list(events) == [("resume_labeler", "Mia"), ("pause_labeler", "Mia")]


@pytest.mark.django_db
def test_external_labeler_is_known_by_name_and_cannot_log_in() -> None:
    one = labelers.external_labeler("L07")
    assert labelers.external_labeler(" L07 ") == one
    assert one.pseudonym == "L07"
    assert one.is_external
    assert not one.user.is_active
    assert not one.user.has_usable_password()
    assert "@" not in labelers.external_labeler("someone@example.org").pseudonym
    assert labelers.external_labeler("x" * 100).pseudonym.startswith("X-")
