"""People: invited, accepted, paused, qualified, or known from files only."""

from datetime import timedelta

import pytest
from django.utils import timezone

from labeling.errors import Conflict, InvalidInput, NotFound, NotPermitted
from labeling.models import AuditEvent, Invitation, Labeler, Receipt, Role, TaskKind, User
from labeling.rules import labelers
from labeling.rules.access import Action, can
from labeling.rules.demonstrations import submit_demonstration
from tests.factories import PASSWORD, claimed, ranked_batch, writing_batch

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
    with pytest.raises(InvalidInput, match="Give the reason"):
        labelers.pause_labeler(labeler=alice, by=mia, reason=" ")
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


def test_cohorts_do_not_mix_once_there_are_labels(alice: Labeler, hana: Labeler, mia: User) -> None:
    assert labelers.change_labeler(labeler=alice, by=mia, vendor="Scale", cohort="held_out").vendor == "Scale"
    labelers.change_labeler(labeler=alice, by=mia, vendor="Scale", cohort="train")
    writing_batch(tasks=1)
    submit_demonstration(
        assignment=claimed(alice, "demonstration"), text="A good answer.", idempotency_key="1"
    )
    with pytest.raises(Conflict, match="whose labels no model has seen"):
        labelers.change_labeler(labeler=alice, by=mia, vendor="", cohort="held_out")
    batch = ranked_batch(tasks=1, k=2, kind="evaluation", cohorts=("held_out",))
    held = claimed(hana, "evaluation")
    Receipt.objects.create(assignment=held, labeler=hana, idempotency_key="2", content_hash="x")
    with pytest.raises(Conflict, match="never produce training data"):
        labelers.change_labeler(labeler=hana, by=mia, vendor="", cohort="train")
    assert batch.cohorts == ["held_out"]
    event = AuditEvent.objects.filter(action="change_labeler").earliest("pk")
    assert event.detail["after"] == {"vendor": "Scale", "cohort": "held_out", "languages": []}


def test_ended_labeler_gets_nothing_and_can_be_taken_back(alice: Labeler, mia: User) -> None:
    with pytest.raises(InvalidInput, match="reason"):
        labelers.end_labeler(labeler=alice, by=mia, reason=" ")
    ended = labelers.end_labeler(labeler=alice, by=mia, reason="The contract is over.")
    assert (ended.status, ended.status_reason) == ("ended", "The contract is over.")
    assert not can(User.objects.get(pk=alice.user_id), Action.LABEL)
    with pytest.raises(Conflict):
        labelers.end_labeler(labeler=ended, by=mia, reason="Again.")
    assert labelers.reinstate_labeler(labeler=ended, by=mia, reason="New contract.").status == "active"


def test_held_out_labelers_are_not_screened(mia: User) -> None:
    _, token = labelers.invite(by=mia, email="h@example.org", role="labeler", cohort="held_out", kinds=[])
    user = labelers.accept_invitation(token=token, name="H", password="a long and winding word")
    assert (user.labeler.status, user.labeler.is_qualified("evaluation")) == ("active", True)


def test_languages_are_codes_kept_once_and_in_order(alice: Labeler, mia: User) -> None:
    changed = labelers.change_labeler(
        labeler=alice, by=mia, vendor="", cohort="train", languages=["en", "de", "en"]
    )
    assert changed.languages == ["de", "en"]
    assert labelers.change_labeler(labeler=alice, by=mia, vendor="", cohort="train").languages == ["de", "en"]
    with pytest.raises(InvalidInput):
        labelers.change_labeler(labeler=alice, by=mia, vendor="", cohort="train", languages=["German"])
