"""SQLite is told how large its tables are, PostgreSQL is left alone."""

import pytest
from django.conf import settings
from django.db import connection

from server.celery import app, keep_statistics
from tests.factories import PromptFactory

pytestmark = pytest.mark.django_db


def test_sqlite_knows_after_it_how_many_rows_a_table_has() -> None:
    PromptFactory.create_batch(3)
    assert keep_statistics() is (connection.vendor == "sqlite")
    if connection.vendor != "sqlite":
        pytest.skip("this pass runs on PostgreSQL")
    with connection.cursor() as cursor:
        cursor.execute("SELECT stat FROM sqlite_stat1 WHERE tbl = 'labeling_prompt'")
        counts = {int(row[0].split()[0]) for row in cursor.fetchall()}
    assert counts == {3}


def test_the_clock_asks_for_it_by_a_name_that_a_worker_knows() -> None:
    assert settings.CELERY_BEAT_SCHEDULE["keep-statistics"]["task"] in app.tasks
