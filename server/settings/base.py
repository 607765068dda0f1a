"""Settings shared by every way to run InstructLoop, read from environment variables (docs/operations.md)."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import environ
from celery.schedules import crontab
from csp.constants import NONCE, NONE, SELF

from server.broker import broker_settings, cache_settings
from server.databases import database_settings
from server.environment import Environment, load_env_file
from server.version import __version__

BASE_DIR = Path(__file__).resolve().parents[2]
if os.environ.get("DJANGO_SETTINGS_MODULE") != "server.settings.test":
    load_env_file(BASE_DIR / ".env")
env = Environment(os.environ)

# Where everything is kept that is not in the database.
DATA_DIR = Path(env.text("DATA_DIR", str(BASE_DIR / "var"))).expanduser().resolve()
DATA_DIR.mkdir(parents=True, exist_ok=True)
ARTIFACTS_URL = env.text("ARTIFACTS_URL", (DATA_DIR / "artifacts").as_uri())
RUNS_DIR = DATA_DIR / "runs"

DEBUG = env.yes_or_no("DEBUG", default=False)
ALLOWED_HOSTS: list[str] = env.words("ALLOWED_HOSTS")
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS")
ROOT_URLCONF = "server.urls"
WSGI_APPLICATION = "server.wsgi.application"
ASGI_APPLICATION = "server.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "labeling",
    "training",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "axes",
    "csp",
    "django_htmx",
    "drf_spectacular",
    "knox",
    "rest_framework",
    "template_partials",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "server.content_policy.ContentPolicyMiddleware",
    # Pages too, safely: forms' tokens are masked anew in each answer, and each answer is padded by a random
    # length, so that its size tells nothing about a secret in it (BREACH).
    "django.middleware.gzip.GZipMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "labeling.middleware.TimeZoneMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "labeling.middleware.TwoFactorMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "labeling.middleware.WrongMethodMiddleware",
    "axes.middleware.AxesMiddleware",  # last: it turns a locked-out login into its answer
]
# For API requests with a token (server/token_requests.py): all of it that does not concern pages alone.
TOKEN_MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "server.content_policy.ContentPolicyMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
            ],
        },
    },
]

DATABASES = {"default": database_settings(env, DATA_DIR)}
CACHES = {"default": cache_settings(env, DATA_DIR)}

# Language and time
LANGUAGE_CODE = "en"
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

# Files that browsers fetch
STATIC_URL = "static/"
STATIC_ROOT = Path(env.text("STATIC_DIR", str(DATA_DIR / "static")))
STATICFILES_DIRS = [folder for folder in [BASE_DIR / "static"] if folder.is_dir()]

# People
AUTH_USER_MODEL = "labeling.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",  # first: it refuses whoever is locked out
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = LOGIN_URL
ACCOUNT_ADAPTER = "server.accounts.InvitationOnlyAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"  # an invitation has reached that address already
ACCOUNT_LOGOUT_REDIRECT_URL = LOGIN_URL
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "InstructLoop"
REQUIRE_TWO_FACTOR = env.yes_or_no("REQUIRE_TWO_FACTOR", default=False)  # of staff; production says yes
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"

# Logins that fail too often are locked, by address and name together, so that nobody can lock out another.
AXES_FAILURE_LIMIT = env.whole_number("LOGIN_FAILURE_LIMIT", 10, minimum=1, maximum=1000)
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["ip_address", "username"]]
AXES_USERNAME_CALLABLE = "server.accounts.login_name"
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_TEMPLATE = "account/locked.html"
AXES_VERBOSE = False
TRUSTED_PROXY_COUNT = env.whole_number("TRUSTED_PROXY_COUNT", 0, minimum=0, maximum=10)
ALLAUTH_TRUSTED_PROXY_COUNT = TRUSTED_PROXY_COUNT
AXES_IPWARE_PROXY_COUNT = TRUSTED_PROXY_COUNT or None

# What a browser may do with our pages
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    },
}
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 1024 * 1024
FILE_UPLOAD_PERMISSIONS = 0o640

# Mail
vars().update(environ.Env.email_url_config(env.text("EMAIL_URL", "consolemail://")))
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", "InstructLoop <instructloop@localhost>")
SERVER_EMAIL = DEFAULT_FROM_EMAIL

# API
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "labeling.api.authentication.HashedTokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": [
        "rest_framework.renderers.JSONRenderer",
        *(["rest_framework.renderers.BrowsableAPIRenderer"] if DEBUG else []),
    ],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.CursorPagination",  # keyset pages
    "PAGE_SIZE": 50,
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "labeling.api.errors.exception_handler",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
REST_KNOX = {"TOKEN_TTL": timedelta(days=90)}  # only hashes of tokens are stored
# how often one person may ask for a task, by page and API together
CLAIMS_PER_MINUTE = env.whole_number("CLAIMS_PER_MINUTE", 120, minimum=1, maximum=1_000_000)

# Networks outside the public internet that webhooks may go to, such as 10.20.0.0/16
WEBHOOK_ALLOWED_NETWORKS = env.words("WEBHOOK_ALLOWED_NETWORKS")

# The loop of work
UNDO_SECONDS = env.whole_number("UNDO_SECONDS", 20, minimum=0, maximum=600)
REOPEN_MINUTES = env.whole_number("REOPEN_MINUTES", 30, minimum=0, maximum=1440)
TASKS_IN_HAND = env.whole_number("TASKS_IN_HAND", 2, minimum=1, maximum=5)
BROKEN_SKIPS = env.whole_number("BROKEN_SKIPS", 2, minimum=1, maximum=100)

# A folder of harness tasks of one's own (docs/evaluation.md), and whether their Python may run on workers
HARNESS_TASKS_DIR = Path(folder).expanduser() if (folder := env.text("HARNESS_TASKS_DIR")) else None
HARNESS_FUNCTIONS = env.yes_or_no("HARNESS_FUNCTIONS", default=False)

# The playground
PLAYGROUND_FOR_LABELERS = env.yes_or_no("PLAYGROUND_FOR_LABELERS", default=False)
PLAYGROUND_PER_MINUTE = env.whole_number("PLAYGROUND_PER_MINUTE", 10, minimum=1, maximum=10_000)
PLAYGROUND_QUEUE = env.whole_number("PLAYGROUND_QUEUE", 40, minimum=1, maximum=10_000)
PLAYGROUND_PROMPT_CHARACTERS = env.whole_number(
    "PLAYGROUND_PROMPT_CHARACTERS", 20_000, minimum=100, maximum=200_000
)
PLAYGROUND_MAX_TOKENS = env.whole_number("PLAYGROUND_MAX_TOKENS", 1024, minimum=1, maximum=32_768)
PLAYGROUND_SECONDS = env.whole_number("PLAYGROUND_SECONDS", 300, minimum=5, maximum=3600)
PLAYGROUND_MEMORY_GB = env.whole_number("PLAYGROUND_MEMORY_GB", 8, minimum=1, maximum=4096)
PLAYGROUND_UNKEPT_HOURS = env.whole_number("PLAYGROUND_UNKEPT_HOURS", 24, minimum=1, maximum=720)
PLAYGROUND_VOTES_SHOWN = env.whole_number("PLAYGROUND_VOTES_SHOWN", 20, minimum=2, maximum=10_000)

SPECTACULAR_SETTINGS = {
    "TITLE": "InstructLoop",
    "DESCRIPTION": "Labels in, trained policies out: the interface for programs.",
    "VERSION": __version__,
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "TaskKindEnum": "labeling.models.TaskKind",
        "SkipReasonEnum": "labeling.models.Skip.Reason",
        "ReportReasonEnum": "labeling.models.ResponseReport.Reason",
        "PromptKindEnum": "labeling.models.PromptKind",
        "PromptSourceEnum": "labeling.models.PromptSource",
        "CohortEnum": "labeling.models.Cohort",
        "BatchStatusEnum": "labeling.models.Batch.Status",
        "LabelerStatusEnum": "labeling.models.Labeler.Status",
        "DatasetKindEnum": "training.models.DatasetKind",
        "ModelKindEnum": "training.models.ModelKind",
        "ModelStatusEnum": "training.models.ModelStatus",
        "RunStateEnum": "training.models.RunState",
        "ReplyStateEnum": "training.models.ReplyState",
        "ConversationModeEnum": "training.models.Conversation.Mode",
        "SurveyKindEnum": "labeling.models.Survey.Kind",
    },
}

# Tasks
vars().update({f"CELERY_{name}": value for name, value in broker_settings(env, DATA_DIR).items()})
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_RESULT_SERIALIZER = "json"
CELERY_RESULT_EXPIRES = 24 * 3600
CELERY_TIMEZONE = TIME_ZONE
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ROUTES = {
    "training.tasks.advance_rounds": {"queue": "default"},
    "training.tasks.answer_turn": {"queue": "playground"},
    "training.tasks.recover_replies": {"queue": "default"},
    "training.tasks.recover_runs": {"queue": "default"},  # a full name goes before a pattern
    "training.tasks.announce_rounds": {"queue": "default"},
    "training.tasks.trace_datasets": {"queue": "default"},
    "training.tasks.*": {"queue": "gpu"},
}
CELERY_TASK_ACKS_LATE = True  # a task delivered twice does nothing, one that is lost does harm
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BEAT_SCHEDULER = "server.clock:Clock"
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "beat-schedule")
CELERY_BEAT_SCHEDULE = {
    "reclaim-leases": {"task": "labeling.tasks.reclaim_leases", "schedule": 60.0},
    "refresh-quality": {"task": "labeling.tasks.refresh_quality", "schedule": 60.0},
    "advance-rounds": {"task": "training.tasks.advance_rounds", "schedule": 20.0},
    "recover-runs": {"task": "training.tasks.recover_runs", "schedule": 60.0},
    "deliver-webhooks": {"task": "labeling.tasks.deliver_webhooks", "schedule": 10.0},
    "announce-rounds": {"task": "training.tasks.announce_rounds", "schedule": 60.0},
    "trace-datasets": {"task": "training.tasks.trace_datasets", "schedule": 300.0},
    "keep-statistics": {"task": "server.celery.keep_statistics", "schedule": 300.0},
    "clear-results": {"task": "celery.backend_cleanup", "schedule": crontab(hour=4, minute=0)},
}

# Logs: one line each, as text for people or as JSON for machines.
LOG_LEVEL = env.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"))
LOG_FORMAT = env.choice("LOG_FORMAT", "text", ("text", "json"))
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"},
        "json": {
            "()": "pythonjsonlogger.json.JsonFormatter",
            "format": "{asctime}{levelname}{name}{message}{process}",
            "style": "{",
            "rename_fields": {"asctime": "at", "levelname": "level", "name": "logger"},
        },
    },
    "filters": {"refusals": {"()": "server.logs.RefusalsWithoutTraceback"}},
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT, "filters": ["refusals"]}
    },
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        "django": {"handlers": [], "propagate": True, "level": LOG_LEVEL},
        "django.server": {"handlers": [], "propagate": True, "level": LOG_LEVEL},
        "axes": {"level": "WARNING"},
    },
}
