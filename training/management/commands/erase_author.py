"""Erase the prompts of one person, with all that follows from it."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from labeling.errors import LabelingError
from labeling.rules.prompts import author_key_of
from labeling.rules.texts import counted
from training.rules.erasure import erase_prompts_of


class Command(BaseCommand):
    help = "Erase a person's prompts: their words go, new versions of datasets are made, models are marked."

    def add_arguments(self, parser: ArgumentParser) -> None:
        given = parser.add_mutually_exclusive_group(required=True)
        given.add_argument("--author", metavar="KEY", help="the author's key, as a prompt's page shows it")
        given.add_argument("--user-id", metavar="ID", help="the id that the import knew the person by")
        parser.add_argument("--reason", required=True, help="why; kept in the audit")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        key = options["author"] or author_key_of(options["user_id"])
        try:
            done = erase_prompts_of(author_key=key, by=None, reason=options["reason"])
        except LabelingError as error:
            raise CommandError(error.message) from error
        if options["json"]:
            report = {
                "author": key,
                "prompts": len(done.erasure.prompts),
                "responses": done.erasure.responses,
                "labels": done.erasure.labels,
                "datasets": {str(old.code): str(new.code) if new else None for old, new in done.datasets},
                "models": [str(model.code) for model in done.models],
            }
            self.stdout.write(json.dumps(report))
            return
        for old, new in done.datasets:
            self.stdout.write(
                f"dataset {old.code}: {f'replaced by {new.code}' if new else 'nothing is left of it'}"
            )
        self.stdout.write(
            f"Erased {counted(len(done.erasure.prompts), 'prompt')}, "
            f"{counted(done.erasure.responses, 'response')} and the words of "
            f"{counted(done.erasure.labels, 'label')}; held by {counted(len(done.datasets), 'dataset')}, "
            f"seen by {counted(len(done.models), 'model')}."
        )
