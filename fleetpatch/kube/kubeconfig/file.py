"""Reads one kubeconfig file, and decodes it as client-go does.

As in kubectl, of several documents in a file the first one counts, and of a repeated key the last
value; both are reported as warnings. Two entries of one name in a list are an error, as in kubectl.

A kubeconfig contains secrets, and a YAML parser quotes the text around a mistake. So the messages
here have only the place of a mistake, not the parser's message.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Final, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import MarkedYAMLError

from fleetpatch.errors import KubeconfigError
from fleetpatch.kube.kubeconfig.content import SIZE_LIMIT, read_bytes
from fleetpatch.model.masking import mask_strictly
from fleetpatch.model.partial_repr import PartialRepr
from fleetpatch.model.text import clean

SECTIONS: Final = {"clusters": "cluster", "users": "user", "contexts": "context"}
"""The named lists of a kubeconfig, each with the key of an entry for its body."""

_HEADER: Final = {"apiVersion": "v1", "kind": "Config"}
_YAML_DIRECTIVE: Final = re.compile(rb"^%YAML[ \t]+([^\s#]+)", re.MULTILINE)
_YAML_VERSIONS: Final = (b"1.1", b"1.2")

KubeconfigEntry: TypeAlias = dict[str, Any]


class KubeconfigFile(PartialRepr, frozen=True):
    """One file: its current context, and its entries by section and name. Contains secrets."""

    _printed: ClassVar = ("file", "current_context", "warnings")

    file: Path
    current_context: str
    entries: Mapping[str, Mapping[str, KubeconfigEntry]]
    warnings: tuple[str, ...] = ()


def read_file(file: Path) -> KubeconfigFile:
    """Read one file. Raises KubeconfigError if it cannot be read or is not a kubeconfig."""
    return _parse(file, _read_bytes(file))


@lru_cache(maxsize=8)
def _parse(file: Path, text: bytes) -> KubeconfigFile:
    """Parse the text of a file, which is read several times for each cluster of a fleet."""
    content, warnings = _decode(file, text)
    # kubectl accepts an empty file, too.
    if content is None:
        content = {}
    if not isinstance(content, dict):
        raise KubeconfigError(f"{file}: is not a kubeconfig: its top level must be a mapping")
    for key, value in _HEADER.items():
        # Both may be missing, as in kubectl.
        if content.get(key) not in (None, "", value):
            raise KubeconfigError(f"{file}: is not a kubeconfig: its `{key}` must be {value}")
    current = content.get("current-context")
    if not isinstance(current, str | None):
        raise KubeconfigError(f"{file}: `current-context` must be text; put it in quotes")
    entries = {section: _named_entries(file, content, section) for section in SECTIONS}
    return KubeconfigFile(file, current or "", entries, warnings)


def _read_bytes(file: Path) -> bytes:
    try:
        text = read_bytes(file)
    except OSError as error:
        raise KubeconfigError(
            f"{file}: cannot be read: {error.strerror}; check the file and its mode"
        ) from None
    if len(text) > SIZE_LIMIT:
        raise KubeconfigError(
            f"{file}: is not a kubeconfig: it is larger than {SIZE_LIMIT >> 20} MiB"
        )
    return text


class _Constructor(SafeConstructor):
    """Builds values as client-go does: the last value of a repeated key, and dates as text."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.repeated: list[Any] = []
        """The nodes of keys that occur earlier in the same mapping."""

    def check_mapping_key(
        self, node: Any, key_node: Any, mapping: Any, key: Any, value: Any
    ) -> bool:
        """Accept the key: the caller replaces an earlier value by this one."""
        del node, value
        if key in mapping:
            self.repeated.append(key_node)
        return True

    def construct_scalar(self, node: Any) -> Any:
        """Return the text of a scalar. Raises UnicodeError for half of a surrogate pair."""
        value = super().construct_scalar(node)
        # In JSON, which is valid YAML, a character above U+FFFF is two escapes; this joins them.
        return value.encode("utf-16", "surrogatepass").decode("utf-16")


# Go reads 2026-11-26 as text; a password may look like that.
_Constructor.add_constructor("tag:yaml.org,2002:timestamp", SafeConstructor.construct_yaml_str)


def _decode(file: Path, text: bytes) -> tuple[Any, tuple[str, ...]]:
    """Decode the first document; return its content and warnings."""
    for directive in _YAML_DIRECTIVE.finditer(text):
        if directive[1] not in _YAML_VERSIONS:
            line = text.count(b"\n", 0, directive.start()) + 1
            raise KubeconfigError(
                f"{file}:{line}: is not YAML 1.1 or 1.2; remove the line %YAML, or write %YAML 1.2"
            )
    # `pure`: only the parser that is written in Python accepts our constructor.
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = _Constructor
    documents = yaml.load_all(text)
    try:
        content = next(documents, None)
    except RecursionError:
        raise KubeconfigError(f"{file}: is not a kubeconfig: it is nested too deeply") from None
    except Exception as error:  # noqa: BLE001 - the parser raises errors of many types
        raise KubeconfigError(
            f"{file}{_place(error)}: is not YAML; correct it, or write it again"
        ) from None
    repeated = tuple(
        f"{file}:{key.start_mark.line + 1}: `{_shown(key.value)}` is given twice; the last one"
        " counts"
        for key in yaml.constructor.repeated
    )
    return content, repeated + _ignored(file, documents)


def _ignored(file: Path, documents: Any) -> tuple[str, ...]:
    """Return warnings of further documents. kubectl does not read them, so they may be damaged."""
    try:
        if next(documents, None) is None:
            return ()
    except Exception:  # noqa: BLE001 - the parser raises errors of many types
        return (f"{file}: what follows the first YAML document is not YAML, and is ignored",)
    return (f"{file}: only the first YAML document counts; the others are ignored",)


def _place(error: Exception) -> str:
    mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
    return f":{mark.line + 1}:{mark.column + 1}" if mark else ""


def _shown(key: Any) -> str:
    return clean(mask_strictly(str(key)), 60)


def _named_entries(
    file: Path, content: Mapping[Any, Any], section: str
) -> dict[str, KubeconfigEntry]:
    """Return the entries of one list by name."""
    entries = content.get(section) or []
    if not isinstance(entries, list) or not all(
        isinstance(entry, dict) and "name" in entry for entry in entries
    ):
        raise KubeconfigError(f"{file}: `{section}` must be a list of named entries")
    named: dict[str, KubeconfigEntry] = {}
    for entry in entries:
        name = entry["name"]
        if not isinstance(name, str):
            raise KubeconfigError(
                f"{file}: each `name` of `{section}` must be text; put it in quotes"
            )
        if name in named:
            raise KubeconfigError(
                f"{file}: `{section}` has two entries named {name!r}; rename or remove one"
            )
        if not isinstance(entry.get(SECTIONS[section]), dict | None):
            raise KubeconfigError(f"{file}: {name!r} of `{section}` has no body")
        named[name] = entry
    return named
