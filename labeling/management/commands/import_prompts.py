"""Import prompts from a file."""

from argparse import ArgumentParser
from typing import Any

from labeling.management.importing import ImportCommand, ImportRequest
from labeling.models import Intake
from labeling.rules import prompts
from labeling.rules.prompts import IntakeSettings


class Command(ImportCommand):
    help = (
        "Take prompts in: prompt and user_id, optional id, category, kind, created_at, tags, parent. "
        "Duplicates, long common prefixes, prompts too long or in a language not wanted are refused; "
        "those beyond an author's cap are held."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--author-cap",
            type=int,
            help="prompts of one author in use (default: the cap in force, see apply_author_cap)",
        )
        parser.add_argument(
            "--prefix-characters",
            type=int,
            default=IntakeSettings.prefix_characters,
            help="shared characters at the start that make two prompts one (default: %(default)s)",
        )

    def settings(self, options: dict[str, Any], languages: frozenset[str] | None) -> IntakeSettings:
        return IntakeSettings(
            max_tokens=options["max_tokens"],
            languages=languages,
            author_cap=options["author_cap"],
            prefix_characters=options["prefix_characters"],
        )

    def take(self, request: ImportRequest, options: dict[str, Any]) -> Intake:
        return prompts.import_prompts(**vars(request))
