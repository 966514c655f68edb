"""One target, from its first PATCH to its end: the only user of tenacity.

A passage sends optimistically, with the version that was planned, and reads only when an answer
leaves it no choice: after a conflict, and when the PATCH may or may not have been applied. Each
turn ends in a settlement, in `_Again` (tenacity waits and comes back) or in `Left` (the target
stays open). tenacity sees values only: an exception, cancellation above all, passes straight
through it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from tenacity import AsyncRetrying, RetryCallState, retry_if_result, stop_after_attempt

from fleetpatch.engine.halt import Halt
from fleetpatch.engine.pacer import Pacer
from fleetpatch.model.answer import Answer, NoAnswer, Reply, Silence
from fleetpatch.model.change import Change, PatchType, reads_whole
from fleetpatch.model.fields import Fields
from fleetpatch.model.outcome import Reason, Settlement
from fleetpatch.model.ports import Clock, Cluster
from fleetpatch.model.target import Seen, Target
from fleetpatch.rules.backoff import Backoff
from fleetpatch.rules.planner import goal
from fleetpatch.rules.requesting import request
from fleetpatch.rules.settling import End, OnDrift, after_patch, after_read
from fleetpatch.rules.verdicts import Verdict, is_failed_test, is_gone, judge


@dataclass(frozen=True, slots=True)
class Orders:
    """How each target of a run is to be treated; the same for all of them.

    `matches` tells whether a read object is still selected by the blocks that selected the target.
    `guarded` sends the resourceVersion (`guards.conflicts: version`), else the uid alone.
    `read_only` settles by reading what earlier processes left in doubt, and sends nothing.
    """

    change: Change
    matches: Callable[[Target, Seen], bool]
    on_drift: OnDrift = OnDrift.SKIP
    guarded: bool = True
    attempts: int = 6
    backoff: Backoff = field(default_factory=Backoff)
    retried: frozenset[int] = frozenset({429, 503, 504})
    dry_run: bool = False
    read_only: bool = False

    @property
    def whole(self) -> bool:
        """Whether whole objects are read, or metadata alone."""
        return reads_whole(self.change)


@dataclass(frozen=True, slots=True)
class Left:
    """The target stays open; with `lane` set, so does all that its cluster has still to get.

    `sent` tells whether a PATCH of ours may have reached the server: then it is in doubt. Without
    a `cause` of its own it was left because of a halt.
    """

    cause: str = ""
    lane: bool = False
    sent: bool = True


@dataclass(frozen=True, slots=True)
class Retry:
    """One attempt that will be made again: the record for log and progress."""

    target: Target
    attempt: int
    http_status: int | None
    verdict: Verdict
    detail: str
    wait: float


@dataclass(frozen=True, slots=True)
class _Again:
    """This turn settled nothing."""

    reply: Reply
    verdict: Verdict


_Turn: TypeAlias = Settlement | Left | _Again


@dataclass(frozen=True, slots=True)
class Courier:
    """Brings targets to one cluster; shared by the workers of its lane."""

    cluster: Cluster
    orders: Orders
    pacer: Pacer
    halt: Halt
    clock: Clock
    random: Callable[[], float]
    on_retry: Callable[[Retry], None]

    async def deliver(self, target: Target, *, in_doubt: bool = False) -> Settlement | Left:
        """Bring `target` to its end.

        `in_doubt`: a PATCH of an earlier process may have reached the server, so read first.
        """
        passage = _Passage(self, target, in_doubt=in_doubt)
        turn = await passage.take_turn()
        if not isinstance(turn, _Again):
            return turn
        return await self._persist(passage, turn)

    async def _persist(self, passage: "_Passage", first: _Again) -> Settlement | Left:
        """Go on with a passage whose first turn settled nothing."""
        turns: list[_Turn] = [first]

        async def next_turn() -> _Turn:
            # The first turn was taken before tenacity was called in: most targets never need it.
            return turns.pop() if turns else await passage.take_turn()

        retrying = AsyncRetrying(
            stop=stop_after_attempt(self.orders.attempts),
            wait=self._wait,
            retry=retry_if_result(lambda turn: isinstance(turn, _Again)),
            before_sleep=lambda state: self._announce(passage, state),
            retry_error_callback=_last_turn,
            sleep=self.halt.pause,
        )
        turn: _Turn = await retrying(next_turn)
        return await passage.give_up(turn) if isinstance(turn, _Again) else turn

    def _wait(self, state: RetryCallState) -> float:
        return self.orders.backoff.delay(
            state.attempt_number,
            _last_turn(state).reply,
            now=self.clock.wall(),
            random=self.random(),
        )

    def _announce(self, passage: "_Passage", state: RetryCallState) -> None:
        turn = _last_turn(state)
        status, detail = describe(turn.reply)
        wait = state.next_action.sleep if state.next_action else 0.0
        self.on_retry(
            Retry(passage.target, state.attempt_number, status, turn.verdict, detail, wait)
        )


def _last_turn(state: RetryCallState) -> _Again:
    if state.outcome is None or not isinstance(turn := state.outcome.result(), _Again):
        raise AssertionError("tenacity asks only after a turn that settled nothing")
    return turn


def describe(reply: Reply) -> tuple[int | None, str]:
    """A reply as (HTTP status or None, one line for people)."""
    match reply:
        case Answer(status=status, reason=reason, message=message):
            return status, message or reason
        case NoAnswer(silence=silence, detail=detail):
            return None, f"{silence}: {detail}" if detail else str(silence)


class _Passage:
    """The state of one target under way."""

    def __init__(self, courier: Courier, target: Target, *, in_doubt: bool) -> None:
        self.target = target
        self._courier = courier
        self._orders = courier.orders
        self._goal = goal(self._orders.change, target)
        self._replaced: Fields | None = None
        self._refused: Answer | None = None
        self._version = target.resource_version
        self._maybe_applied = in_doubt
        self._unanswered = in_doubt
        self._must_read = in_doubt
        self._renewed = False
        self._attempts = 0
        self._reads = 0
        self._status: int | None = None
        self._started = courier.clock.monotonic()

    async def take_turn(self) -> _Turn:
        """Read where one must, then send where one may."""
        halt = self._courier.halt
        if self._must_read or (halt.called and self._maybe_applied):
            ended = await self._read()
            if halt.called and isinstance(ended, _Again):
                return Left()
            if ended is not None:
                return ended
        if self._orders.read_only:
            return Left(sent=False)
        if not halt.called:
            await halt.pause(self._courier.pacer.reserve())
        if halt.called:
            return Left(sent=self._unanswered)
        return await self._send()

    async def give_up(self, last: _Again) -> Settlement | Left:
        """End a passage whose attempts have run out: where a read can tell more, it is made."""
        if self._must_read or self._maybe_applied:
            match await self._read():
                case Settlement() | Left() as ended:
                    return ended
                case _Again(reply=reply) if last.verdict is Verdict.IN_DOUBT:
                    cause = f"could not be read after it may have been applied: {_line(reply)}"
                    return Left(cause, lane=_unreachable(reply))
        line = _line(last.reply)
        match last.verdict:
            case Verdict.RENEW:
                cause = f"spent its last attempt on credentials that were stale: {line}"
                return Left(cause, sent=self._maybe_applied)
            case Verdict.RETRY if _unreachable(last.reply):
                cause = f"the server cannot be reached: {line}"
                return Left(cause, lane=True, sent=self._maybe_applied)
            case Verdict.CONFLICT:
                return self._settle(End(Reason.CONFLICT, line))
            case _:
                return self._settle(End(Reason.EXHAUSTED, line))

    async def _send(self) -> _Turn:
        orders = self._orders
        version = self._version if orders.guarded else None
        sent = request(orders.change, self.target, self._goal, version)
        self._attempts += 1
        reply = await self._courier.cluster.patch(
            self.target, sent, whole=orders.whole, dry_run=orders.dry_run
        )
        if isinstance(reply, Answer):
            self._status = reply.status
            if reply.status == 200 and reply.seen is not None:  # noqa: PLR2004 - OK
                end = after_patch(
                    orders.change, self._goal, self._version, reply.seen, dry_run=orders.dry_run
                )
                return self._settle(end)
        return await self._ponder(reply, sent.type)

    async def _ponder(self, reply: Reply, sent: PatchType) -> _Turn:
        """Find out what an answer that is no plain success asks for."""
        ruling = judge(reply, self._orders.retried)
        if isinstance(reply, Answer) and is_failed_test(reply, sent):
            # A test that failed, or an operation that does not fit: the object tells which.
            self._refused, self._must_read = reply, True
            return _Again(reply, Verdict.CONFLICT)
        match ruling.verdict:
            case Verdict.STOP:
                return self._settle(End(ruling.reason, _line(reply)))
            case Verdict.RENEW:
                return await self._renew(reply)
            case Verdict.CONFLICT:
                self._must_read = True
            case Verdict.IN_DOUBT:
                # Even a read that does not show it is not the last word: it may still arrive.
                self._must_read = self._maybe_applied = self._unanswered = True
            case Verdict.RETRY if isinstance(reply, Answer) and reply.status >= 500:  # noqa: PLR2004 - 5xx
                # A server in trouble may have done what it denies; a conflict would bring it out.
                self._maybe_applied = True
        return _Again(reply, ruling.verdict)

    async def _read(self) -> _Turn | None:
        """Read the object and decide; None where it is to be sent (again)."""
        await self._courier.halt.pause(self._courier.pacer.reserve())
        self._reads += 1
        reply = await self._courier.cluster.read(self.target, whole=self._orders.whole)
        match reply:
            case Answer(status=200, seen=Seen() as seen):
                return self._decide(seen)
            case Answer() if is_gone(reply):
                return self._decide(None)
            case Answer(status=401):
                return await self._renew(reply)
            case Answer(status=403):
                return Left(f"may not be read: {_line(reply)}", sent=self._maybe_applied)
            case _:
                return _Again(reply, Verdict.IN_DOUBT)

    def _decide(self, seen: Seen | None) -> _Turn | None:
        step = after_read(
            self.target,
            self._orders.change,
            seen,
            matches=seen is not None and self._orders.matches(self.target, seen),
            sent=self._maybe_applied and not self._orders.dry_run,
            on_drift=self._orders.on_drift,
        )
        if isinstance(step, End):
            return self._settle(step)
        if self._refused is not None and step.resource_version == self._version:
            return self._settle(End(Reason.REJECTED, _line(self._refused)))
        self._goal, self._version, self._must_read = step.goal, step.resource_version, False
        self._replaced, self._refused = step.replaces, None
        return None

    async def _renew(self, reply: Reply) -> _Turn:
        """After a first 401 the credentials are fetched anew; a second one stops the cluster."""
        if self._renewed:
            cause = f"the server does not accept our credentials: {_line(reply)}"
            return Left(cause, lane=True, sent=self._maybe_applied)
        self._renewed = True
        await self._courier.cluster.renew()
        return _Again(reply, Verdict.IN_DOUBT if self._must_read else Verdict.RENEW)

    def _settle(self, end: End) -> Settlement:
        return Settlement(
            target=self.target.id,
            reason=end.reason,
            http_status=self._status,
            attempts=self._attempts,
            reads=self._reads,
            elapsed_ms=round((self._courier.clock.monotonic() - self._started) * 1000, 1),
            resource_version=end.resource_version,
            detail=end.detail,
            replaced=self._replaced,
            # Where other values were replaced, others were wanted than the plan's.
            wrote=end.wrote or (self._goal if self._replaced is not None else None),
        )


def _unreachable(reply: Reply) -> bool:
    return isinstance(reply, NoAnswer) and reply.silence is Silence.UNREACHABLE


def _line(reply: Reply) -> str:
    status, text = describe(reply)
    return f"{status} {text}".strip() if status is not None else text
