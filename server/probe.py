"""Ask the web server of this machine whether it can serve: the health check of its container.

python -m server.probe [http://127.0.0.1:8000/healthz]
"""

import os
import sys
from urllib.error import URLError
from urllib.request import Request, urlopen

DEFAULT_ADDRESS = "http://127.0.0.1:8000/healthz"


def main() -> int:
    """Return 0 if the answer is 200, else 1; the host name asked for is the first that is allowed."""
    address = sys.argv[1] if len(sys.argv) > 1 else DEFAULT_ADDRESS
    host = os.environ.get("ALLOWED_HOSTS", "").split(",")[0].strip().lstrip(".*") or "localhost"
    try:
        with urlopen(Request(address, headers={"Host": host}), timeout=4):
            return 0
    except URLError as error:
        sys.stderr.write(f"{address} does not answer: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
