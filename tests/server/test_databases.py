"""DATABASE_URL chooses the database; SQLite is set up for several writers."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, transaction

from server.databases import database_settings
from server.environment import Environment


def test_without_a_url_rows_go_to_a_file_in_the_data_folder(tmp_path: Path) -> None:
    settings = database_settings(Environment({}), tmp_path)

    assert settings["ENGINE"] == "django.db.backends.sqlite3"
    assert settings["NAME"] == tmp_path / "db.sqlite3"
    assert settings["OPTIONS"]["transaction_mode"] == "IMMEDIATE"


def test_sqlite_url_keeps_the_settings_for_several_writers(tmp_path: Path) -> None:
    settings = database_settings(Environment({"DATABASE_URL": f"sqlite:///{tmp_path}/rows.db"}), tmp_path)

    assert settings["NAME"] == tmp_path / "rows.db"
    assert "journal_mode=WAL" in settings["OPTIONS"]["init_command"]


def test_postgres_url_gives_a_pool_and_keeps_its_options(tmp_path: Path) -> None:
    url = "postgres://user:pass%40word@host:5433/name?sslmode=require"
    settings = database_settings(Environment({"DATABASE_URL": url, "DATABASE_POOL_SIZE": "5"}), tmp_path)

    assert settings["ENGINE"] == "django.db.backends.postgresql"
    assert (settings["HOST"], settings["PORT"], settings["NAME"]) == ("host", 5433, "name")
    assert settings["PASSWORD"] == "pass@word"
    assert settings["OPTIONS"]["sslmode"] == "require"
    assert settings["OPTIONS"]["pool"]["max_size"] == 5


def test_pool_size_of_zero_means_no_pool(tmp_path: Path) -> None:
    variables = {"DATABASE_URL": "postgres://host/name", "DATABASE_POOL_SIZE": "0"}

    assert "pool" not in database_settings(Environment(variables), tmp_path)["OPTIONS"]


def test_other_databases_are_refused_without_showing_the_password(tmp_path: Path) -> None:
    variables = {"DATABASE_URL": "mysql://root:hunter2@host/name"}

    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL is 'mysql://root:") as refused:
        database_settings(Environment(variables), tmp_path)
    assert "hunter2" not in str(refused.value)


@pytest.mark.django_db(transaction=True)
def test_threads_that_read_and_then_write_wait_for_each_other() -> None:
    """Deferred transactions of SQLite would fail here: two readers cannot both become the writer."""
    lock = " FOR UPDATE" if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE counter (number integer)")
        cursor.execute("INSERT INTO counter VALUES (0)")

    def count(_: int) -> None:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(f"SELECT number FROM counter{lock}")
                number = cursor.fetchone()[0]
                cursor.execute("UPDATE counter SET number = %s", [number + 1])
        finally:
            connection.close()

    try:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(count, range(40)))
        with connection.cursor() as cursor:
            cursor.execute("SELECT number FROM counter")
            assert cursor.fetchone()[0] == 40
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE counter")


@pytest.mark.django_db(transaction=True)
def test_sqlite_file_is_in_wal_mode_and_holds_foreign_keys() -> None:
    if connection.vendor != "sqlite":
        pytest.skip("this pass runs on PostgreSQL")
    connection.ensure_connection()
    with sqlite3.connect(connection.settings_dict["NAME"]) as direct, connection.cursor() as cursor:
        assert direct.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        cursor.execute("PRAGMA foreign_keys")
        assert cursor.fetchone() == (1,)
