"""Labelers: invitations, profiles, pauses, qualifications."""

import hashlib
import re
import secrets
from collections.abc import Iterable, Sequence
from datetime import timedelta

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils import timezone

from labeling.errors import Conflict, InvalidInput, NotFound, NotPermitted
from labeling.models import Cohort, Invitation, Labeler, Qualification, Role, TaskKind, User
from labeling.rules import audit
from labeling.rules.access import Action, ensure
from labeling.rules.texts import check_text

INVITATION_DAYS = 14
PSEUDONYM_ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
EXTERNAL_DOMAIN = "external.invalid"


def invite(
    *, by: User, email: str, role: str, cohort: str, kinds: Iterable[str], vendor: str = ""
) -> tuple[Invitation, str]:
    """Invite somebody by e-mail; returns the invitation and its secret, which is stored only as a hash.

    Kinds are the qualifications granted on acceptance; without any, a labeler starts in screening. Held-out
    labelers are not screened (Ouyang et al. 2022, sec. 3.4): without kinds they get final evaluations.
    Only an owner may invite staff: nobody hands out more than they have. An older open invitation to the
    same address is revoked. Raises NotPermitted, or InvalidInput naming the field.
    """
    ensure(by, Action.MANAGE_LABELERS)
    if role != Role.LABELER and by.role != Role.OWNER:
        raise NotPermitted(f"Only an owner may invite a {role}; managers invite labelers.")
    email = email.strip().lower()
    try:
        validate_email(email)
    except ValidationError as error:
        raise InvalidInput(
            f'"{email}" is not an e-mail address.', fields={"email": "not an address"}
        ) from error
    if User.objects.filter(email__iexact=email).exists():
        raise InvalidInput(f"{email} has an account already.", fields={"email": "has an account"})
    kinds = [_choice(kind, TaskKind.values, "kinds") for kind in kinds]
    if role == Role.LABELER and cohort == Cohort.HELD_OUT:
        kinds = kinds or [TaskKind.EVALUATION.value]
    secret = secrets.token_urlsafe(32)
    with transaction.atomic():
        Invitation.objects.open().filter(email=email).update(revoked_at=timezone.now())
        invitation = Invitation.objects.create(
            email=email,
            role=_choice(role, Role.values, "role"),
            cohort=_choice(cohort, Cohort.values, "cohort"),
            kinds=sorted(set(kinds)),
            vendor=vendor,
            token_hash=_hash(secret),
            invited_by=by,
            expires_at=timezone.now() + timedelta(days=INVITATION_DAYS),
        )
        audit.record(actor=by, action="invite", obj=invitation, role=role, cohort=cohort, kinds=kinds)
    return invitation, secret


def invitation_for(token: str) -> Invitation:
    """Return the open invitation with this secret; raise NotFound if it is used, revoked, old or wrong."""
    invitation = Invitation.objects.open().filter(token_hash=_hash(token)).first()
    if invitation is None:
        raise NotFound(
            "This invitation is not valid: it was used, revoked, or has run out. Ask for a new one."
        )
    return invitation


@transaction.atomic
def accept_invitation(*, token: str, name: str, password: str, time_zone: str = "UTC") -> User:
    """Make the account of an invitation, once, with its labeler profile and qualifications.

    Raises NotFound for an invitation that is not open, InvalidInput for a weak password.
    """
    invitation = invitation_for(token)
    used = Invitation.objects.open().filter(pk=invitation.pk).update(accepted_at=timezone.now())
    if used != 1:
        raise NotFound("This invitation was used a moment ago.")
    name = check_text(name, field="name").strip()[:120]
    user = User(email=invitation.email, name=name, role=invitation.role, time_zone=time_zone)
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise InvalidInput(" ".join(error.messages), fields={"password": error.messages}) from error
    if User.objects.filter(email__iexact=invitation.email).exists():
        raise InvalidInput(f"{invitation.email} has an account already.", fields={"email": "has an account"})
    user.set_password(password)
    user.save()
    Invitation.objects.filter(pk=invitation.pk).update(accepted_by=user)
    if invitation.role == Role.LABELER or invitation.kinds:
        labeler = create_labeler(
            user=user, cohort=invitation.cohort, kinds=invitation.kinds, by=invitation.invited_by
        )
        labeler.vendor = invitation.vendor
        if not invitation.kinds:
            labeler.status = Labeler.Status.SCREENING
        labeler.save(update_fields=["vendor", "status"])
    return user


@transaction.atomic
def revoke_invitation(*, invitation: Invitation, by: User) -> None:
    """Make an open invitation useless. Raises Conflict if it is no longer open."""
    ensure(by, Action.MANAGE_LABELERS)
    if Invitation.objects.open().filter(pk=invitation.pk).update(revoked_at=timezone.now()) != 1:
        raise Conflict("This invitation is no longer open.", code="invitation_closed")
    audit.record(actor=by, action="revoke_invitation", obj=invitation)


