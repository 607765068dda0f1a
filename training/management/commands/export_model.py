"""Copy a model out as a folder that transformers loads, with its card."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from labeling.errors import LabelingError
from training.models import Model
from training.rules.model_export import copy_out


class Command(BaseCommand):
    help = "Copy a model's folder and its card to a place of its own."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="of the model in the registry")
        parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="an empty folder")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        out: Path = options["out"]
        if out.exists() and any(out.iterdir()):
            raise CommandError(f"{out} is not empty; name a folder that is.")
        model = Model.objects.select_related("run", "policy").filter(name=options["name"]).first()
        if model is None:
            names = ", ".join(Model.objects.values_list("name", flat=True)[:10]) or "none yet"
            raise CommandError(f"There is no model {options['name']}; the newest are: {names}.")
        try:
            copy_out(model, out)
        except (LabelingError, FileNotFoundError) as error:
            raise CommandError(str(error)) from error
        files = sum(1 for path in out.rglob("*") if path.is_file())
        if options["json"]:
            self.stdout.write(json.dumps({"model": model.name, "out": str(out), "files": files}))
        else:
            self.stdout.write(f"Copied {files} files of {model.name} to {out}.")
