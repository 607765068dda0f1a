"""Publish the notice that people see before their prompts are kept."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from labeling.errors import LabelingError
from labeling.models import User
from labeling.rules.prompt_sources import publish_notice


class Command(BaseCommand):
    help = "Publish the next version of the notice that prompts from live sources are consented to under."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="the notice, in Markdown")
        parser.add_argument("--by", required=True, metavar="EMAIL", help="who publishes it")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(email__iexact=options["by"], is_active=True).first()
        if user is None:
            raise CommandError(f'There is no active account with the address "{options["by"]}".')
        try:
            notice = publish_notice(by=user, body=options["file"].read_text(encoding="utf-8"))
        except (LabelingError, OSError, UnicodeDecodeError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Published version {notice.version} of the notice.")
