"""Chaos profiles, and the decision which request gets which fault.

A decision is a pure function of the seed and of the request: its method, its path, and its number
among the requests with the same method and path. So a run gets the same faults again, however its
requests are interleaved, and a test can define what happens to the third PATCH of an object.

Only the first rule that applies is carried out (`fleetpatch.sandbox.chaos.faults`).
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
    """What happens to a request."""

    STATUS = "status"
    """Answer with `status`."""
    RESET = "reset"
    """Break the connection (RST) instead of answering."""
    HANG = "hang"
    """Send nothing for `latency`, then break the connection."""
    CUT = "cut"
    """Break the connection in the middle of the answer's body."""
    SLOW = "slow"
    """Answer after `latency`."""
    GONE = "gone"
    """Another client deletes the object right before the request."""
    RECREATE = "recreate"
    """Another client deletes the object and creates one with the same name."""
    DRIFT = "drift"
    """Another client sets the label `label`."""
    EXPIRE = "expire"
    """All continue tokens expire."""
    REVOKE = "revoke"
    """All tokens that IAM has issued expire right before the request (CCI mode)."""


class When(StrEnum):
    """Whether STATUS, RESET or HANG happens before the request is carried out, or after it."""

    BEFORE = "before"
    AFTER = "after"


class Body(StrEnum):
    """The body of a STATUS answer: a Status, a proxy's page, plain text, or an error of CCI."""

    STATUS = "status"
    HTML = "html"
    TEXT = "text"
    GATEWAY = "gateway"


class Method(StrEnum):
    """The methods that a rule can name; LIST is a GET of a collection."""

    GET = "GET"
    LIST = "LIST"
    PATCH = "PATCH"
    POST = "POST"
    PUT = "PUT"
    DELETE = "DELETE"


DelaySeconds = Annotated[float, Meta(ge=0, le=3600)]


class Latency(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A random time in seconds, uniform from `mean - jitter` to `mean + jitter`."""

    mean: DelaySeconds
    jitter: DelaySeconds = 0.0

    def seconds(self, random: float) -> float:
        """The time for one request; `random` is uniform in [0, 1)."""
        return max(0.0, self.mean + (2 * random - 1) * self.jitter)


class ChaosRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A fault, and the requests that get it.

    A rule concerns a request if `methods` contains its method, if the object's name matches one of
    the globs in `names` (a LIST has the empty name, which `*` matches), and if it is among the
    first `times` requests with its method and path. It then gets the fault with probability `rate`.

    `retry_after` is the text of the header, `retry_after_seconds` an entry of the Status's details.
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
        """Whether the request gets this fault with the probability `rate`."""
        return (
            method in self.methods
            and (self.times is None or number <= self.times)
            and any(fnmatchcase(name, glob) for glob in self.names)
        )


class Fault(NamedTuple):
    """The fault of a request; `random`, uniform in [0, 1), decides its latency."""

    rule: ChaosRule
    random: float

    @property
    def seconds(self) -> float:
        """The seconds that a hung or slow request takes."""
        return self.rule.latency.seconds(self.random)


class Decision(NamedTuple):
    """What happens to a request: a delay in seconds, and a fault or None."""

    delay: float
    fault: Fault | None


class Chaos(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A profile: a latency for all requests, rules for faults, and the server's capacity."""

    latency: Latency = Latency(0.0)
    rules: tuple[ChaosRule, ...] = ()
    capacity: Capacity = Capacity()

    def decide(self, seed: int, method: Method, path: str, name: str, number: int) -> Decision:
        """Decide for the `number`th request (from 1) with this method and path."""
        request = f"{seed} {method} {path} {number}"
        delay = self.latency.seconds(_random(f"{request} latency")) if self.latency.mean else 0.0
        for index, rule in enumerate(self.rules):
            if rule.concerns(method, name, number):
                # The index is hashed as well, so that the rules are independent of each other.
                random = _random(f"{request} {index}")
                if random < rule.rate:
                    # Below the rate it is uniform, too; scaled to [0, 1) it is used once more.
                    return Decision(delay, Fault(rule, random / rule.rate))
        return Decision(delay, None)


def load_chaos(name: str) -> Chaos:
    """Load a profile by its name, or from a YAML or JSON file. Raises UsageError."""
    # A profile's name wins; a file of that name can be written as ./mild.
    if name in PROFILES:
        return PROFILES[name]
    path = Path(name)
    try:
        content = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(
            f"chaos {name!r} is not a profile, and cannot be read as a file: {why}; use one of"
            f" {', '.join(PROFILES)}, or a file"
        ) from error
    except YAMLError as error:
        why = " ".join(str(error).split())
        raise UsageError(f"{path}: not valid YAML; correct the file: {why}") from error
    try:
        return msgspec.convert(content or {}, Chaos)
    except msgspec.ValidationError as error:
        known = ", ".join(ChaosRule.__struct_encode_fields__)
        raise UsageError(
            f"{path}: not a valid chaos profile: {error}; the keys of a rule are {known}"
        ) from error


def _random(text: str) -> float:
    """A pseudo-random number, uniform in [0, 1), that depends only on `text`."""
    digest = blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest) / _UNIT


def _rule(**fields: Any) -> ChaosRule:
    return ChaosRule(methods=(Method.PATCH, Method.GET), **fields)


# What a busy production cluster does: throttling, short outages, lost answers.
_MILD: Final = (
    _rule(status=429, rate=0.003, retry_after=1, retry_after_seconds=1),
    _rule(status=429, rate=0.01),
    _rule(status=503, rate=0.01),
    ChaosRule(status=504, rate=0.005),
    ChaosRule(status=504, rate=0.01, when=When.AFTER),
    ChaosRule(status=429, rate=0.02, methods=(Method.LIST,)),
)
# In addition, what a bad network, a proxy and other clients do.
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
