"""The facts of a run as a whole, in its open run file: state, people's decisions, digest, merging.

Each method that writes does so in one transaction, as `fleetpatch.journal.runfile` describes.
"""

from pathlib import Path

from msgspec.structs import replace

from fleetpatch.journal import meta, seal
from fleetpatch.journal.database import Database
from fleetpatch.journal.errors import run_file_error
from fleetpatch.model.cause import Cause, CauseCode
from fleetpatch.model.run import RunInfo, RunState
from fleetpatch.model.steering import Request
from fleetpatch.rules.patching.merging import RunMerging


class RunFacts:
    """What a run file has about its run beside targets.

    `path` is the path of the file, `info` what was fixed when the plan was expanded.
    """

    def __init__(self, database: Database, info: RunInfo) -> None:
        self.path = database.path
        self.info = info
        self.database = database

    @property
    def state(self) -> RunState:
        """The state of the run."""
        return meta.state(self.database)[0]

    def set_state(self, state: RunState, cause: Cause | None = None) -> None:
        """Store the state of the run, with its cause. Raises RunFileError if unsealed."""
        self.require_sealed()
        with self.database.transaction():
            meta.put_state(self.database, state, cause)
            self.database.put([("partly", 0)])

    @property
    def was_over_workers(self) -> bool:
        """Whether workers sent the requests of the latest session."""
        return meta.over_workers(self.database)

    @property
    def is_cancelled(self) -> bool:
        """Whether a person has cancelled the run."""
        return meta.state(self.database)[2] == CauseCode.CANCELLED

    @property
    def accepted_failures(self) -> int:
        """The number of failures that a person accepted by resuming a halted run."""
        return meta.accepted_failures(self.database)

    def accept_failures(self, failures: int) -> None:
        """Store the number of accepted failures; `failures` is the number of all so far."""
        with self.database.transaction():
            self.database.put([("pardoned", failures)])

    @property
    def merging(self) -> RunMerging:
        """What is known of how the clusters merge."""
        return meta.merging(self.database)

    def note_merging(self, merging: RunMerging) -> None:
        """Store what is known of how the clusters merge."""
        with self.database.transaction():
            meta.note_merging(self.database, merging)

    @property
    def sealed(self) -> str:
        """The checksum that the run was sealed with; empty in a file of an older version."""
        return seal.stored(self.database)

    def is_as_sealed(self) -> bool:
        """Return whether what the seal covers is unchanged. Reads all targets."""
        return seal.is_intact(self.database, self.info.tool_version)

    def set_reason(self, reason: str) -> None:
        """Replace the reason why the run is made."""
        with self.database.transaction():
            self.database.put([("reason", reason)])
        self.info = replace(self.info, reason=reason)

    def note_undo(self, run: str, *, in_part: bool = False, run_file: Path | None = None) -> None:
        """Store the name of the run that put this one back, or a part of it; empty if none has.

        `run_file` is the path of its run file, if that is known.
        """
        with self.database.transaction():
            meta.note_undo(self.database, run, run_file, in_part=in_part)

    @property
    def steering(self) -> tuple[Request, ...]:
        """The requests of people that sessions of the run have followed, in their order."""
        return meta.steering(self.database)

    def note_steering(self, *requests: Request) -> None:
        """Store requests that are followed; one that is known already stays as it is."""
        with self.database.transaction():
            meta.add_steering(self.database, requests)

    def require_sealed(self) -> None:
        """Raise RunFileError if the planning of the run was interrupted."""
        if self.state is RunState.PLANNING:
            of = self.info.undo_of
            again = f"plan it again with `fleetpatch undo {of}`" if of else "plan again"
            raise run_file_error(
                self.path, f"holds no targets: its planning was interrupted; {again}"
            )
