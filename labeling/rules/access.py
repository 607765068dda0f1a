"""Who may do what: the only place that answers this, for pages and API alike."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.auth.models import AnonymousUser

from labeling.errors import NotPermitted
from labeling.models import Assignment, Cohort, Labeler, Role, Terms, User

if TYPE_CHECKING:
    from django.db import models


class Action(StrEnum):
    """What a page or an endpoint lets people do."""

    LABEL = "label"
    SEE_DASHBOARD = "see_dashboard"
    SEE_PROMPTS = "see_prompts"
    IMPORT = "import"
    SEE_BATCHES = "see_batches"
    MANAGE_BATCHES = "manage_batches"
    SEE_LABELERS = "see_labelers"
    MANAGE_LABELERS = "manage_labelers"
    SEE_AGREEMENT = "see_agreement"
    PUBLISH_GUIDELINES = "publish_guidelines"
    SEE_MODELS = "see_models"
    RUN_TRAINING = "run_training"
    EXPORT = "export"
    SEE_AUDIT = "see_audit"
    SEE_NAMES = "see_names"
    EXPORT_HOURS = "export_hours"
    PUBLISH_TERMS = "publish_terms"
    BUILD_SCREENING = "build_screening"
    GRADE_SCREENING = "grade_screening"
    DECIDE_SCREENING = "decide_screening"
    MANAGE_USE_CASES = "manage_use_cases"
    ANSWER_QUESTIONS = "answer_questions"
    SEE_SURVEYS = "see_surveys"
    RUN_SURVEYS = "run_surveys"
    MANAGE_STAFF = "manage_staff"
    REVIEW = "review"
    JUDGE = "judge"
    USE_PLAYGROUND = "use_playground"
    SEE_LINEAGE = "see_lineage"
    MANAGE_WEBHOOKS = "manage_webhooks"
    SEE_COSTS = "see_costs"
    SET_PAY_RATES = "set_pay_rates"


STAFF_ACTIONS = frozenset(
    {
        Action.SEE_DASHBOARD,
        Action.SEE_PROMPTS,
        Action.IMPORT,
        Action.SEE_BATCHES,
        Action.MANAGE_BATCHES,
        Action.SEE_AGREEMENT,
        Action.PUBLISH_GUIDELINES,
        Action.SEE_LABELERS,
        Action.BUILD_SCREENING,
        Action.DECIDE_SCREENING,
        Action.SEE_SURVEYS,
        Action.MANAGE_USE_CASES,
        Action.ANSWER_QUESTIONS,
        Action.REVIEW,
        Action.USE_PLAYGROUND,
        Action.SEE_LINEAGE,
        Action.MANAGE_WEBHOOKS,
        Action.SEE_COSTS,
    }
)
GRANTS: dict[str, frozenset[Action]] = {
    Role.LABELER: frozenset(),
    Role.MANAGER: STAFF_ACTIONS
    | {
        Action.MANAGE_LABELERS,
        Action.SEE_NAMES,
        Action.SEE_AUDIT,
        Action.EXPORT_HOURS,
        Action.PUBLISH_TERMS,
        Action.RUN_SURVEYS,
        Action.SET_PAY_RATES,
    },
    Role.RESEARCHER: STAFF_ACTIONS
    | {Action.SEE_MODELS, Action.RUN_TRAINING, Action.EXPORT, Action.GRADE_SCREENING, Action.JUDGE},
    Role.OWNER: frozenset(Action) - {Action.LABEL},
}


@dataclass(frozen=True)
class Rule:
    """Who is let in at a page or an endpoint; every one declares its rule, and a test holds that.

    actions       one of them is enough; none asks only for a login
    write         instead of `actions` for whatever changes something; empty means the same
    for_labelers  a labeler profile is enough, active or not; without actions nothing else is
    is_open       strangers too, because the address itself is a secret or tells nothing
    """

    actions: tuple[Action, ...] = ()
    write: tuple[Action, ...] = ()
    for_labelers: bool = False
    is_open: bool = False

    def lets_in(self, user: User | AnonymousUser, *, writes: bool = False) -> bool:
        """Return whether `user` gets past the door; what lies behind may still refuse."""
        if self.is_open:
            return True
        if not isinstance(user, User) or not user.is_active:
            return False
        if self.for_labelers and (labeler_of(user) is not None or not self.actions):
            return labeler_of(user) is not None
        actions = self.write if writes and self.write else self.actions
        return not actions or any(can(user, action) for action in actions)


def can(user: User | AnonymousUser, action: Action, obj: models.Model | None = None) -> bool:
    """Return whether `user` may do `action`, on `obj` where one is given.

    Labeling needs a labeler profile, whatever the role. Without an object the question is whether this
    person may take new work, for which they must have accepted the terms as they are now; with an assignment,
    whether it is theirs to finish, which neither a pause nor new terms end.
    """
    if not isinstance(user, User) or not user.is_active:
        return False
    if action == Action.LABEL:
        return _may_label(labeler_of(user), obj)
    if action == Action.USE_PLAYGROUND and settings.PLAYGROUND_FOR_LABELERS and _may_play(user):
        return True
    return action in GRANTS.get(user.role, frozenset())


def ensure(user: User | AnonymousUser, action: Action, obj: models.Model | None = None) -> None:
    """Raise NotPermitted, saying why and who could help, unless `user` may do `action`."""
    if not can(user, action, obj):
        raise refusal(user, action)


def refusal(user: User | AnonymousUser, *actions: Action) -> NotPermitted:
    """Return why `user` may do none of the actions, in words that help this person."""
    labeler = labeler_of(user)
    if Action.LABEL in actions and labeler is not None:
        try:
            ensure_may_work(labeler)
        except NotPermitted as reason:
            return reason
        return NotPermitted("This is somebody else's work, or over.")
    if not isinstance(user, User):
        return NotPermitted("Log in first.")
    if not user.is_active:
        return NotPermitted("This account is closed. Ask a manager if it should not be.")
    what = " or ".join(action.value.replace("_", " ") for action in actions)
    if Action.LABEL in actions:
        return NotPermitted(
            f"This account has no labeler profile, which this needs ({what}). Labelers are invited."
        )
    holders = [role for role in Role if GRANTS[role] & set(actions)]
    who = " and ".join(f"{role.label.lower()}s" for role in holders)
    return NotPermitted(
        f"This is for {who} ({what}); your account is {_a(user.role)}. {_who_helps(user.role)}",
        fields={"roles": [role.value for role in holders]},
    )


def _a(role: str) -> str:
    name = Role(role).label.lower()
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}'s"


def _who_helps(role: str) -> str:
    if role == Role.LABELER:
        return "If you need something from it, ask the manager who invited you."
    if role == Role.OWNER:
        return "Even owners do not do this with their own account."
    return "An owner of this installation can change what your account may do."


def labeler_of(user: User | AnonymousUser) -> Labeler | None:
    """Return the labeler profile of an account, None where it has none."""
    if not isinstance(user, User):
        return None
    try:
        return user.labeler
    except Labeler.DoesNotExist:
        return None


def sees_names(user: User | AnonymousUser) -> bool:
    """Return whether `user` may learn who stands behind a pseudonym. Researchers never may."""
    return can(user, Action.SEE_NAMES)


def sees_policies(user: User | AnonymousUser) -> bool:
    """Return whether `user` may learn which policy wrote a response. A labeler never may."""
    return can(user, Action.SEE_DASHBOARD)


def _may_label(labeler: Labeler | None, obj: models.Model | None) -> bool:
    if labeler is None:
        return False
    if isinstance(obj, Assignment):
        working = (Labeler.Status.ACTIVE, Labeler.Status.PAUSED)
        return obj.labeler_id == labeler.pk and labeler.status in working
    return (
        obj is None
        and labeler.status == Labeler.Status.ACTIVE
        and Terms.objects.pending_for(labeler.user) is None
    )


def _may_play(user: User) -> bool:
    """Held-out labelers never may: their prompts must not train, nor should they know the answers."""
    labeler = labeler_of(user)
    return labeler is not None and labeler.cohort != Cohort.HELD_OUT and _may_label(labeler, None)


def ensure_may_work(labeler: Labeler) -> None:
    """Raise NotPermitted, saying why, unless this labeler may take new work."""
    if labeler.status != Labeler.Status.ACTIVE:
        raise NotPermitted(
            f"Only active labelers get tasks; this profile is {labeler.get_status_display().lower()}.",
            code="not_active",
        )
    pending = Terms.objects.pending_for(labeler.user)
    if pending is not None:
        raise NotPermitted(
            f"Read and accept the terms, version {pending.version}, before you take new work.",
            code="terms_not_accepted",
        )
