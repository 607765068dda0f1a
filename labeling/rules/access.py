"""Who may do what: the only place that answers this, for pages and API alike."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from django.contrib.auth.models import AnonymousUser

from labeling.errors import NotPermitted
from labeling.models import Assignment, Labeler, Role, User

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


STAFF_ACTIONS = frozenset(
    {
        Action.SEE_DASHBOARD,
        Action.SEE_PROMPTS,
        Action.IMPORT,
        Action.SEE_BATCHES,
        Action.MANAGE_BATCHES,
        Action.SEE_AGREEMENT,
        Action.PUBLISH_GUIDELINES,
    }
)
GRANTS: dict[str, frozenset[Action]] = {
    Role.LABELER: frozenset(),
    Role.MANAGER: STAFF_ACTIONS | {Action.SEE_LABELERS, Action.MANAGE_LABELERS, Action.SEE_AUDIT},
    Role.RESEARCHER: STAFF_ACTIONS | {Action.SEE_MODELS, Action.RUN_TRAINING, Action.EXPORT},
    Role.OWNER: frozenset(Action) - {Action.LABEL},
}


def can(user: User | AnonymousUser, action: Action, obj: models.Model | None = None) -> bool:
    """Return whether `user` may do `action`, on `obj` where one is given.

    Labeling needs a labeler profile, whatever the role. Without an object the question is whether this
    person may take new work; with an assignment, whether it is theirs to finish, which a pause does not end.
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


def sees_policies(user: User | AnonymousUser) -> bool:
    """Return whether `user` may learn which policy wrote a response. A labeler never may."""
    return can(user, Action.SEE_DASHBOARD)


def _may_label(labeler: Labeler | None, obj: models.Model | None) -> bool:
    if labeler is None:
        return False
    if isinstance(obj, Assignment):
        working = (Labeler.Status.ACTIVE, Labeler.Status.PAUSED)
        return obj.labeler_id == labeler.pk and labeler.status in working
    return obj is None and labeler.status == Labeler.Status.ACTIVE
