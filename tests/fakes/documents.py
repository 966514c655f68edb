"""A store of whole objects that answers GETs and PATCHes of any type."""

from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from itertools import count
from typing import Any

from fleetpatch.model.answer import Answer
from fleetpatch.model.change import PatchType
from fleetpatch.model.equality import deep_equal
from fleetpatch.model.target import Seen
from fleetpatch.rules.patching.json_patch import InapplicableError, json_patched
from fleetpatch.rules.patching.merge_patch import merge_patched
from fleetpatch.rules.patching.strategic_patch import strategic_patched

from .cluster import Call
from .samples import JOB_RULES, failure, ok

_PATCHED: dict[PatchType, Callable[..., Any]] = {
    PatchType.MERGE: merge_patched,
    PatchType.STRATEGIC: partial(strategic_patched, rules=JOB_RULES),
    PatchType.JSON: json_patched,
}


def document(name: str, uid: str, version: str = "10", **more: Any) -> Any:
    """Return a job; `labels` go into its metadata, other keys beside it."""
    metadata = {"namespace": "team-a", "name": name, "uid": uid, "resourceVersion": version}
    labels = {"labels": more.pop("labels")} if "labels" in more else {}
    return {"metadata": {**metadata, **labels}, **more}


def seen_whole(whole: Any) -> Seen:
    """Return the Seen of a whole object."""
    metadata = whole["metadata"]
    return Seen(
        metadata["namespace"],
        metadata["name"],
        metadata["uid"],
        metadata["resourceVersion"],
        metadata.get("labels", {}),
        metadata.get("annotations", {}),
        whole,
    )


class DocumentStore:
    """Objects with any fields; `writes` counts the PATCHes that changed an object, by name."""

    def __init__(self, documents: Iterable[Any] = ()) -> None:
        self.documents = {one["metadata"]["name"]: one for one in documents}
        self.writes: Counter[str] = Counter()
        self._versions = count(1000)

    def read(self, call: Call) -> Answer:
        """Answer a GET."""
        return ok(seen_whole(self.documents[call.target.name]))

    def patch(self, call: Call) -> Answer:
        """Answer a PATCH, with the guards of an API server."""
        assert call.type is not None
        name = call.target.name
        before = self.documents[name]
        try:
            after = _PATCHED[call.type](before, call.body)
        except InapplicableError:
            return failure(422, "Invalid", "the server rejected our request", about="")
        version = before["metadata"]["resourceVersion"]
        if after["metadata"]["resourceVersion"] != version:
            return failure(409, "Conflict", "the object has been modified")
        if deep_equal(after, before) or call.dry_run:
            return ok(seen_whole(after))
        self.writes[name] += 1
        return ok(seen_whole(self._put(name, after)))

    def write(self, name: str, patch: Any) -> None:
        """Apply a merge patch of another writer."""
        self._put(name, merge_patched(self.documents[name], patch))

    def _put(self, name: str, after: Any) -> Any:
        metadata = {**after["metadata"], "resourceVersion": str(next(self._versions))}
        self.documents[name] = {**after, "metadata": metadata}
        return self.documents[name]
