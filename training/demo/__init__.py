"""The demo: a toy world of instructions, simulated labelers, and one turn of the loop by the real rules."""
