"""What a person, or the command line for them, has allowed one session of a run."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Permits:
    """What a session may do beyond its plan.

    `resumed` goes on after a halt, accepting the failures so far; `promoted` lets the next wave
    begin without its pause and check; `patient` waits for the window to open.
    """

    resumed: bool = False
    promoted: bool = False
    patient: bool = False
