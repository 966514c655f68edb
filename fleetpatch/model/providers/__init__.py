"""What each provider's API takes: a literal table each (`tables`), and how to look into it."""