@transaction.atomic
def create_labeler(
    *,
    user: User,
    cohort: str,
    kinds: Iterable[str] = (),
    pseudonym: str | None = None,
    is_simulated: bool = False,
    is_external: bool = False,
    by: User | None = None,
) -> Labeler:
    """Make the active labeler profile of an account, qualified for `kinds`."""
    labeler = Labeler.objects.create(
        user=user,
        pseudonym=pseudonym or new_pseudonym(),
        cohort=_choice(cohort, Cohort.values, "cohort"),
        status=Labeler.Status.ACTIVE,
        is_simulated=is_simulated,
        is_external=is_external,
    )
    for kind in kinds:
        grant_qualification(labeler=labeler, kind=kind, by=by)
    return labeler


def new_pseudonym() -> str:
    """Return a pseudonym that says nothing about the person nor about when they came."""
    while True:
        pseudonym = "L-" + "".join(secrets.choice(PSEUDONYM_ALPHABET) for _ in range(6))
        if not Labeler.objects.filter(pseudonym=pseudonym).exists():
            return pseudonym


@transaction.atomic
def external_labeler(name: str, cohort: str = Cohort.TRAIN) -> Labeler:
    """Return the labeler known from imports by `name`, made if new; nobody can log in as one.

    The name is kept as pseudonym unless it looks like an address or is taken. Raises Conflict where the
    name is known in another cohort.
    """
    name = check_text(name, field="labeler").strip() or "unknown"
    email = f"{_hash(name)[:24]}@{EXTERNAL_DOMAIN}"
    known = Labeler.objects.filter(user__email=email).first()
    if known is not None and known.cohort != cohort:
        raise Conflict(
            f'labeler "{known}" is known as {known.cohort}, the import is of {cohort}: import their lines '
            "under their cohort, or under another name",
            code="another_cohort",
        )
    if known is not None:
        return known
    user = User.objects.create_user(email, None, name="", is_active=False)
    pseudonym = name if len(name) <= 40 and "@" not in name else f"X-{_hash(name)[:8]}"
    if Labeler.objects.filter(pseudonym=pseudonym).exists():
        pseudonym = f"X-{_hash(name)[:12]}"
    return create_labeler(user=user, cohort=cohort, pseudonym=pseudonym, is_external=True)


@transaction.atomic
def pause_labeler(*, labeler: Labeler, by: User, reason: str) -> Labeler:
    """Stop giving new work to a labeler; what they hold they may finish.

    Raises Conflict unless active, InvalidInput without a reason.
    """
    ensure(by, Action.MANAGE_LABELERS)
    _ensure_reason(reason)
    return _change_status(labeler, by, Labeler.Status.ACTIVE, Labeler.Status.PAUSED, reason, "pause")


@transaction.atomic
def resume_labeler(*, labeler: Labeler, by: User, reason: str = "") -> Labeler:
    """Give work to a paused labeler again. Raises Conflict unless paused."""
    return _change_status(labeler, by, Labeler.Status.PAUSED, Labeler.Status.ACTIVE, reason, "resume")


@transaction.atomic
def end_labeler(*, labeler: Labeler, by: User, reason: str) -> Labeler:
    """End somebody's work for good: no tasks, and what they hold goes back when its lease ends.

    Labels stay. Raises Conflict if it has ended already, InvalidInput without a reason.
    """
    ensure(by, Action.MANAGE_LABELERS)
    _ensure_reason(reason)
    if labeler.status == Labeler.Status.ENDED:
        raise Conflict(f"{labeler} has ended already.")
    return _change_status(labeler, by, labeler.status, Labeler.Status.ENDED, reason, "end")


@transaction.atomic
def reinstate_labeler(*, labeler: Labeler, by: User, reason: str = "") -> Labeler:
    """Take somebody back whose work had ended. Raises Conflict unless it had."""
    return _change_status(labeler, by, Labeler.Status.ENDED, Labeler.Status.ACTIVE, reason, "reinstate")


