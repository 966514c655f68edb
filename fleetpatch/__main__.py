"""`python -m fleetpatch`."""

from fleetpatch.cli.app import main

# Worker processes import the main module of the process that starts them.
if __name__ == "__main__":
    main()
