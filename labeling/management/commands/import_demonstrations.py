"""Import demonstrations from a file."""

from typing import Any

from labeling.management.importing import ImportCommand, ImportRequest
from labeling.models import Intake, PromptSource
from labeling.rules import demonstrations


class Command(ImportCommand):
    help = "Take demonstrations in: prompt, response, optional labeler, user_id."
    default_source = PromptSource.LABELER

    def take(self, request: ImportRequest, options: dict[str, Any]) -> Intake:
        return demonstrations.import_demonstrations(**vars(request))
