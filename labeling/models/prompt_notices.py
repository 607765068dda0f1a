"""What people are told before their prompts are kept, in versions."""

from django.db import models
from django.utils import timezone

from labeling.models.labelers import User


class PromptNotice(models.Model):
    """One version of the notice that prompts may be used for training. Never edited after publication."""

    version = models.PositiveIntegerField(unique=True)
    body = models.TextField(help_text="Markdown")
    published_at = models.DateTimeField(default=timezone.now)
    published_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        ordering = ("-version",)

    def __str__(self) -> str:
        return f"notice version {self.version}"
