"""Fill an empty database of Label Studio with people and tasks; runs in its environment, by its models.

python peer_seed.py TASKS LABELERS OUT_FILE
"""

import json
import sys
from importlib import import_module
from pathlib import Path

import django

CONFIG = """
<View>
  <Text name="prompt" value="$prompt"/>
  <List name="answers" value="$items"/>
  <Ranker name="rank" toName="answers"/>
</View>
"""
PROMPT = (
    "Please explain number {} of the list to a reader who has never heard of it, in plain words, with one "
    "example from daily life and one from work. Keep to two paragraphs and do not use any jargon."
)
ANSWER = "Response {}: " + 4 * (
    "It helps to start from what the reader knows already and to go on from there, one small step at a time. "
)
PLACES = "abcd"


def main() -> int:
    """Make one organization of people with tokens, and one project of tasks with an overlap of one."""
    tasks, labelers, out = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    django.setup()
    User = import_module("users.models").User
    Organization = import_module("organizations.models").Organization
    Project = import_module("projects.models").Project
    Task = import_module("tasks.models").Task
    owner = User.objects.create_user(email="owner@load.invalid", password="not used by the load")
    organization = Organization.create_organization(
        created_by=owner, title="Load", legacy_api_tokens_enabled=True
    )
    tokens = []
    for number in range(labelers):
        user = User.objects.create(email=f"load-{number}@load.invalid", username=f"load-{number}")
        organization.add_user(user)
        user.active_organization = organization
        user.save(update_fields=["active_organization"])
        tokens.append(user.auth_token.key)
    project = Project.objects.create(
        title="Load", created_by=owner, organization=organization, label_config=CONFIG, is_published=True
    )
    made = [
        Task(project=project, data=data_of(number), overlap=1, inner_id=number)
        for number in range(1, tasks + 1)
    ]
    Task.objects.bulk_create(made, batch_size=1000)
    project.summary.update_data_columns([data_of(1)])
    out.write_text(json.dumps({"tokens": tokens, "project": project.pk}), encoding="utf-8")
    return 0


def data_of(number: int) -> dict[str, object]:
    """Make the prompt and four responses of a task, texts as long as those of the product's own load."""
    items = [{"id": place, "title": place, "body": ANSWER.format(f"{number} {place}")} for place in PLACES]
    return {"prompt": PROMPT.format(number), "items": items}


if __name__ == "__main__":
    sys.exit(main())
