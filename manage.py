#!/usr/bin/env python
"""Run Django's commands for InstructLoop."""

import os
import sys

from django.core.management import execute_from_command_line


def main() -> None:
    """Run the command named on the command line, on the demo's settings unless told otherwise."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "server.settings.demo")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
