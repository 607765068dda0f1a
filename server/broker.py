"""How tasks reach workers: Redis if REDIS_URL names one, else files in the data folder."""

from pathlib import Path
from typing import Any

from server import file_broker
from server.environment import Environment

REDIS_SCHEMES = ("redis", "rediss", "unix")
LONGEST_STEP_SECONDS = 7 * 24 * 3600
"""A training run may hold its message this long before Redis gives it to another worker."""


def broker_settings(env: Environment, data_dir: Path) -> dict[str, Any]:
    """Return Celery's broker and result settings, without their CELERY_ prefix."""
    url = env.url("REDIS_URL", "", REDIS_SCHEMES)
    if url:
        celery_url = url.replace("unix://", "redis+socket://", 1)
        options = {"visibility_timeout": LONGEST_STEP_SECONDS}
        return {
            "BROKER_URL": celery_url,
            "BROKER_TRANSPORT_OPTIONS": options,
            "RESULT_BACKEND": celery_url,
            "RESULT_BACKEND_TRANSPORT_OPTIONS": options,
        }
    messages, control, results = (data_dir / "broker" / name for name in ("messages", "control", "results"))
    for folder in (messages, control, results):
        folder.mkdir(parents=True, exist_ok=True)
    return {
        "BROKER_URL": f"{file_broker.SCHEME}://localhost/",
        "BROKER_TRANSPORT_OPTIONS": {
            "data_folder_in": str(messages),
            "data_folder_out": str(messages),
            "control_folder": str(control),  # makes revoke and inspect work
            "polling_interval": 0.5,
        },
        "RESULT_BACKEND": f"file://{results}",
    }


def cache_settings(env: Environment, data_dir: Path) -> dict[str, Any]:
    """Return Django's default cache: Redis, else files, which all processes of a machine share."""
    url = env.url("REDIS_URL", "", REDIS_SCHEMES)
    if url:
        return {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": url,
            "KEY_PREFIX": "instructloop",
        }
    return {
        "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
        "LOCATION": data_dir / "cache",
        "OPTIONS": {"MAX_ENTRIES": 20_000},
    }
