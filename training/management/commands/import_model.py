"""Enter a model from outside into the registry."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from labeling.errors import LabelingError
from training.models import ModelKind
from training.rules.models import import_model


class Command(BaseCommand):
    help = "Enter a model into the registry: a folder that transformers saved, or an id on the hub."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("source", help="a folder, or an id such as owner/name")
        parser.add_argument("--name", required=True, help="what to call it")
        parser.add_argument("--kind", choices=ModelKind.values, default=ModelKind.BASE.value)
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            model = import_model(source=options["source"], name=options["name"], kind=options["kind"])
        except LabelingError as error:
            raise CommandError(error.message) from error
        if options["json"]:
            report = {"code": str(model.code), "name": model.name, "kind": model.kind}
            self.stdout.write(json.dumps(report))
        else:
            self.stdout.write(f"code {model.code}\nEntered 1 model, {model.name} ({model.kind}).")
