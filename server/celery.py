"""The Celery application; its settings are the CELERY_ ones of Django's settings."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "server.settings.demo")

app = Celery("instructloop")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@app.task(name="server.celery.keep_statistics", ignore_result=True)
def keep_statistics() -> bool:
    """Tell SQLite how large its tables are. Returns whether there was need."""
    from server.planner import keep_statistics as keep  # the settings are only read now

    return keep()
