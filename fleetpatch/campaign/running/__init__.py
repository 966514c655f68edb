"""Carries out a run: one session of it, its limits and waves, and how people steer it."""
