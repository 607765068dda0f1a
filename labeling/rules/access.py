"""Who may do what: the only place that answers this, for pages and API alike."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from django.contrib.auth.models import AnonymousUser

from labeling.errors import NotPermitted
from labeling.models import Assignment, Labeler, Role, Terms, User

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
    },
    Role.RESEARCHER: STAFF_ACTIONS
    | {Action.SEE_MODELS, Action.RUN_TRAINING, Action.EXPORT, Action.GRADE_SCREENING, Action.JUDGE},
    Role.OWNER: frozenset(Action) - {Action.LABEL},
}


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
    return action in GRANTS.get(user.role, frozenset())


def ensure(user: User | AnonymousUser, action: Action, obj: models.Model | None = None) -> None:
    """Raise NotPermitted unless `user` may do `action`."""
    if not can(user, action, obj):
        raise NotPermitted(
            f"This account may not do this ({action.value.replace('_', ' ')}). Ask a manager for access."
        )


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
