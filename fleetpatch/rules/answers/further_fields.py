"""Which fields of an object may be the server's, although the wanted value does not have them.

Each rule is called with the name of such a field, its value, and the value that it had before the
change at the same place, which is ABSENT if it had none.
"""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from fleetpatch.model.equality import deep_equal, is_among
from fleetpatch.model.fields import ABSENT, Json, Value

Further: TypeAlias = Callable[[str, Value, Value], bool]
"""Whether a field may be there beside the wanted ones: its name, its value, its value before."""

_PROBE: Final[Mapping[str, tuple[Json, ...]]] = {
    "failureThreshold": (3,),
    "periodSeconds": (10,),
    "scheme": ("HTTP",),
    "successThreshold": (1,),
    "timeoutSeconds": (1,),
}

_DEFAULTS: Final[Mapping[str, tuple[Json, ...]]] = {
    **_PROBE,
    "apiVersion": ("v1",),
    "defaultMode": (0o644,),
    "dnsPolicy": ("ClusterFirst",),
    "emptyDir": ({},),
    "expirationSeconds": (3600,),
    "imagePullPolicy": ("Always", "IfNotPresent"),
    "metadata": ({}, {"creationTimestamp": None}),
    "path": ("/",),
    "protocol": ("TCP",),
    "resources": ({},),
    "restartPolicy": ("Always",),
    "schedulerName": ("default-scheduler",),
    "securityContext": ({},),
    "terminationGracePeriodSeconds": (30,),
    "terminationMessagePath": ("/dev/termination-log",),
    "terminationMessagePolicy": ("File",),
    "type": ("",),
    "volumeMode": ("Filesystem",),
}
"""The defaults of pods, which a server adds again where a patch leaves them out.

Source: kubernetes, pkg/apis/core/v1/defaults.go.
"""


def none(_name: str, _value: Value, _before: Value) -> bool:
    """No field may be there beside the wanted ones."""
    return False


def any_further(_name: str, _value: Value, _before: Value) -> bool:
    """Any field may: the server has stored the change, so it is the server that added it."""
    return True


def is_new(_name: str, _value: Value, before: Value) -> bool:
    """A field may that was not there before: a default, or a later addition of another writer."""
    return before is ABSENT


def is_default(name: str, value: Value, _before: Value) -> bool:
    """A field may that has a default of pods, whatever it had before."""
    return is_among(value, _DEFAULTS.get(name, ()))


def is_new_or_default(name: str, value: Value, before: Value) -> bool:
    """A field may that was not there before, or that the server is known to add again."""
    return before is ABSENT or is_default(name, value, before)


def is_new_or_kept(name: str, value: Value, before: Value) -> bool:
    """A field may that was not there, or is as before: a server adds defaults of its own again."""
    return is_new_or_default(name, value, before) or deep_equal(value, before)


def is_new_or_changed(name: str, value: Value, before: Value) -> bool:
    """A field may that was not there, or has another value than before, or a default of pods."""
    return is_new_or_default(name, value, before) or not deep_equal(value, before)
