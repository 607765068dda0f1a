"""The people of a demo: staff and a labeler who can log in, and simulated labelers, marked as such."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction

from labeling.models import Cohort, Labeler, Role, TaskKind, User
from labeling.rules.labelers import create_labeler
from training.demo.labelers import SimulatedLabeler

DOMAIN = "demo.example"
SIMULATED_DOMAIN = "simulated.invalid"
LOGINS = (
    ("manager", "Mara Manager", Role.MANAGER),
    ("researcher", "Robin Researcher", Role.RESEARCHER),
    ("labeler", "Lee Labeler", Role.LABELER),
)


@dataclass(frozen=True)
class Login:
    """An account that somebody can log in with, and the password made for it."""

    email: str
    role: str
    password: str


@transaction.atomic
def make_logins() -> list[Login]:
    """Make the demo's manager, researcher and labeler, or give them new passwords where they exist."""
    logins = []
    for short, name, role in LOGINS:
        email, password = f"{short}@{DOMAIN}", secrets.token_urlsafe(9)
        user = User.objects.filter(email=email).first()
        if user is None:
            user = User.objects.create_user(email, password, name=name, role=role)
        else:
            user.set_password(password)
            user.save(update_fields=["password"])
        if role == Role.LABELER and not Labeler.objects.filter(user=user).exists():
            create_labeler(user=user, cohort=Cohort.TRAIN, kinds=TaskKind.values)
        logins.append(Login(email=email, role=role, password=password))
    return logins


def staff(role: str) -> User:
    """Return the demo's manager or researcher, who does what a person of that role would click."""
    short = next(short for short, _, given in LOGINS if given == role)
    return User.objects.get(email=f"{short}@{DOMAIN}")


@transaction.atomic
def make_simulated_labelers(people: Sequence[SimulatedLabeler]) -> dict[str, Labeler]:
    """Give each simulated labeler an account nobody can log in with; returns profiles by name."""
    profiles = {}
    for person in people:
        known = Labeler.objects.filter(pseudonym=person.name).first()
        if known is None:
            email = f"{person.name}@{SIMULATED_DOMAIN}"
            user = User.objects.create_user(email, None, name=f"Simulated labeler {person.name[10:]}")
            held_out = person.cohort == Cohort.HELD_OUT
            known = create_labeler(
                user=user,
                cohort=person.cohort,
                kinds=[TaskKind.EVALUATION] if held_out else TaskKind.values,
                pseudonym=person.name,
                is_simulated=True,
            )
        profiles[person.name] = known
    return profiles
