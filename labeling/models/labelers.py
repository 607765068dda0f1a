"""People: accounts, labelers, what they are qualified for, and invitations."""

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser, BaseUserManager
from django.db import models
from django.utils import timezone

from labeling.models.base import CodedModel, Cohort, TaskKind
from labeling.statements import Query


class Role(models.TextChoices):
    """What an account may do in the application; finer rules stand in `labeling.rules.access`."""

    LABELER = "labeler", "Labeler"
    MANAGER = "manager", "Manager"
    RESEARCHER = "researcher", "Researcher"
    OWNER = "owner", "Owner"


class UserManager(BaseUserManager["User"]):
    """Creates accounts by e-mail; there is no user name."""

    use_in_migrations = True

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        if not email:
            raise ValueError("An account needs an e-mail address; none was given.")
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        defaults = {"role": Role.OWNER, "is_staff": True, "is_superuser": True}
        return self.create_user(email, password, **(defaults | fields))

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email__iexact=username)


class User(AbstractUser):
    """An account. A person who labels also has a `Labeler` row."""

    username = None  # type: ignore[assignment]  # Django's own way to drop the field
    email = models.EmailField("e-mail address", unique=True)
    name = models.CharField(max_length=120, blank=True)
    role = models.CharField(max_length=16, choices=Role.choices, default=Role.LABELER)
    time_zone = models.CharField(max_length=64, default="UTC")

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    objects: ClassVar[UserManager] = UserManager()  # type: ignore[assignment]

    class Meta:
        ordering = ("email",)

    def __str__(self) -> str:
        return self.name or self.email

    @property
    def is_manager(self) -> bool:
        return self.role in (Role.MANAGER, Role.OWNER)

    @property
    def is_researcher(self) -> bool:
        return self.role in (Role.RESEARCHER, Role.OWNER)


class LabelerQuerySet(models.QuerySet["Labeler"]):
    def active(self) -> "LabelerQuerySet":
        return self.filter(status=Labeler.Status.ACTIVE, user__is_active=True)

    def people(self) -> "LabelerQuerySet":
        """Real people only: neither simulated labelers nor imported ones."""
        return self.filter(is_simulated=False, is_external=False)

    def qualified(self, kind: str) -> "LabelerQuerySet":
        return self.filter(qualifications__kind=kind, qualifications__revoked_at=None)


class Labeler(CodedModel):
    """Somebody whose judgements are recorded.

    `pseudonym` is what exports carry instead of a name. A simulated labeler is a program; an external one
    is known only from an import and has no account to log in with.
    """

    class Status(models.TextChoices):
        SCREENING = "screening", "In screening"
        ACTIVE = "active", "Active"
        PAUSED = "paused", "Paused"
        ENDED = "ended", "Ended"

    user = models.OneToOneField(User, on_delete=models.PROTECT, related_name="labeler")
    pseudonym = models.CharField(max_length=40, unique=True)
    cohort = models.CharField(max_length=16, choices=Cohort.choices, default=Cohort.TRAIN)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.SCREENING)
    status_reason = models.CharField(max_length=300, blank=True)
    vendor = models.CharField(max_length=80, blank=True)
    languages = models.JSONField(
        default=list, blank=True, help_text="Languages of the prompts they get, such as de; none means all."
    )
    is_simulated = models.BooleanField(default=False)
    is_external = models.BooleanField(default=False)

    objects = LabelerQuerySet.as_manager()

    class Meta:
        ordering = ("pseudonym",)

    def __str__(self) -> str:
        return self.pseudonym

    def is_qualified(self, kind: str) -> bool:
        return bool(QUALIFICATION.all(labeler=self.pk, kind=kind))


class QualificationQuerySet(models.QuerySet["Qualification"]):
    def current(self) -> "QualificationQuerySet":
        return self.filter(revoked_at=None)


class Qualification(models.Model):
    """What passing the screening permits; revoked, never deleted."""

    labeler = models.ForeignKey(Labeler, on_delete=models.PROTECT, related_name="qualifications")
    kind = models.CharField(max_length=20, choices=TaskKind.choices)
    granted_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    granted_at = models.DateTimeField(default=timezone.now)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = QualificationQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("labeler", "kind"),
                condition=models.Q(revoked_at=None),
                name="qualification_once_at_a_time",
            ),
        )

    def __str__(self) -> str:
        return f"{self.labeler}: {self.kind}"


QUALIFICATION = Query(
    lambda labeler, kind: Qualification.objects.current().filter(labeler=labeler, kind=kind)[:1],
    labeler=int,
    kind=str,
)


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def open(self) -> "InvitationQuerySet":
        return self.filter(accepted_at=None, revoked_at=None, expires_at__gt=timezone.now())


class Invitation(CodedModel):
    """A single-use link that makes an account. Only the hash of its secret is stored."""

    email = models.EmailField()
    role = models.CharField(max_length=16, choices=Role.choices, default=Role.LABELER)
    cohort = models.CharField(max_length=16, choices=Cohort.choices, default=Cohort.TRAIN)
    kinds = models.JSONField(default=list, help_text="Qualifications granted on acceptance.")
    vendor = models.CharField(max_length=80, blank=True)
    token_hash = models.CharField(max_length=64, unique=True)
    invited_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    accepted_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = InvitationQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"{self.email} ({self.role})"
