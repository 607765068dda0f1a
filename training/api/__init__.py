"""The training side's JSON interface, for staff."""
