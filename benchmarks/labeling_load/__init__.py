"""How many labels can be finished, how fast, and for how much CPU, while many people label at full speed?

PostgreSQL that keeps its promises (`fsync`, `synchronous_commit`), Redis, and the web as in production.
Virtual labelers in a process of their own ask for the next task and submit a ranking of four responses with
ratings and flags, without a pause. Afterwards every acknowledged label is looked for in the export.
"""