@transaction.atomic
def change_labeler(
    *, labeler: Labeler, by: User, vendor: str, cohort: str, languages: Sequence[str] | None = None
) -> Labeler:
    """Change vendor, cohort and the languages of the prompts they get; None leaves those.

    Raises Conflict, saying why, where the move would mix the cohorts. Nobody becomes held-out who has made
    training labels, and nobody leaves the held-out cohort who has judged: held-out judgements must come from
    people who never produced training data, before or after.
    """
    ensure(by, Action.MANAGE_LABELERS)
    cohort = _choice(cohort, Cohort.values, "cohort")
    vendor = check_text(vendor, field="vendor").strip()[:80]
    locked = Labeler.objects.select_for_update().get(pk=labeler.pk)
    before: dict[str, object] = {
        "vendor": locked.vendor,
        "cohort": locked.cohort,
        "languages": locked.languages,
    }
    spoken = locked.languages if languages is None else _languages(languages)
    if cohort != locked.cohort:
        _ensure_cohort_may_change(locked, cohort)
    locked.vendor, locked.cohort, locked.languages = vendor, cohort, spoken
    locked.save(update_fields=["vendor", "cohort", "languages"])
    after = {"vendor": vendor, "cohort": cohort, "languages": spoken}
    if after != before:
        audit.record(actor=by, action="change_labeler", obj=locked, before=before, after=after)
    return locked


def _ensure_cohort_may_change(labeler: Labeler, cohort: str) -> None:
    labels = labeler.receipts.all()
    measuring = [kind for kind in TaskKind if kind.is_evaluation]
    if cohort == Cohort.HELD_OUT and labels.exclude(assignment__kind__in=measuring).exists():
        raise Conflict(
            f"{labeler} has made training labels, so they can never be held-out: held-out judgements "
            "must come from people whose labels no model has seen. Invite somebody new for that cohort.",
            code="cohort_fixed",
        )
    if labeler.cohort == Cohort.HELD_OUT and labels.exists():
        raise Conflict(
            f"{labeler} has judged as a held-out labeler, so they can never produce training data: their "
            "judgements would be of models trained on their own labels. Invite somebody new instead.",
            code="cohort_fixed",
        )


def _languages(codes: Sequence[str]) -> list[str]:
    """Return language codes in order, once each. Raises InvalidInput for what is none."""
    foreign = [code for code in codes if not re.fullmatch(r"[a-z]{2,3}", code)]
    if foreign:
        raise InvalidInput(
            f'"{foreign[0]}" is not a language code such as en or de.', fields={"languages": "not a code"}
        )
    return sorted(set(codes))


@transaction.atomic
def grant_qualification(*, labeler: Labeler, kind: str, by: User | None = None) -> Qualification:
    """Let a labeler take tasks of a kind. Granting twice changes nothing. Ends screening."""
    if by is not None:
        ensure(by, Action.MANAGE_LABELERS)
    return add_qualification(labeler=labeler, kind=kind, by=by)


@transaction.atomic
def add_qualification(*, labeler: Labeler, kind: str, by: User | None) -> Qualification:
    """Record a qualification for whoever has asked already whether `by` may: a manager, or a screening."""
    kind = _choice(kind, TaskKind.values, "kind")
    qualification, is_new = Qualification.objects.get_or_create(
        labeler=labeler, kind=kind, revoked_at=None, defaults={"granted_by": by}
    )
    if labeler.status == Labeler.Status.SCREENING:
        labeler.status = Labeler.Status.ACTIVE
        labeler.save(update_fields=["status"])
    if is_new and by is not None:
        audit.record(actor=by, action="grant_qualification", obj=labeler, kind=kind)
    return qualification


@transaction.atomic
def revoke_qualification(*, labeler: Labeler, kind: str, by: User) -> None:
    """Take a permission back; the row stays. Raises Conflict if there is none."""
    ensure(by, Action.MANAGE_LABELERS)
    current = labeler.qualifications.filter(kind=kind, revoked_at=None)
    if current.update(revoked_at=timezone.now()) == 0:
        raise Conflict(f"{labeler} has no qualification for {kind}.", code="not_qualified")
    audit.record(actor=by, action="revoke_qualification", obj=labeler, kind=kind)


def _change_status(labeler: Labeler, by: User, before: str, after: str, reason: str, action: str) -> Labeler:
    ensure(by, Action.MANAGE_LABELERS)
    changed = Labeler.objects.filter(pk=labeler.pk, status=before).update(
        status=after, status_reason=reason[:300]
    )
    if changed != 1:
        raise Conflict(
            f"{labeler} is {labeler.get_status_display().lower()}; only {before} can change to {after}."
        )
    audit.record(actor=by, action=f"{action}_labeler", obj=labeler, reason=reason)
    labeler.refresh_from_db()
    return labeler


def _ensure_reason(reason: str) -> None:
    if not reason.strip():
        raise InvalidInput("Give the reason; the labeler reads it.", fields={"reason": "empty"})


def _choice(value: str, allowed: Iterable[str], field: str) -> str:
    if value not in allowed:
        names = ", ".join(allowed)
        raise InvalidInput(f'{field} "{value}" is not one of {names}.', fields={field: f"one of {names}"})
    return str(value)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
