"""The Celery application; its settings are the CELERY_ ones of Django's settings."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "server.settings.demo")

app = Celery("instructloop")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
