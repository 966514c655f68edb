"""A block's `objects`: a list of objects by name, in the plan or in a file beside it.

An entry, or a line of the file, is `namespace/name`, or `cluster/namespace/name` for an object of
one cluster. A file may have blank lines and comments (`# ...`). The digest of its content is a part
of the plan, as that of a table is.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Final, TypeAlias

import msgspec

from fleetpatch.model.fields import Json
from fleetpatch.model.names import problem_of_dns_label, problem_of_object_name, show
from fleetpatch.model.plan.beside import FileBeside, Folder, problem_of_digest
from fleetpatch.model.plan.field_types import DIGEST, is_digest
from fleetpatch.model.plan.problems import Finding, Place, Problem, TreePath
from fleetpatch.model.plan.tree import list_at, mapping_at, sections
from fleetpatch.model.plan.value_types import Custom
from fleetpatch.model.plan.yaml.syntax import decode, place_of_byte

LARGEST: Final = 16 * 1024 * 1024
"""The maximum size of a list's file in bytes: its lines are kept in memory."""
MAX_PROBLEMS: Final = 20
"""Problems of one file that are reported: in a file of another format each line is one."""

_COMMENT: Final = re.compile(r"(^|\s)#.*")
_FORM: Final = "write namespace/name or cluster/namespace/name"


class NamedObject(msgspec.Struct, frozen=True):
    """An entry of a list; `cluster` is empty for any cluster. `line` counts from 1."""

    namespace: str
    name: str
    cluster: str = ""
    line: int = 0

    def __str__(self) -> str:
        place = f"{self.cluster}/" if self.cluster else ""
        return f"{place}{self.namespace}/{self.name}"


class ObjectList(msgspec.Struct, frozen=True):
    """What the plan says: a file, with the digest that it must have, or entries."""

    file: str = ""
    digest: str | None = None
    entries: tuple[str, ...] = ()


class ReadList(msgspec.Struct, frozen=True):
    """The objects of a list; `where` names the file, or is empty for entries of the plan."""

    objects: tuple[NamedObject, ...]
    where: str = ""

    def described(self, one: NamedObject) -> str:
        """Return an entry with its place: `ticket.txt:12: team-a/etl-7`."""
        return f"{self.where}:{one.line}: {one}" if self.where else str(one)


def _read(value: object) -> ObjectList:
    # Reader within the list are found by `ObjectLists`, which knows their places.
    match value:
        case dict():
            digest = value.get("digest")
            return ObjectList(str(value.get("file", "")), digest if is_digest(digest) else None)
        case list():
            return ObjectList(entries=tuple(map(str, value)))
        case _:
            raise ValueError(f"must be a list of objects, or {{file: FILE}}; {_FORM}")


def _write(value: ObjectList) -> Json:
    if not value.file:
        return list(value.entries)
    return {"file": value.file, **({"digest": value.digest} if value.digest else {})}


Objects: TypeAlias = Annotated[
    ObjectList,
    Custom(
        _read,
        _write,
        keywords={
            "anyOf": [
                {"type": "array", "minItems": 1, "items": {"type": "string"}},
                {
                    "type": "object",
                    "properties": {
                        "file": {
                            "type": "string",
                            "description": "A file with an object on each line.",
                        },
                        "digest": {
                            "type": "string",
                            "pattern": f"^{DIGEST.pattern}$",
                            "description": "The digest that the file must have, sha256:...",
                        },
                    },
                    "required": ["file"],
                    "additionalProperties": False,
                },
            ],
            "examples": [["team-a/etl-7"], {"file": "ticket-4711.txt"}],
        },
    ),
]


