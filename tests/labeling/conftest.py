"""The cast: Alice is qualified, Bob is in screening, Charlie is an outsider; Dana researches, Mia manages."""

import pytest

from labeling.models import Cohort, Labeler, Role, TaskKind, User
from tests.factories import LabelerFactory, UserFactory, qualified_labeler


@pytest.fixture
def alice(db: None) -> Labeler:
    """A labeler qualified for everything."""
    return qualified_labeler(
        user=UserFactory.create(email="alice@example.org", name="Alice"), pseudonym="L-ALICE"
    )


@pytest.fixture
def bob(db: None) -> Labeler:
    """A labeler still in screening."""
    user = UserFactory.create(email="bob@example.org", name="Bob")
    return LabelerFactory.create(user=user, pseudonym="L-BOB", status=Labeler.Status.SCREENING)


@pytest.fixture
def charlie(db: None) -> User:
    """An account that is nobody here: no labeler, no staff."""
    return UserFactory.create(email="charlie@example.org", name="Charlie")


@pytest.fixture
def dana(db: None) -> User:
    """A researcher."""
    return UserFactory.create(email="dana@example.org", name="Dana", role=Role.RESEARCHER)


@pytest.fixture
def mia(db: None) -> User:
    """A manager."""
    return UserFactory.create(email="mia@example.org", name="Mia", role=Role.MANAGER)


@pytest.fixture
def olga(db: None) -> User:
    """An owner."""
    return UserFactory.create(email="olga@example.org", name="Olga", role=Role.OWNER)


@pytest.fixture
def hana(db: None) -> Labeler:
    """A held-out labeler, qualified for everything, so that only her cohort keeps training work away."""
    return qualified_labeler(
        *TaskKind.values,
        user=UserFactory.create(email="hana@example.org", name="Hana"),
        pseudonym="L-HANA",
        cohort=Cohort.HELD_OUT,
    )
