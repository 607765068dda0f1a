"""The Django project: settings and the entry points."""

from server.celery import app as celery_app

__all__ = ["celery_app"]
