"""Who may call an endpoint: asks labeling.rules.access."""

from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from labeling.rules.access import Action, Rule, can, labeler_of, refusal


def Requires(action: Action, write: Action | None = None) -> type[BasePermission]:
    """Return the permission to call an endpoint: `action`, or `write` for anything but reading."""

    class Permission(BasePermission):
        rule = Rule(actions=(action,), write=(write,) if write else ())

        def has_permission(self, request: Request, view: APIView) -> bool:
            is_read = request.method in ("GET", "HEAD", "OPTIONS")
            needed = action if is_read or write is None else write
            is_allowed = can(request.user, needed)
            if request.user.is_authenticated and not is_allowed:
                raise refusal(request.user, needed)
            return is_allowed

    Permission.__name__ = f"Requires_{action.value}"
    return Permission


class HasLabelerProfile(BasePermission):
    """Whoever labels, also while paused: which assignments are theirs is decided where they are looked up."""

    message = "This account has no labeler profile, which this needs. Labelers are invited."
    rule = Rule(for_labelers=True)

    def has_permission(self, request: Request, view: APIView) -> bool:
        return labeler_of(request.user) is not None
