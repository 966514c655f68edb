"""Floor 4: what people and programs are shown.

Here live the structured log (`logs`), the progress bar (`progress`), and the texts for plans, runs
and targets, which are lines of plain text until `terminal` colours them. What does not belong here:
any counting of outcomes (they come folded from the run file) and any decision about a target.
"""
