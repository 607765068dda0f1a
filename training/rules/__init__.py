"""What may happen to datasets, runs, models, rounds and evaluations; nothing here knows of requests."""
