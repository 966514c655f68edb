"""`fleetpatch label`: the habit of kubectl, planned, paced and on record."""

from fleetpatch.cli.adhoc import verb

command = verb("labels", "Set and remove labels on many objects, as kubectl would on one.")
