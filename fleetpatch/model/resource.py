"""The kinds of object that a server serves, as discovery names them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Resource:
    """One served resource: `batch/v1 jobs`, with all the names that people call it by.

    `plural` is the name in paths (`jobs`), `kind` the name in objects (`Job`). `group` is empty for
    the core group.
    """

    group: str
    version: str
    plural: str
    kind: str
    singular: str = ""
    short_names: tuple[str, ...] = ()
    namespaced: bool = True

    @property
    def name(self) -> str:
        """The unambiguous name, as kubectl prints it: `jobs.batch`, `tfjobs.kubeflow.org`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def api_version(self) -> str:
        """`group/version`, as an object's `apiVersion` has it."""
        return f"{self.group}/{self.version}" if self.group else self.version
