"""Checks the keys of a kubeconfig's entries: types of values, and unknown keys.

The source of the keys is client-go's tools/clientcmd/api/v1/types.go. kubectl ignores unknown keys.
That is dangerous for a key that was meant to select the identity or to verify the server:
`tokenfile` for `tokenFile` makes the client anonymous, and ignoring `as` would patch as another
user. So an unknown key is an error if it is similar to a known one, if it is in the wrong part
(`as` in a context), or if it begins like the keys of impersonation. Any other is a warning.
"""

import difflib
import re
from collections.abc import Collection, Mapping
from typing import Any, Final

from fleetpatch.errors import KubeconfigError
from fleetpatch.kube.kubeconfig.file import SECTIONS, KubeconfigEntry
from fleetpatch.model.masking import mask_strictly
from fleetpatch.model.text import clean

_TEXT: Final = "text; put it in quotes"
_CLUSTER_TEXTS: Final = (
    "server",
    "tls-server-name",
    "proxy-url",
    "certificate-authority",
    "certificate-authority-data",
)
_USER_TEXTS: Final = (
    "client-certificate",
    "client-certificate-data",
    "client-key",
    "client-key-data",
    "tokenFile",
    # Digits without quotes lose their leading zeros.
    "token",
    "username",
    "password",
    "as",
    "as-uid",
)
_FLAGS: Final = ("insecure-skip-tls-verify",)
_KNOWN: Final[Mapping[str, frozenset[str]]] = {
    "cluster": frozenset({*_CLUSTER_TEXTS, *_FLAGS, "disable-compression", "extensions"}),
    "user": frozenset(
        {*_USER_TEXTS, "as-groups", "as-user-extra", "auth-provider", "exec", "extensions"}
    ),
    "context": frozenset({"cluster", "user", "namespace", "extensions"}),
    "exec": frozenset(
        {
            "command",
            "args",
            "env",
            "apiVersion",
            "installHint",
            "provideClusterInfo",
            "interactiveMode",
        }
    ),
}
_DECISIVE: Final[Mapping[str, frozenset[str]]] = {
    "context": frozenset({"cluster", "user"}),
    "cluster": frozenset({*_CLUSTER_TEXTS, *_FLAGS}),
    "user": _KNOWN["user"] - {"extensions"},
    "`exec`": _KNOWN["exec"],
}
"""The keys that determine server, identity or verification, by the part they belong to."""

_IMPERSONATION: Final = re.compile(r"as[-_]|impersonate", re.IGNORECASE)
_SIMILAR: Final = 0.85
"""The ratio of difflib from which a key counts as misspelled: `certificate-authorty`."""


def check_entry(section: str, entry: KubeconfigEntry, where: str) -> list[str]:
    """Check the entry of the selected cluster, user or context; return warnings.

    Raises KubeconfigError for a value of the wrong type, and for an unknown key that must not be
    ignored.
    """
    part = SECTIONS[section]
    body: KubeconfigEntry = entry.get(part) or {}
    beside = {key: value for key, value in entry.items() if key not in {"name", part}}
    for key in beside:
        if key in _KNOWN[part]:
            raise KubeconfigError(
                f"{where}: `{key}` is in the entry of its {part}; indent it below its body"
            )
    warnings = _check_unknown(beside, (), f"the entry of its {part}", where)
    warnings += _check_unknown(body, _KNOWN[part], f"its {part}", where)
    if part == "user" and isinstance(plugin := body.get("exec"), dict):
        warnings += _check_unknown(plugin, _KNOWN["exec"], "`exec` of its user", where)
    _check_types(body, where)
    return warnings


def _check_unknown(
    body: Mapping[Any, Any],
    known: Collection[str],
    what: str,
    where: str,
) -> list[str]:
    warnings = []
    for key in body:
        if key in known:
            continue
        shown = clean(str(key), 60)
        meant = _similar_to(str(key), known)
        elsewhere = "" if meant else _place_of(str(key))
        if elsewhere:
            raise KubeconfigError(
                f"{where}: `{shown}` in {what} has no effect there; move it to {elsewhere}, or"
                " remove it"
            )
        if meant or _IMPERSONATION.match(str(key)):
            advice = f"write `{meant}`" if meant else "remove it"
            raise KubeconfigError(
                f"{where}: `{shown}` in {what} is not a key of a kubeconfig; {advice}"
            )
        # A secret can be in the place of a key, by a mistake in the indentation. It is masked
        # before the text is cut, since a part of a secret is not recognized.
        masked = clean(mask_strictly(str(key)), 60)
        warnings.append(f"{where}: `{masked}` in {what} is not known, and is ignored")
    return warnings


def _place_of(key: str) -> str:
    """Return where a key of `_DECISIVE`, or one similar to it, belongs; '' for other keys."""
    for part, keys in _DECISIVE.items():
        if name := _similar_to(key, keys):
            return f"its {part}" if name == key else f"its {part} as `{name}`"
    return ""


def _similar_to(key: str, known: Collection[str]) -> str:
    """Return the known key that `key` is a misspelling of, or ''."""
    # `tokenfile`, `token-file` and `token_file` are always misspellings of `tokenFile`.
    plain = {_plain(name): name for name in sorted(known)}
    if name := plain.get(_plain(key)):
        return name
    return next(iter(difflib.get_close_matches(key, sorted(known), 1, _SIMILAR)), "")


def _plain(key: str) -> str:
    return key.lower().replace("-", "").replace("_", "")


def _check_types(body: KubeconfigEntry, where: str) -> None:
    for key in (*_CLUSTER_TEXTS, *_USER_TEXTS):
        if not isinstance(body.get(key), str | None):
            raise KubeconfigError(f"{where}: `{key}` must be {_TEXT}")
    for key in _FLAGS:
        # A string "false" is true to Python, and would switch verification off.
        if not isinstance(body.get(key), bool | None):
            raise KubeconfigError(f"{where}: `{key}` must be true or false, without quotes")
    if not _is_texts(body.get("as-groups")):
        raise KubeconfigError(f"{where}: `as-groups` must be a list of {_TEXT}")
    extra = body.get("as-user-extra")
    if not (
        extra is None
        or (
            isinstance(extra, dict)
            and all(isinstance(key, str) and _is_texts(value) for key, value in extra.items())
        )
    ):
        raise KubeconfigError(f"{where}: `as-user-extra` must map names to lists of {_TEXT}")


def _is_texts(value: Any) -> bool:
    return value is None or (
        isinstance(value, list) and all(isinstance(item, str) for item in value)
    )
