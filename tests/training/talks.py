"""Policies to talk to: tiny ones made on the spot, and conversations with them."""

from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from labeling.models import Policy, PromptNotice, Role, User
from tests.factories import UserFactory
from tests.rlhf.conftest import texts, tiny_model
from training.models import Conversation, Model, ModelKind, Reply, ReplyState, Turn
from training.rlhf.model import save_policy
from training.rlhf.pretrain import train_tokenizer
from training.rlhf.stage_configs import Pretrain
from training.rlhf.tokenizer import make_codec
from training.rules import artifacts, playground


@cache
def tiny_folder(seed: int = 0) -> Path:
    """Return the folder of a policy of a few thousand parameters, made once in a process."""
    tokenizer = train_tokenizer([row["text"] for row in texts(200)], Pretrain(vocab_size=320, context=128))
    codec = make_codec(tokenizer, source="", key="test")
    folder = Path(mkdtemp(prefix="tiny-policy-"))
    save_policy(tiny_model(codec, "llama", seed=seed), codec, folder, {"kind": "sft"})
    return folder


def policy(name: str, kind: str = ModelKind.SFT, *, seed: int = 0, **fields: Any) -> Model:
    """Return a registered policy whose weights are real."""
    artifacts.store(tiny_folder(seed), f"models/{name}")
    writes = Policy.objects.create(name=name, kind=Policy.Kind.TRAINED)
    return Model.objects.create(name=name, kind=kind, folder=f"models/{name}", policy=writes, **fields)


def trained_pair() -> tuple[Model, Model]:
    """Return a supervised policy and one that PPO made of it."""
    before = policy("sft-1")
    return before, policy("ppo-1", ModelKind.PPO, seed=1, parent=before)


def researcher(**fields: Any) -> User:
    return UserFactory.create(role=Role.RESEARCHER, **fields)


def notice() -> PromptNotice:
    return PromptNotice.objects.create(version=1, body="Prompts may be used for **training**.")


def conversation(owner: User, *models: Model, seed: int = 1, **fields: Any) -> Conversation:
    """Start a conversation whose replies are the same in every run: an untrained policy may end at once."""
    begun = playground.start_conversation(owner=owner, models=models, **{"max_tokens": 20, **fields})
    begun.seed = seed
    begun.save(update_fields=["seed"])
    return begun


def asked(given: Conversation, text: str = "say red") -> Turn:
    return playground.send_prompt(conversation=given, text=text, by=given.owner)


def answered(given: Conversation, text: str = "say red", replies: tuple[str, ...] = ()) -> Turn:
    """Send a prompt and write the replies by hand, as if a worker had."""
    turn = asked(given, text)
    for at, reply in enumerate(turn.replies.order_by("side__position")):
        said = replies[at] if replies else f"Reply {at}."
        Reply.objects.filter(pk=reply.pk).update(state=ReplyState.DONE, text=said, tokens=3, attempt=1)
    return turn
