"""Run every check and every test, with the servers they need: `python -m tests.services` (`make test`).

Standard library only, so that it can say what is missing on a machine where nothing is prepared.
"""
