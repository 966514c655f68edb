"""Templates of other tools in values of labels and annotations, and the CEL that does the same.

Nothing fills them in here: a label's value cannot contain one, and an annotation would get the text
as it is. In a patch body they are legitimate: Kubernetes itself expands `$(VAR)` in a container's
command.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from fleetpatch.model.names import show
from fleetpatch.model.plan.problems import Finding

_TEMPLATE: Final = re.compile(r"\{\{(.*?)\}\}|\$\{(.*?)\}|\$\((.*?)\)", re.DOTALL)
_PATH: Final = re.compile(r"[\w$.-]+(?:\[\"?'?[\w./-]+'?\"?\])?")
_KEYED: Final = re.compile(r"metadata\.(labels|annotations)(?:\.|\[)['\"]?([^'\"\]]+)")
_FIELD: Final = re.compile(r"(?:metadata|spec|status)(?:\.[A-Za-z_]\w*)+")
_ROOTS: Final = re.compile(r"^[$.]*(?:request\.)?(?:object\.|\.)?")


def is_template(text: str) -> bool:
    """Report whether a text contains `{{ ... }}`, `${...}` or `$(...)`."""
    return _TEMPLATE.search(text) is not None


def problem_of_template(text: str) -> str:
    """Say that a value has a template of another tool, and what to write instead."""
    return (
        f"{show(text)} has a template of another tool, which is not filled in here; write the"
        f" value, or compute it for each object: {{cel: '{cel_of(text)}'}}"
    )


def template_warnings(annotations: Mapping[str, object]) -> Iterator[Finding]:
    """Find annotations that would get a template as it is, and say what to write instead."""
    for key, text in annotations.items():
        if isinstance(text, str) and is_template(text):
            what = (
                f"{show(text)} has a template of another tool, which is not filled in here: each"
                f" object gets this text; to compute the value write {{cel: '{cel_of(text)}'}}"
            )
            yield Finding(("patch", "annotations", key), what)


def cel_of(text: str) -> str:
    """Return the expression in CEL that a text with templates seems to mean."""
    parts: list[str] = []
    end = 0
    for found in _TEMPLATE.finditer(text):
        parts += [
            _quoted(text[end : found.start()]),
            _value(next(filter(None, found.groups()), "")),
        ]
        end = found.end()
    parts.append(_quoted(text[end:]))
    return " + ".join(filter(None, parts))


def _quoted(text: str) -> str:
    # In double quotes, since the example stands in single ones.
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("'", "\\x27")
    return f'"{escaped}"' if text else ""


def _value(inner: str) -> str:
    """Return the expression for what is within the brackets of a template."""
    found = _PATH.search(inner.strip())
    path = _ROOTS.sub("", found[0]) if found else ""
    if keyed := _KEYED.match(path):
        return f'object.metadata.{keyed[1]}["{keyed[2]}"]'
    if _FIELD.fullmatch(path):
        return f"object.{path}"
    # Without a path in the object only the last name shows what may be meant.
    last = path.rpartition(".")[2].lower().strip("_-$") or "team"
    if last in {"name", "namespace"}:
        return f"object.metadata.{last}"
    return f'object.metadata.labels["{last}"]'
