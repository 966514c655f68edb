"""Misbehaviour, decided: which request meets which fault.

A decision is a pure function of the seed and of the request: its method, its path and its number
among the requests with the same two. So a run meets the same faults again however its requests are
interleaved, and a test can say what happens to the third PATCH of one object.

The first rule that applies is the one that is carried out (`fleetpatch.sandbox.chaos.faults`).
"""

from enum import StrEnum
from fnmatch import fnmatchcase
from hashlib import blake2b
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from msgspec import Meta
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from fleetpatch.errors import UsageError
from fleetpatch.sandbox.chaos.capacity import Capacity

_UNIT: Final = float(2**64)


class Action(StrEnum):
    """What a fault is."""

    STATUS = "status"
    """Answer with `status`."""
    RESET = "reset"
    """Break the connection (RST) instead of answering."""
    HANG = "hang"
    """Say nothing for `latency`, then break the connection."""
    CUT = "cut"
    """Break the connection in the middle of the answer's body."""
    SLOW = "slow"
    """Answer after `latency`."""
    GONE = "gone"
    """Somebody deletes the object just before the request."""
    RECREATE = "recreate"
    """Somebody deletes it and makes another of the same name."""
    DRIFT = "drift"
    """Somebody else sets the label `label`."""
    EXPIRE = "expire"
    """All continue tokens expire."""
    REVOKE = "revoke"
    """All tokens that IAM handed out expire just before the request (CCI mode)."""


class When(StrEnum):
    """Whether the request has been carried out when STATUS, RESET or HANG befalls it."""

    BEFORE = "before"
    AFTER = "after"


class Body(StrEnum):
    """What the body of a `status` is: a Status, a proxy's page, plain text, or CCI's gateway's."""

    STATUS = "status"
    HTML = "html"
    TEXT = "text"
    GATEWAY = "gateway"


class Method(StrEnum):
    """Methods; LIST is a GET of many."""

    GET = "GET"
    LIST = "LIST"
    PATCH = "PATCH"
    POST = "POST"
    PUT = "PUT"
    DELETE = "DELETE"


DelaySeconds = Annotated[float, Meta(ge=0, le=3600)]


class Latency(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A time in seconds: `mean`, give or take up to `jitter`."""

    mean: DelaySeconds
    jitter: DelaySeconds = 0.0

    def seconds(self, luck: float) -> float:
        """The time for one request; `luck` is from [0, 1)."""
        return max(0.0, self.mean + (2 * luck - 1) * self.jitter)


class ChaosRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """One way to misbehave, and for whom.

    A request meets it if its method is among `methods` and its object's name matches one of the
    globs in `names` (a LIST has the empty name, which `*` matches), if it is among the first
    `times` of its kind for that object, and then with the probability `rate`. `retry_after` is a
    header as it stands, `retry_after_seconds` an entry of the Status's details.
    """

    action: Action = Action.STATUS
    status: Annotated[int, Meta(ge=400, le=599)] = 503
    rate: Annotated[float, Meta(ge=0, le=1)] = 1.0
    times: Annotated[int, Meta(ge=1)] | None = None
    names: tuple[str, ...] = ("*",)
    methods: tuple[Method, ...] = (Method.PATCH,)
    when: When = When.BEFORE
    retry_after: str | int | None = None
    retry_after_seconds: int | None = None
    body: Body = Body.STATUS
    latency: Latency = Latency(30.0)
    label: Annotated[str, Meta(pattern=r"^[^=]+=[^=]*$")] = "drifted=yes"

    def concerns(self, method: Method, name: str, number: int) -> bool:
        """Whether the request may meet this rule, luck apart."""
        return (
            method in self.methods
            and (self.times is None or number <= self.times)
            and any(fnmatchcase(name, glob) for glob in self.names)
        )


class Fault(NamedTuple):
    """A rule that a request meets; `luck`, from [0, 1), is for what the rule leaves open."""

    rule: ChaosRule
    luck: float

    @property
    def seconds(self) -> float:
        """How long a hung or slow request takes."""
        return self.rule.latency.seconds(self.luck)


class Decision(NamedTuple):
    """What befalls one request: a delay in seconds, and a fault or none."""

    delay: float
    fault: Fault | None


class Chaos(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A profile: a latency for every request, rules, and how much the server can take."""

    latency: Latency = Latency(0.0)
    rules: tuple[ChaosRule, ...] = ()
    capacity: Capacity = Capacity()

    def decide(self, seed: int, method: Method, path: str, name: str, number: int) -> Decision:
        """What befalls the `number`th request (from 1) with this method and path."""
        request = f"{seed} {method} {path} {number}"
        delay = self.latency.seconds(_luck(f"{request} latency")) if self.latency.mean else 0.0
        for index, rule in enumerate(self.rules):
            if rule.concerns(method, name, number):
                luck = _luck(f"{request} {index}")
                if luck < rule.rate:
                    return Decision(delay, Fault(rule, luck / rule.rate))
        return Decision(delay, None)


def load_chaos(name: str) -> Chaos:
    """A profile by its name, or from a YAML or JSON file. Raises UsageError."""
    if name in PROFILES:
        return PROFILES[name]
    path = Path(name)
    try:
        content = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"chaos {name!r}: no profile ({', '.join(PROFILES)}) and no readable file: {error}"
        ) from error
    except YAMLError as error:
        told = " ".join(str(error).split())
        raise UsageError(f"{path}: not YAML; mend it: {told}") from error
    try:
        return msgspec.convert(content or {}, Chaos)
    except msgspec.ValidationError as error:
        known = ", ".join(ChaosRule.__struct_encode_fields__)
        raise UsageError(f"{path}: {error}; a rule has {known}") from error


def _luck(text: str) -> float:
    """A number from [0, 1) that looks random and depends on nothing but `text`."""
    digest = blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest) / _UNIT


def _rule(**fields: Any) -> ChaosRule:
    return ChaosRule(methods=(Method.PATCH, Method.GET), **fields)


_MILD: Final = (
    _rule(status=429, rate=0.003, retry_after=1, retry_after_seconds=1),
    _rule(status=429, rate=0.01),
    _rule(status=503, rate=0.01),
    ChaosRule(status=504, rate=0.005),
    ChaosRule(status=504, rate=0.01, when=When.AFTER),
    ChaosRule(status=429, rate=0.02, methods=(Method.LIST,)),
)
_ROUGH: Final = (
    *_MILD,
    _rule(action=Action.RESET, rate=0.01),
    ChaosRule(action=Action.RESET, rate=0.01, when=When.AFTER),
    _rule(status=502, rate=0.01, body=Body.HTML),
    _rule(status=500, rate=0.005),
    _rule(action=Action.CUT, rate=0.005),
    _rule(action=Action.HANG, rate=0.002, latency=Latency(3.0, 2.0)),
    ChaosRule(action=Action.GONE, rate=0.005),
    ChaosRule(action=Action.RECREATE, rate=0.005),
    ChaosRule(action=Action.DRIFT, rate=0.01),
    ChaosRule(action=Action.EXPIRE, rate=0.05, methods=(Method.LIST,)),
)

PROFILES: Final = MappingProxyType(
    {
        "none": Chaos(),
        "mild": Chaos(Latency(0.004, 0.003), _MILD),
        "rough": Chaos(Latency(0.01, 0.01), _ROUGH),
    }
)
"""The profiles by name."""
