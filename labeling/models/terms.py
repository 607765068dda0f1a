"""The terms under which people work, in versions, and who accepted which."""

from django.db import models
from django.db.models import Exists, OuterRef
from django.utils import timezone

from labeling.models.base import CodedModel
from labeling.models.labelers import User
from labeling.statements import Query


class TermsQuerySet(models.QuerySet["Terms"]):
    def current(self) -> "Terms | None":
        return self.order_by("-version").first()

    def pending_for(self, user: User) -> "Terms | None":
        """The current version where `user` has not accepted it; None where nothing is to be done."""
        newest = NEWEST_FOR.first(user=user.pk)
        return None if newest is None or getattr(newest, "is_accepted", False) else newest


class Terms(CodedModel):
    """One version of the terms, in Markdown. Never edited after publication."""

    version = models.PositiveIntegerField(unique=True)
    title = models.CharField(max_length=120)
    body = models.TextField(help_text="Markdown")
    published_at = models.DateTimeField(default=timezone.now)
    published_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")

    objects = TermsQuerySet.as_manager()

    class Meta:
        ordering = ("-version",)
        verbose_name_plural = "terms"

    def __str__(self) -> str:
        return f"{self.title} (version {self.version})"


class Consent(CodedModel):
    """A person accepted one version of the terms."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="consents")
    terms = models.ForeignKey(Terms, on_delete=models.PROTECT, related_name="consents")
    accepted_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("-accepted_at",)
        constraints = (models.UniqueConstraint(fields=("user", "terms"), name="consent_once_per_version"),)

    def __str__(self) -> str:
        return f"{self.user} accepted version {self.terms.version}"


NEWEST_FOR = Query(
    lambda user: Terms.objects.order_by("-version").annotate(
        is_accepted=Exists(Consent.objects.filter(terms=OuterRef("pk"), user=user))
    )[:1],
    user=int,
)
