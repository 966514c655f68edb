"""`fleetpatch annotate`: the same as `label`, for annotations."""

from fleetpatch.cli.adhoc import verb

command = verb("annotations", "Set and remove annotations on many objects.")
