"""Settings for a server that others can reach, behind a proxy that speaks TLS."""

from typing import Any

from server.environment import refusal
from server.settings.base import *
from server.settings.base import TRUSTED_PROXY_COUNT, env

DEBUG = False
SECRET_KEY = env.required("SECRET_KEY", "a random text of 50 or more characters")
if len(SECRET_KEY) < 50:
    raise refusal(
        "SECRET_KEY", f"{len(SECRET_KEY)} characters long", "a random text of 50 or more characters"
    )
env.required("ALLOWED_HOSTS", "the comma-separated host names that browsers use, such as labels.example.org")

STORAGES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

# HTTPS_ONLY=no is for a trial on a private network without TLS.
HTTPS_ONLY = env.yes_or_no("HTTPS_ONLY", default=True)
SECURE_SSL_REDIRECT = HTTPS_ONLY
REQUIRE_TWO_FACTOR = env.yes_or_no("REQUIRE_TWO_FACTOR", default=True)
SECURE_REDIRECT_EXEMPT = [r"^healthz$"]
SECURE_HSTS_SECONDS = (
    env.whole_number("HSTS_SECONDS", 31_536_000, minimum=0, maximum=63_072_000) if HTTPS_ONLY else 0
)
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS_ONLY
SESSION_COOKIE_SECURE = HTTPS_ONLY
CSRF_COOKIE_SECURE = HTTPS_ONLY
if TRUSTED_PROXY_COUNT:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
