"""What takes two values of a patch to be wrong, and what must not be patched at all."""

from collections.abc import Iterator
from typing import Final

from fleetpatch.model.fields import Json
from fleetpatch.model.names import problem_of_annotations
from fleetpatch.model.plan.problems import Finding, TreePath
from fleetpatch.model.plan.tree import list_at, mapping_at, sections, texts_at
from fleetpatch.model.protected import is_protected

OWN: Final = ("labels", "annotations", "renameLabels")
"""The parts of a patch that go together."""

OTHER: Final = ("merge", "json", "strategic", "apply")
"""The other kinds of patch; each stands alone."""

_IDENTITY: Final = ("name", "namespace", "uid", "resourceVersion", "generateName")
_JSON_OPERATIONS: Final = ("add", "remove", "replace", "move", "copy", "test")


def check_patch(tree: Json) -> Iterator[Finding]:
    """Find what does not go together in the patch, and the protected keys that it touches."""
    yield from _one_kind(tree)
    yield from _renames(tree)
    yield from _annotations(tree)
    for kind in ("merge", "strategic", "apply"):
        yield from _document(tree, ("patch", kind))
    yield from _directives(mapping_at(tree, ("patch", "strategic")), ("patch", "strategic"))
    for operation in sections(tree, ("patch", "json")):
        yield from _operation(mapping_at(tree, operation), operation)
    yield from _protected(tree)


def _one_kind(tree: Json) -> Iterator[Finding]:
    patch = mapping_at(tree, ("patch",))
    if patch == {} and isinstance(tree.get("patch"), dict):
        yield Finding(("patch",), "changes nothing; give labels, annotations or renameLabels")
    first = next((key for key in patch if key in OWN), None)
    for key in patch:
        if key not in OTHER:
            continue
        if first:
            what = f"stands alone, without {first}; make two plans"
            yield Finding(("patch", key), what, of_key=True)
        first = first or key


def _renames(tree: Json) -> Iterator[Finding]:
    path = ("patch", "renameLabels")
    renames = {old: new for old, new in mapping_at(tree, path).items() if isinstance(new, str)}
    labels = mapping_at(tree, ("patch", "labels"))
    taken: dict[str, str] = {}
    for old, new in renames.items():
        if old == new:
            yield Finding((*path, old), f"renames {old!r} to itself; remove it")
        elif new in renames:
            yield Finding((*path, old), f"{new!r} is renamed, too; rename in two plans")
        if new in taken:
            yield Finding((*path, old), f"{taken[new]!r} is renamed to {new!r} already; remove one")
        taken.setdefault(new, old)
        for key, of_key in ((old, True), (new, False)):
            if key in labels:
                does = "removed" if labels[key] is None else "set"
                what = f"{key!r} is {does} under patch.labels, too; remove one of the two"
                yield Finding((*path, old), what, of_key=of_key)


def _annotations(tree: Json) -> Iterator[Finding]:
    path = ("patch", "annotations")
    texts = {key: value for key, value in mapping_at(tree, path).items() if isinstance(value, str)}
    if problem := problem_of_annotations(texts):
        yield Finding(path, problem, of_key=True)


def _document(tree: Json, path: TreePath) -> Iterator[Finding]:
    document = mapping_at(tree, path)
    if mapping_at(tree, ("patch",)).get(str(path[-1])) == {}:
        yield Finding(path, "changes nothing; say what to change", of_key=True)
    if isinstance(document.get("op"), str) and "path" in document:
        yield Finding(
            path,
            "looks like a JSON Patch operation, and a server would ignore it here; write"
            " 'json: [{op: ..., path: ...}]'",
            of_key=True,
        )
    if "status" in document:
        yield Finding((*path, "status"), "belongs to the kind's controller; remove it", of_key=True)
    for key in _IDENTITY:
        if key in mapping_at(document, ("metadata",)):
            what = "says which object it is, and cannot be patched; remove it"
            yield Finding((*path, "metadata", key), what, of_key=True)


def _directives(document: Json, path: TreePath) -> Iterator[Finding]:
    """Find directives of strategic merge whose effect is not known here, so not undone either."""
    for key, value in mapping_at(document, ()).items():
        if key.startswith("$") and key != "$patch":
            what = f"{key} could not be undone; leave it out, or change the list as a whole"
            yield Finding((*path, key), what, of_key=True)
        yield from _directives(value, (*path, key))
    for position, entry in enumerate(list_at(document, ())):
        yield from _directives(entry, (*path, position))


def _operation(operation: dict[str, Json], path: TreePath) -> Iterator[Finding]:
    if not operation:
        return
    name = operation.get("op")
    if name not in _JSON_OPERATIONS:
        yield Finding((*path, "op"), f"must be one of {', '.join(_JSON_OPERATIONS)}")
    pointers = ["path", "from"] if name in {"move", "copy"} else ["path"]
    for key in pointers:
        pointer = operation.get(key)
        if not isinstance(pointer, str) or not pointer.startswith("/"):
            yield Finding((*path, key), "must be a JSON pointer such as /metadata/labels/team")
    if name in {"add", "replace", "test"} and "value" not in operation:
        yield Finding((*path, "value"), f"is missing; {name} needs one")


def _protected(tree: Json) -> Iterator[Finding]:
    allowed = {key for _, key in texts_at(tree, ("guards", "allowKeys"))}
    for finding_path, key, of_key in _touched(tree):
        if is_protected(key) and key not in allowed:
            yield Finding(
                finding_path,
                f"{key!r} belongs to the job's controller; leave it alone, or name it in"
                " guards.allowKeys",
                of_key=of_key,
            )


def _touched(tree: Json) -> Iterator[tuple[TreePath, str, bool]]:
    """Give each label and annotation key that the patch names: its path, itself, if it is a key."""
    renames: TreePath = ("patch", "renameLabels")
    yield from (((*renames, old), old, True) for old in mapping_at(tree, renames))
    yield from (
        ((*renames, old), new, False)
        for old, new in mapping_at(tree, renames).items()
        if isinstance(new, str)
    )
    parents: list[TreePath] = [("patch",)]
    parents += [("patch", kind, "metadata") for kind in ("merge", "strategic", "apply")]
    for parent in parents:
        for name in ("labels", "annotations"):
            path = (*parent, name)
            yield from (((*path, key), key, True) for key in mapping_at(tree, path))
    for position, operation in enumerate(list_at(tree, ("patch", "json"))):
        pointer = mapping_at(operation, ()).get("path")
        if isinstance(pointer, str) and pointer.startswith(
            ("/metadata/labels/", "/metadata/annot")
        ):
            key = pointer.split("/", 3)[3].replace("~1", "/").replace("~0", "~")
            yield ("patch", "json", position, "path"), key, False
