"""`python -m fleetpatch`."""

from fleetpatch.cli.app import main

main()
