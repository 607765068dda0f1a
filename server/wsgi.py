"""The WSGI entry point, on the production settings unless told otherwise."""

import os
import sys

from django.core.wsgi import get_wsgi_application

from server.collector import settle
from server.token_requests import with_short_way

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "server.settings.production")

application = with_short_way(get_wsgi_application())

settle()
# A thread that waits for the database gives way at once anyway. Taking turns more often than this between
# threads that compute costs a third of the throughput (benchmarks/labeling_load).
sys.setswitchinterval(0.1)
