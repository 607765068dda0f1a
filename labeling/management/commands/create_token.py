"""Make a token for the JSON interface."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from labeling.errors import LabelingError
from labeling.models import User
from labeling.rules.accounts import MAX_TOKEN_DAYS, create_token


class Command(BaseCommand):
    help = "Make a token with which programs act for an account; it is shown once and stored as a hash."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", help="the account's e-mail address")
        parser.add_argument("--days", type=int, default=90, help="how long it works (default: %(default)s)")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(email__iexact=options["email"], is_active=True).first()
        if user is None:
            raise CommandError(f'There is no active account with the address "{options["email"]}".')
        if not 1 <= options["days"] <= MAX_TOKEN_DAYS:
            raise CommandError(f"--days is {options['days']}, must be 1 to {MAX_TOKEN_DAYS}.")
        try:
            row, token = create_token(user=user, by=None, days=options["days"])
        except LabelingError as error:
            raise CommandError(error.message) from error
        if options["json"]:
            self.stdout.write(json.dumps({"token": token, "expires_at": row.expiry.isoformat()}))
            return
        self.stdout.write(f"{token}\nMade 1 token for {user.email}; it works until {row.expiry:%Y-%m-%d}.")
