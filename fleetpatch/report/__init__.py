"""Floor 4: the output for people and programs.

This folder contains the structured log (`logs`), the progress bar (`progress`), and the texts for
plans, runs and targets, which are lines of plain text until `terminal` colours them. Counts of
outcomes come from queries of the run file, and decisions about a target from `rules`.
"""
