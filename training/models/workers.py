"""Worker processes that say they live."""

from django.db import models
from django.utils import timezone


class Worker(models.Model):
    """One Celery worker by its name; it says every few seconds that it lives, and says goodbye if it can."""

    name = models.CharField(max_length=120, unique=True)
    host = models.CharField(max_length=120, blank=True)
    pid = models.PositiveIntegerField(default=0)
    queues = models.JSONField(default=list)
    device = models.CharField(max_length=300, blank=True, help_text="What its runs compute on.")
    memory_bytes = models.PositiveBigIntegerField(default=0)
    started_at = models.DateTimeField(default=timezone.now)
    seen_at = models.DateTimeField(default=timezone.now)
    stopped_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name
