"""How large a demo is, and which configs its runs use. Nothing here says how it must end."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

SHIPPED: Mapping[str, str] = MappingProxyType(
    {"sft": "tiny_sft", "sample": "tiny_sample", "reward": "tiny_reward", "ppo": "tiny_ppo_ptx"}
)


REAL_WEIGHTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "sft": ("optim.learning_rate=2e-5",),
        "reward": ("optim.learning_rate=1e-5",),
        "ppo": ("optim.learning_rate=5e-6", "ppo.value_learning_rate=1e-5"),
    }
)
"""The tiny models learn at rates that would break weights somebody pretrained for longer than a minute."""


@dataclass(frozen=True)
class Plan:
    """The sizes of a demo. The defaults fit two CPU cores and a few minutes.

    base_model            weights to start from, a folder or an id on the hub; none means pretrain a tiny one
    authors, per_author   who writes prompts, and how many each
    documents             texts to pretrain on
    prompts               demonstrations, and comparisons, of train prompts
    k                     responses in a comparison
    shared_fraction       share of comparisons that two labelers rank, to measure agreement
    gate                  what the labels must show before training; labelers skip some of the shared tasks
    held_out_prompts      valid prompts whose responses held-out labelers rank twice: the reward model's test
    test_samples          responses of each policy to each test prompt, for the table
    next_k, next_prompts  comparisons of the next round, which wait for real people
    overrides             changes to shipped configs, by stage: "section.key=value"
    """

    seed: int = 1
    base_model: str = ""
    authors: int = 80
    per_author: int = 25
    documents: int = 20_000
    prompts: int = 1200
    valid_prompts: int = 40
    k: int = 8
    shared_fraction: float = 0.1
    gate: Mapping[str, float] = field(default_factory=lambda: {"overlap": 0.05})
    train_labelers: int = 6
    held_out_labelers: int = 4
    held_out_prompts: int = 120
    test_samples: int = 4
    next_k: int = 4
    next_prompts: int = 60
    configs: Mapping[str, str] = field(default_factory=lambda: dict(SHIPPED))
    overrides: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def overrides_for(self, stage: str) -> list[str]:
        """Return the changes to a stage's config, the seed among them."""
        usual = REAL_WEIGHTS.get(stage, ()) if self.base_model else ()
        return [f"seed={self.seed}", *usual, *self.overrides.get(stage, ())]

    def round_settings(self) -> dict[str, object]:
        """Return the settings of the demo's round."""
        return {
            "k": self.k,
            "overlap": 2,
            "shared_fraction": self.shared_fraction,
            "gate": dict(self.gate),
            "prompts": self.prompts,
            "valid_prompts": self.valid_prompts,
            "configs": dict(self.configs),
            "overrides": {stage: self.overrides_for(stage) for stage in self.configs},
        }
