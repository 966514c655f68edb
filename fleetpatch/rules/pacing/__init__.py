"""The pace of one cluster (docs/pacing.md): `governor` joins `hill_climb` and `refusals`."""
