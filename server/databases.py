"""Where rows are kept: PostgreSQL if DATABASE_URL names one, else a SQLite file in the data folder."""

import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from psycopg import Connection

from server.environment import Environment, hide_password, refusal

IDLE_SECONDS = 1.0
POSTGRES_SCHEMES = ("postgres", "postgresql", "psql", "pgsql")


def database_settings(env: Environment, data_dir: Path) -> dict[str, Any]:
    """Return Django's settings of the default database."""
    url = env.text("DATABASE_URL")
    if not url:
        return sqlite_settings(data_dir / "db.sqlite3")
    scheme = urlsplit(url).scheme
    if scheme not in (*POSTGRES_SCHEMES, "sqlite"):
        raise refusal(
            "DATABASE_URL", hide_password(url), "postgres://user:password@host:port/name or sqlite:///path"
        )
    config: dict[str, Any] = dict(environ.Env.db_url_config(url))
    if scheme == "sqlite":
        return sqlite_settings(Path(str(config["NAME"])))
    return postgres_settings(config, env.whole_number("DATABASE_POOL_SIZE", 8, minimum=0, maximum=1000))


def postgres_settings(config: dict[str, Any], pool_size: int) -> dict[str, Any]:
    """Return settings for PostgreSQL through psycopg 3; a pool size of 0 means a connection per thread."""
    options = dict(config.get("OPTIONS") or {})
    # labeling.statements keeps its statements prepared, each with one plan for whatever values it gets.
    options.setdefault("prepare_threshold", 5)
    options["options"] = f"{options.get('options', '')} -c plan_cache_mode=force_generic_plan".strip()
    if pool_size:
        options["pool"] = {"min_size": 1, "max_size": pool_size, "timeout": 15}
        options["pool"]["connection_class"] = PooledConnection
    return {
        **config,
        "ENGINE": "django.db.backends.postgresql",
        "OPTIONS": options,
        "CONN_MAX_AGE": 0,  # the pool keeps connections open
        "CONN_HEALTH_CHECKS": True,
    }


class PooledConnection(Connection[Any]):
    """A connection whose sign of life, asked for before each use, holds for a moment.

    The pool asks by an empty statement; asking each time would be a tenth of the statements of a busy server.
    """

    alive_at = 0.0

    def execute(self, query: Any, *args: Any, **options: Any) -> Any:
        if query != "":
            return super().execute(query, *args, **options)
        now = time.monotonic()
        if now - self.alive_at > IDLE_SECONDS:
            super().execute(query, *args, **options)
            self.alive_at = now
        return self.cursor()


def sqlite_settings(path: Path) -> dict[str, Any]:
    """Return settings for SQLite that several processes can write to.

    WAL lets readers and one writer work at the same time. Immediate transactions take the write lock at
    their start, so that two of them wait for each other instead of failing in the middle.
    """
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": path,
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 30,  # seconds to wait for another writer
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;",
        },
    }
