"""Floor 4: the output for people and programs.

This folder contains the structured log (`logs`), the progress bar (`progress`), and the texts for
plans, runs and targets, which are lines of plain text until `terminal` colours them. What does not
belong here: counting outcomes (the run file is queried for that) and decisions about a target.
"""
