"""The labeling side's rules: plain functions that pages, the API, tasks and commands call alike."""
