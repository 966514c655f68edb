"""Kubernetes' rules for label keys and values, annotations, and DNS names.

Each `problem_of_...` returns None if the text is valid, or else one sentence that says what is
wrong and what would be right. The rules are those of `k8s.io/apimachinery/pkg/util/validation`:

| text | rule |
|---|---|
| label key | a qualified name: `[prefix/]name`, a DNS subdomain and a nonempty label value |
| label value | empty, or up to 63 of `[A-Za-z0-9._-]`, starting and ending with a letter or digit |
| annotation key | a qualified name after conversion to lower case (`Example.COM/x` is valid) |
| annotation values | any text; all keys and values of an object together at most 256 KiB |
| DNS label | up to 63 of `[a-z0-9-]`, starting and ending with a letter or digit |
| DNS subdomain | DNS labels joined by dots, up to 253; its parts may be longer than 63 |
| name of an object | one segment of a URL's path: not `.` or `..`, without `/` and `%` |
| field manager | up to 128 bytes of printable characters; here, at least one |

Lengths are bytes of UTF-8. Names are measured in characters, because the patterns accept ASCII
only.
"""

import re
from collections.abc import Mapping
from typing import Final

from fleetpatch.model.text import cut

MAX_NAME: Final = 63
MAX_SUBDOMAIN: Final = 253
MAX_ANNOTATIONS: Final = 256 * 1024
MAX_FIELD_MANAGER: Final = 128

_NAME: Final = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?")
_DNS_LABEL: Final = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?")
_DNS_SUBDOMAIN: Final = re.compile(rf"{_DNS_LABEL.pattern}(?:\.{_DNS_LABEL.pattern})*")

_NAME_RULE: Final = (
    "only letters, digits, '-', '_' and '.' are allowed, with a letter or digit at both ends"
)
_DNS_RULE: Final = (
    "only lower-case letters, digits and '-' are allowed, with a letter or digit at both ends"
)
_SHOWN: Final = 70
"""Characters of a text that a message quotes: more than any valid name has, except a subdomain."""


def namespaced_name(namespace: str, name: str) -> str:
    """Return `team-a/etl-7`, or the name alone of an object without a namespace."""
    return f"{namespace}/{name}" if namespace else name


def problem_of_label_key(key: str) -> str | None:
    """Return what is wrong with `key` as a label key."""
    return _problem_of_qualified_name(key, key, "label key")


def problem_of_annotation_key(key: str) -> str | None:
    """Return what is wrong with `key` as an annotation key; its case does not matter."""
    return _problem_of_qualified_name(key, key.lower(), "annotation key")


def problem_of_label_value(value: str) -> str | None:
    """Return what is wrong with `value` as a label value; an empty one is valid."""
    if value == "":
        return None
    if len(value) > MAX_NAME:
        return f"{show(value)} is not a valid label value: {_too_long(value, MAX_NAME)}"
    if not _NAME.fullmatch(value):
        return f"{show(value)} is not a valid label value: {_NAME_RULE}{_suggestion(value)}"
    return None


def problem_of_annotations(annotations: Mapping[str, str]) -> str | None:
    """Return whether all annotations of an object are too large; their keys are not checked."""
    size = sum(_size(key) + _size(value) for key, value in annotations.items())
    if size > MAX_ANNOTATIONS:
        return (
            f"the annotations take {size} bytes together, and an object holds at most"
            f" {MAX_ANNOTATIONS}; shorten them"
        )
    return None


def problem_of_dns_label(name: str) -> str | None:
    """Return what is wrong with `name` as a DNS label: the name of a namespace or a plan."""
    if len(name) > MAX_NAME:
        return f"{show(name)} is not a valid DNS label: {_too_long(name, MAX_NAME)}"
    if not _DNS_LABEL.fullmatch(name):
        return f"{show(name)} is not a valid DNS label: {_DNS_RULE}"
    return None


def problem_of_dns_subdomain(name: str) -> str | None:
    """Return what is wrong with `name` as a DNS subdomain: the name of most kinds of object."""
    if len(name) > MAX_SUBDOMAIN:
        return f"{show(name)} is not a valid DNS subdomain: {_too_long(name, MAX_SUBDOMAIN)}"
    if not _DNS_SUBDOMAIN.fullmatch(name):
        return f"{show(name)} is not a valid DNS subdomain: in each part between dots {_DNS_RULE}"
    return None


def problem_of_field_manager(name: str) -> str | None:
    """Return what is wrong with `name` as a field manager, the owner of fields on a server."""
    if not name:
        return "is empty; write a name such as fleetpatch, or remove it"
    if _size(name) > MAX_FIELD_MANAGER:
        size = f"it takes {_size(name)} bytes, and at most {MAX_FIELD_MANAGER} are allowed"
        return f"{show(name)} is not a valid field manager: {size}"
    if not name.isprintable():
        return f"{show(name)} is not a valid field manager: only printable characters are allowed"
    return None


def problem_of_object_name(name: str) -> str | None:
    """Return what is wrong with `name` as a segment of a path, which every object's name is."""
    if not name or name in (".", "..") or "/" in name or "%" in name or not name.isprintable():
        return f"{show(name)} is not a valid name of an object: it cannot be a part of a URL"
    if len(name) > MAX_SUBDOMAIN:
        return f"{show(name)} is not a valid name of an object: {_too_long(name, MAX_SUBDOMAIN)}"
    return None


def show(text: str) -> str:
    """Quote `text`, with its control characters escaped, and cut it if it is long."""
    return repr(cut(text, _SHOWN))


def _problem_of_qualified_name(shown: str, key: str, what: str) -> str | None:
    # At the last slash, so that a second one is in the prefix, and is reported there.
    prefix, slash, name = key.rpartition("/")
    problem = (_problem_of_prefix(prefix) if slash else None) or _problem_of_last_part(name)
    return f"{show(shown)} is not a valid {what}: {problem}" if problem else None


def _problem_of_prefix(prefix: str) -> str | None:
    if not prefix:
        return "there is no prefix before the '/'; write prefix/name, or the name alone"
    if "/" in prefix:
        return "it has more than one '/'; write prefix/name, or the name alone"
    problem = problem_of_dns_subdomain(prefix)
    return f"its prefix {problem}" if problem else None


def _problem_of_last_part(name: str) -> str | None:
    if not name:
        return "its name is empty"
    if len(name) > MAX_NAME:
        return f"its name, after any '/', is too long: {_too_long(name, MAX_NAME)}"
    if not _NAME.fullmatch(name):
        return _NAME_RULE + _suggestion(name)
    return None


def _too_long(text: str, most: int) -> str:
    return f"it has {len(text)} characters, and at most {most} are allowed"


def _suggestion(text: str) -> str:
    """Suggest the name without its invalid characters, if that is a different one."""
    # Not cut to the length: what to leave out is for people to decide.
    guess = re.sub(r"[^-A-Za-z0-9_.]+", "-", text).strip("-_.")
    return f"; {show(guess)} is valid" if guess and guess != text else ""


def _size(text: str) -> int:
    # `surrogatepass`: text that is not Unicode is reported by another check, and must not raise.
    return len(text.encode("utf-8", "surrogatepass"))
