"""Expands a plan into a run, and plans the undo of a run: what is read before anything is sent."""
