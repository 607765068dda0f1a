"""Import responses from a file."""

from typing import Any

from labeling.management.importing import ImportCommand, ImportRequest
from labeling.models import Intake
from labeling.rules import responses


class Command(ImportCommand):
    help = "Take responses in: prompt, policy, response, optional sampling, index, has_ended, user_id."

    def take(self, request: ImportRequest, options: dict[str, Any]) -> Intake:
        return responses.import_responses(**vars(request))
