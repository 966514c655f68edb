"""The scope of a list request, and whether a listed object belongs to it.

A gateway may drop the query of a request, or answer with another list. So the kind, the namespace
and the selectors are checked again for every object, as far as the answer contains the fields.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from fleetpatch.model.fields import look_up
from fleetpatch.model.names import namespaced_name
from fleetpatch.model.providers.tables import is_built_in
from fleetpatch.model.resource import Resource
from fleetpatch.model.selectors.field_selector import FieldSelector
from fleetpatch.model.selectors.label_selector import Selector
from fleetpatch.model.target import Seen
from fleetpatch.model.text import clean
from fleetpatch.rules.answers.identity import PARTIAL, kind_problem, missing_identity

_LIST: Final = "List"
_QUOTED: Final = 200
"""Characters to quote of the name of a listed object; valid names have up to 253 and are shorter in
practice."""


class Scope(msgspec.Struct, frozen=True):
    """The objects that a list may contain; `namespace` None means all namespaces."""

    resource: Resource
    namespace: str | None
    selector: Selector
    field_selector: FieldSelector

    @classmethod
    def of(
        cls, resource: Resource, namespace: str | None, selector: str, field_selector: str
    ) -> "Scope":
        """Make a scope from selectors as text. Raises SelectorError if one is not valid."""
        labels, fields = Selector.parse(selector), FieldSelector.parse(field_selector)
        return cls(resource, namespace, labels, fields)

    def problem_of_list(self, api_version: str, kind: str) -> str:
        """Report that a list has another kind; empty if its kind is right or not included.

        A custom resource definition may name its lists as it likes (`listKind`), so the kind of
        such a list is not compared.
        """
        item = kind.removesuffix(_LIST)
        if not item or item == PARTIAL:
            # A list of metadata does not show the kind, and `v1 List` may contain any kind.
            return ""
        named = item if is_built_in(self.resource) else ""
        return kind_problem(self.resource, api_version, named)

    def problem_of(self, items: Sequence[Seen]) -> str:
        """Report the first object that is outside of the scope, and why; empty if there is none."""
        # The first one is enough: the whole list cannot be trusted.
        for seen in items:
            if problem := self._problem(seen):
                shown = namespaced_name(seen.namespace, seen.name)
                return f"the list contains {clean(shown, _QUOTED)}, but {problem}"
        return ""

    def _problem(self, seen: Seen) -> str:
        if problem := kind_problem(self.resource, seen.api_version, seen.kind):
            return problem
        if problem := missing_identity(seen) or self._problem_of_namespace(seen):
            return problem
        if not self.selector.matches(seen.labels):
            return f"its labels do not match the selector {self.selector}"
        for term in self.field_selector.terms:
            value = _field(seen, term.key)
            if value is not None and (value == term.value) is not term.equal:
                return f"it does not match the field selector {term}"
        return ""

    def _problem_of_namespace(self, seen: Seen) -> str:
        if not self.resource.namespaced:
            return "it is in a namespace, but its kind is cluster-scoped" if seen.namespace else ""
        if not seen.namespace:
            return "it has no namespace"
        if self.namespace not in {None, seen.namespace}:
            return f"only namespace {self.namespace} was requested"
        return ""


def _field(seen: Seen, key: str) -> str | None:
    """Return the text that a field selector compares; None if only the server knows it.

    A server has its own default for an absent field, and some keys are not paths in the object
    (`status.successful` of a Job). So only a string, an integer or a boolean at the path counts.
    """
    own = {"metadata.name": seen.name, "metadata.namespace": seen.namespace}
    if key in own:
        return own[key]
    match look_up(seen.whole, tuple(key.split("."))):
        case bool() as value:
            return "true" if value else "false"
        case str() | int() as value:
            return str(value)
        case _:
            return None
