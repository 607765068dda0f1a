"""Settings for one machine: the demo, development, and small projects on the embedded database and broker."""

from server.environment import kept_secret_key
from server.settings.base import *
from server.settings.base import ALLOWED_HOSTS, DATA_DIR, STATIC_ROOT, env

SECRET_KEY = env.text("SECRET_KEY") or kept_secret_key(DATA_DIR)
ALLOWED_HOSTS = ALLOWED_HOSTS or ["localhost", "127.0.0.1", "[::1]"]
WHITENOISE_USE_FINDERS = True  # no collectstatic needed
STATIC_ROOT.mkdir(parents=True, exist_ok=True)
