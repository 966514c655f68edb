"""The base of all sections of a plan, and how a tree is read into them, and written.

The type of a key follows from the annotation of its attribute: `bool` is a truth value, `str` is
text, `tuple[X, ...]` a list. The annotation has a `ValueType` where the type in Python does not say
enough, as those in `fleetpatch.model.plan.field_types`. None is the default of a key that may be
absent; a file cannot contain it.
"""

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from enum import Enum
from functools import cache
from types import MappingProxyType, NoneType, UnionType
from typing import (
    Annotated,
    Any,
    ClassVar,
    Final,
    Literal,
    TypeVar,
    Union,
    get_args,
    get_origin,
)

import msgspec
from msgspec.structs import FieldInfo, fields, replace

from fleetpatch.model.fields import Json
from fleetpatch.model.plan.problems import Finding, TreePath, show_path
from fleetpatch.model.plan.value_types import (
    AnyMapping,
    Boolean,
    Integer,
    ListOf,
    MappingOf,
    OneOf,
    Reader,
    Schema,
    Source,
    Text,
    ValueType,
)
from fleetpatch.model.plan.value_words import not_a_mapping

S = TypeVar("S", bound="Section")


class Section(msgspec.Struct, frozen=True, rename="camel"):
    """A mapping of the plan file: camelCase there, snake_case here; immutable, no unknown keys."""

    schema_of_keys: ClassVar[Schema] = {}
    """What the JSON Schema says of several keys together."""

    @classmethod
    def wrong_type(cls, path: TreePath, value: Any) -> Finding:
        """Return the finding for a value that is not a mapping."""
        return Finding(path, not_a_mapping(value))

    @classmethod
    def unknown_key(cls, path: TreePath, value: Any) -> Finding:  # noqa: ARG003
        """Return the finding for an unknown key, the last step of `path`, with its `value`."""
        known = sorted(keys_of(cls))
        close = get_close_matches(str(path[-1]), known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known here: {', '.join(known)}"
        return Finding(path, f"is not a key of a plan; {hint}", of_key=True)

    @classmethod
    def is_missing(cls, key: str, section: Mapping[str, Any]) -> bool:
        """Report whether a required key that a section lacks is a mistake of its own."""
        return key not in section


class Key(msgspec.Struct, frozen=True):
    """A key of a section: the attribute `name`, and its type; `default` if it may be absent."""

    name: str
    value_type: ValueType
    default: Any
    is_required: bool


class NotEmpty:
    """Says in an annotation that a list or a mapping has an entry."""


class Arranged:
    """Says in an annotation that the order of a list has no meaning; `arrange` makes one."""

    def __init__(self, arrange: Callable[[Sequence[Any]], Sequence[Any]]) -> None:
        self.arrange = arrange


class SectionType(ValueType, frozen=True, eq=False):
    """A section, whose keys are those of its class."""

    section: type[Section]

    def read(self, value: Any, path: TreePath, reader: Reader) -> Section | None:
        """Return the section, or None if something in it is not valid."""
        section, known = self.section, keys_of(self.section)
        if not isinstance(value, dict):
            reader.findings.append(section.wrong_type(path, value))
            return None
        before = len(reader.findings)
        reader.findings += [
            section.unknown_key((*path, key), one) for key, one in value.items() if key not in known
        ]
        reader.findings += [
            Finding((*path, key), "is missing; add it")
            for key, one in known.items()
            if one.is_required and section.is_missing(key, value)
        ]
        values = {
            known[key].name: reader.read(known[key].value_type, one, (*path, key))
            for key, one in value.items()
            if key in known
        }
        return section(**values) if len(reader.findings) == before else None

    def write(self, value: Any) -> Json:
        """Return the keys of the section that do not have their defaults."""
        return as_tree(value)


@cache
def keys_of(section: type[Section]) -> dict[str, Key]:
    """Return the keys of a section, by their names in the file."""
    return {
        one.encode_name: Key(one.name, _type_of(one.type), _default(one), is_required=one.required)
        for one in fields(section)
    }


def _default(field: FieldInfo) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default


def _type_of(hint: Any) -> ValueType:
    """Return the type that an annotation means."""
    if get_origin(hint) is not Annotated:
        return _plain_type_of(hint)
    inner, *extras = get_args(hint)
    own = next((one for one in extras if isinstance(one, ValueType)), None)
    if own is not None:
        return own
    value_type = _type_of(inner)
    for extra in extras:
        match extra:
            case NotEmpty():
                value_type = replace(value_type, is_not_empty=True)
            case Arranged(arrange=arrange):
                value_type = replace(value_type, arrange=arrange)
    return value_type


def _plain_type_of(hint: Any) -> ValueType:
    arguments = [one for one in get_args(hint) if one is not NoneType]
    match get_origin(hint) or hint:
        case origin if origin in {Union, UnionType}:
            (only,) = arguments
            return _type_of(only)
        case origin if origin is Literal:
            return OneOf({word: word for word in arguments})
        case origin if origin is tuple:
            return ListOf(_type_of(arguments[0]))
        case origin if origin is Mapping:
            key, item = arguments
            return AnyMapping() if item is Any else MappingOf(_type_of(key), _type_of(item))
        case section if issubclass(section, Section):
            return SectionType(section)
        case choices if issubclass(choices, Enum):
            return OneOf({one.value: one for one in choices})
    return _BY_CLASS[hint]()


_BY_CLASS: Final[Mapping[type, type[ValueType]]] = MappingProxyType(
    {str: Text, bool: Boolean, int: Integer}
)


def read_section(
    section: type[S], tree: Json, source: Source
) -> tuple[S | None, tuple[Finding, ...]]:
    """Return the section that a tree is, or None and all mistakes in it."""
    reader = Reader(source)
    found = reader.read(SectionType(section), tree, ())
    return found, tuple(reader.findings)


def section_of(section: type[S], tree: Json) -> S:
    """Return the section that a tree is. Raises ValueError, which names each mistake."""
    found, findings = read_section(section, tree, lambda _: None)
    if found is None:
        raise ValueError("; ".join(f"{show_path(one.path)}: {one.what}" for one in findings))
    return found


def as_tree(section: Section) -> dict[str, Json]:
    """Return the keys of a section that do not have their defaults, as a file has them."""
    values = ((key, one, getattr(section, one.name)) for key, one in keys_of(type(section)).items())
    return {
        key: one.value_type.write(value)
        for key, one, value in values
        if one.is_required or value != one.default
    }