class ObjectLists:
    """The lists of a plan's blocks, by position, and what is wrong with them.

    `findings` are mistakes in the plan, `problems` those in the files. `digests` has the digest of
    each file that was read.
    """

    def __init__(self, tree: Json, folder: Folder) -> None:
        self.lists: dict[int, ReadList] = {}
        self.digests: dict[int, str] = {}
        self.findings: list[Finding] = []
        self.problems: list[Problem] = []
        # Of any type: what is wrong with the fleet is reported elsewhere.
        fleet = [mapping_at(tree, path).get("name") for path in sections(tree, ("fleet",))]
        self._clusters = frozenset(name for name in fleet if isinstance(name, str))
        for position, path in enumerate(sections(tree, ("targets",))):
            block = mapping_at(tree, path)
            here = (*path, "objects")
            match block.get("objects"):
                case dict() as section:
                    self.findings += self._of_file(position, here, section, folder)
                case list():
                    self.findings += self._of_plan(position, tree, here)
                case _:
                    continue
            self.findings += _combined(block, here)

    def _of_plan(self, position: int, tree: Json, path: TreePath) -> Iterator[Finding]:
        objects: dict[str, NamedObject] = {}
        entries = list_at(tree, path)
        if not entries:
            yield Finding(path, "is empty; add an entry, or remove it")
        for number, entry in enumerate(entries, 1):
            place = (*path, number - 1)
            if not isinstance(entry, str):
                yield Finding(place, f"must be text; {_FORM}")
                continue
            match self._entry(entry, number):
                case NamedObject() if entry in objects:
                    yield Finding(place, f"{entry!r} is listed twice; remove one")
                case NamedObject() as one:
                    objects[entry] = one
                case what:
                    yield Finding(place, str(what))
        self.lists[position] = ReadList(tuple(objects.values()))

    def _of_file(
        self, position: int, path: TreePath, section: Mapping[str, Json], folder: Folder
    ) -> Iterator[Finding]:
        for key in section:
            if key not in {"file", "digest"}:
                what = "is not a key of a list of objects; known here: digest, file"
                yield Finding((*path, key), what, of_key=True)
        file, digest = section.get("file"), section.get("digest")
        if "digest" in section and not is_digest(digest):
            yield Finding((*path, "digest"), "must be sha256: and 64 hexadecimal digits")
        if not isinstance(file, str) or not file:
            yield Finding((*path, "file"), "must name a file with an object on each line")
            return
        match folder.read(file, LARGEST):
            case str(what):
                yield Finding((*path, "file"), what)
            case FileBeside() as beside:
                if what := problem_of_digest(digest, beside):
                    yield Finding((*path, "digest"), what)
                self.digests[position] = beside.digest
                self.lists[position] = ReadList(self._lines(beside), beside.shown)

    def _lines(self, beside: FileBeside) -> tuple[NamedObject, ...]:
        objects: dict[tuple[str, str, str], NamedObject] = {}
        wrong = 0
        report = _reporter(self.problems, beside.shown)
        try:
            text = decode(beside.content)
        except UnicodeDecodeError as error:
            report(place_of_byte(error), "the file is not UTF-8 here; save it as UTF-8")
            return ()
        # Not `splitlines`, which also ends lines at characters that editors do not count.
        for number, line in enumerate(re.split(r"\r\n|\n|\r", text), 1):
            entry = _COMMENT.sub("", line).strip()
            if not entry:
                continue
            match self._entry(entry, number):
                case NamedObject() as one:
                    # Lists are put together from several sources: an object is a target once.
                    objects.setdefault((one.cluster, one.namespace, one.name), one)
                case what:
                    wrong += 1
                    if wrong <= MAX_PROBLEMS:
                        report(Place(number, 1 + line.index(entry)), str(what))
        if wrong > MAX_PROBLEMS:
            report(None, f"there are {wrong - MAX_PROBLEMS} more problems")
        if not (objects or wrong):
            report(Place(1, 1), "the list has no object; add one, or remove it from the plan")
        return tuple(objects.values())

    def _entry(self, entry: str, line: int) -> NamedObject | str:
        """Return the object that an entry names, or what is wrong with it."""
        parts = entry.split("/")
        if any(map(str.isspace, entry)) or len(parts) not in {2, 3}:
            return f"{show(entry)} is not an object; {_FORM}"
        *cluster, namespace, name = parts
        if problem := problem_of_dns_label(namespace):
            return f"{problem}; {_FORM}"
        if problem := problem_of_object_name(name):
            return problem
        if cluster and self._clusters and cluster[0] not in self._clusters:
            known = ", ".join(sorted(self._clusters))
            return f"{show(cluster[0])} is not a cluster of the fleet; it has {known}"
        if cluster and (problem := problem_of_object_name(cluster[0])):
            return problem
        return NamedObject(namespace, name, "".join(cluster), line)


def _combined(block: Mapping[str, Json], path: TreePath) -> Iterator[Finding]:
    for key in ("names", "namespaces"):
        if key in block:
            what = f"cannot be combined with {key}, since each entry has both; make two blocks"
            yield Finding(path, what, of_key=True)


def _reporter(problems: list[Problem], file: str) -> Callable[[Place | None, str], None]:
    def report(place: Place | None, what: str) -> None:
        problems.append(Problem(file, what, place))

    return report
