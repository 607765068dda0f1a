"""The Django app of training: datasets, runs, models, rounds, evaluations; the torch core lives in `rlhf`."""
