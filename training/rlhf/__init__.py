"""The torch core: pretraining of a tiny base, SFT, reward model, PPO and PPO-ptx, sampling, evaluation."""
