"""The loop on all the real material, in a database of its own; prints the figures as JSON.

python -m tests.real_data [--evaluate-only] [folder]
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

import django

from tests.services.machine import find_real_data

EVALUATE_ONLY = "--evaluate-only"


def main() -> int:
    """Import, train, and sample the next round; about a quarter of an hour on two cores."""
    given = [word for word in sys.argv[1:] if word != EVALUATE_ONLY]
    data = Path(given[0]) if given else find_real_data()
    if data is None:
        sys.stderr.write("There is no real data; name its folder: python -m tests.real_data FOLDER\n")
        return 1
    os.environ.setdefault("DATA_DIR", tempfile.mkdtemp(prefix="instructloop-real-data-"))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "server.settings.demo")
    django.setup()
    from django.core.management import call_command  # needs the settings

    call_command("migrate", verbosity=0)
    sys.stdout.write(json.dumps(turn(data, trains=EVALUATE_ONLY not in sys.argv), indent=2) + "\n")
    return 0


def turn(data: Path, *, trains: bool = True) -> dict[str, object]:
    """Turn the loop once and return what came out; without training, only import and evaluate."""
    from tests.real_data import evaluation, loop  # need the settings

    found: dict[str, object] = {}
    began = time.monotonic()
    intakes = {
        "seed tasks": loop.import_seed_tasks(data),
        "model outputs": loop.import_model_outputs(data),
        "preferences": loop.import_preferences(data, loop.FULL),
    }
    found["intake"] = {name: {"read": intake.read, **intake.counts} for name, intake in intakes.items()}
    eight = loop.open_comparisons_of(loop.model_names(data))
    found["eight-way tasks"] = eight.tasks.count()
    found["evaluation against davinci, judged by nearness to people's answers"] = evaluation.as_table(
        evaluation.evaluate(data)
    )
    if not trains:
        return found
    base = loop.train_base(loop.FULL)
    supervised = loop.train_sft(loop.FULL, base)
    reward = loop.train_reward(loop.FULL, supervised)
    policy = loop.train_ppo(loop.FULL, supervised, reward)
    taxes = evaluation.alignment_tax_on_pairs(data, after=policy, before=base, pairs=500)
    found["PPO beside its base on which of two replies people preferred"] = {
        tax.label: [round(tax.before.value, 3), round(tax.after.value, 3), tax.verdict] for tax in taxes
    }
    following = loop.open_next_comparisons(loop.FULL, supervised, policy)
    found["reward model on held-out pairs (chance 0.5)"] = loop.accuracy_of(reward)
    for name, model in (("base", base), ("SFT", supervised), ("PPO", policy)):
        metrics = model.facts["metrics"]
        wanted = ("valid/loss", "valid/score", "valid/kl", "objective/score", "objective/kl")
        found[name] = {key: round(metrics[key], 4) for key in wanted if key in metrics}
    found["next round tasks"] = following.tasks.count()
    found["seconds"] = round(time.monotonic() - began)
    return found


if __name__ == "__main__":
    sys.exit(main())
