"""The loop on real material: ../shared/data, or the folder INSTRUCTLOOP_DATA names. None of it is ours."""
