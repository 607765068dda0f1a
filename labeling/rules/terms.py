"""Terms of work: published in versions, accepted once by each person."""

from django.db import transaction
from django.db.models import Max

from labeling.errors import Conflict, InvalidInput
from labeling.models import Consent, Terms, User
from labeling.rules import audit
from labeling.rules.access import Action, ensure
from labeling.rules.texts import check_text


@transaction.atomic
def publish_terms(*, by: User, title: str, body: str) -> Terms:
    """Publish the next version; from now on nobody takes new work before they have accepted it."""
    ensure(by, Action.PUBLISH_TERMS)
    title, body = check_text(title, field="title").strip()[:120], check_text(body, field="body").strip()
    if not title or not body:
        raise InvalidInput("Terms need a title and a text.", fields={"body": "empty"})
    current = Terms.objects.current()
    if current is not None and (current.title, current.body) == (title, body):
        raise Conflict(f"This is version {current.version} word for word; nothing was published.")
    version = (Terms.objects.aggregate(last=Max("version"))["last"] or 0) + 1
    terms = Terms.objects.create(version=version, title=title, body=body, published_by=by)
    audit.record(actor=by, action="publish_terms", obj=terms, version=version)
    return terms


@transaction.atomic
def accept_terms(*, user: User, version: int) -> Consent:
    """Record that somebody accepts the version that they read.

    Accepting twice changes nothing. Raises Conflict if a newer version came out meanwhile: that one must be
    read.
    """
    current = Terms.objects.current()
    if current is None:
        raise Conflict("There are no terms to accept.")
    if current.version != version:
        raise Conflict(
            f"You read version {version}; version {current.version} has come out since. Please read it.",
            code="terms_changed",
        )
    consent, _ = Consent.objects.get_or_create(user=user, terms=current)
    return consent
