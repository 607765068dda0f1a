"""The Django app of training: datasets, runs, models, rounds and evaluations; the torch core lives in `rlhf`."""
