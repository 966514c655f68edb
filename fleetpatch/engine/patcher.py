"""The patcher of one target: what is sent and read for it, and what each reply means.

The first PATCH is optimistic and carries the version that was planned. A 200 that shows the object
ends the target. After any other reply the PATCH may have been applied, whatever the status: an
intermediary may have answered. So the object is read after a conflict, after a reply that leaves it
open, and before the target ends on a refusal or with its attempts used up. A reply that asks for
another attempt is followed by that attempt, whose guard detects a change that was made all the
same. Each attempt ends in a `Settlement`, in `Retryable` or in `Deferred`.
"""

from msgspec.structs import replace

from fleetpatch.engine import causes
from fleetpatch.engine.attempt import AttemptResult, Deferred, Retryable, Unjudged
from fleetpatch.engine.doubt import Doubt
from fleetpatch.engine.policy import PatchContext
from fleetpatch.engine.recheck import step_after_read
from fleetpatch.engine.shutdown import Shutdown
from fleetpatch.errors import ClusterError, CredentialsError
from fleetpatch.model.answer import Answer, Reply, is_unreachable, one_line
from fleetpatch.model.equality import deep_equal
from fleetpatch.model.fields import Fields
from fleetpatch.model.outcome import Reason, Settlement
from fleetpatch.model.target import Seen, Target
from fleetpatch.rules.answers.acceptance import after_patch, may_be_stale
from fleetpatch.rules.answers.confirming import confirmed
from fleetpatch.rules.answers.identity import verified_reply
from fleetpatch.rules.answers.settlement import partly_stored, values_written
from fleetpatch.rules.answers.steps import End, Step
from fleetpatch.rules.answers.verdicts import (
    Ruling,
    Verdict,
    is_failed_test,
    is_gone,
    is_owned_by,
    judge,
)
from fleetpatch.rules.pacing.governor import Permit
from fleetpatch.rules.planning.planner import goal
from fleetpatch.rules.running.backoff import retry_after


class TargetPatcher:
    """The state of one target: `send_first`, then `attempt` until the result is not `Retryable`.

    `give_up` ends it where no attempt is left.
    """

    def __init__(self, context: PatchContext, target: Target, *, in_doubt: bool) -> None:
        # Values that a PATCH of ours replaced, where they are not those of the plan; for undo.
        self._replaced: Fields | None = None
        earlier = target.earlier
        # An attempt whose outcome was reopened may have replaced other values than planned.
        if earlier is not None and not deep_equal(earlier.replaced, target.before):
            self._replaced = earlier.replaced
            target = replace(target, before=earlier.replaced)
        self.target = target
        self._context = context
        self._policy = context.policy
        self._goal = goal(self._policy.change, target)
        self._planned_version = target.resource_version
        # What the last read showed of our change, if it was stored in part.
        self._ours: Fields = {}
        # How the target ends if the next read finds nothing better. With `_refused_for_good` no
        # further PATCH can succeed; without it, one can if the object has changed.
        self._refused: End | None = None
        self._refused_for_good = False
        self._options = self._policy.options
        # The resourceVersion that the next PATCH carries.
        self._version = target.resource_version
        self._doubt = Doubt(in_doubt=in_doubt)
        self._renewed = False
        self._attempts = 0
        self._reads = 0
        self._status: int | None = None
        # Two times: the record counts from here, the deadline from the first PATCH, since the wait
        # for the pacer in between may be long.
        self._started = context.clock.monotonic()
        self._first_sent_at: float | None = None
        self._last: Retryable | None = None
        self._unjudged: Unjudged | None = None

    @property
    def elapsed(self) -> float:
        """Seconds since the first PATCH was sent; 0 before that."""
        now = self._context.clock.monotonic()
        return now - (now if self._first_sent_at is None else self._first_sent_at)

    async def send_first(self) -> Settlement | Deferred | None:
        """Send the patch as planned, without a read: a 200 that shows the object ends the target.

        Returns None where `attempt` has to go on, with the reply or with the read that comes first.
        """
        if self._doubt.must_read or self._policy.read_only:
            return None
        permit = await self._context.pacer.admit(self._context.shutdown)
        if permit is None:
            return await self._defer_for_shutdown()
        sent = await self._send(permit)
        if isinstance(sent, Settlement):
            return sent
        self._unjudged = sent
        return None

    async def attempt(self) -> AttemptResult:
        """Judge the reply that `send_first` left; without one, read and send first."""
        unjudged, self._unjudged = self._unjudged, None
        if unjudged is None:
            sent = await self._read_and_send()
            if not isinstance(sent, Unjudged):
                return sent
            unjudged = sent
        result = await self._judge(unjudged)
        self._last = result if isinstance(result, Retryable) else None
        return result

    async def _read_and_send(self) -> AttemptResult | Unjudged:
        """Read where needed, then send where allowed."""
        shutdown = self._context.shutdown
        # Without this the target would wait for the pacer first, and then be read all the same.
        if shutdown.requested and self._doubt.unread and not self._doubt.must_read:
            return await self._defer_for_shutdown()
        if self._doubt.must_read:
            ended = await self._read()
            # Another read could follow only after a wait, and there are no waits after a shutdown.
            if shutdown.requested and isinstance(ended, Retryable):
                return Deferred()
            if ended is not None:
                return ended
        if self._policy.read_only:
            # The read found nothing of ours, so that the target can be released.
            return self._partly_stored() or Deferred(in_doubt=False)
        permit = await self._context.pacer.admit(shutdown)
        if permit is None:
            return await self._defer_for_shutdown()
        if self._last is not None and self.elapsed > self._policy.deadline:
            # The wait for the pacer took longer than the deadline: the target ends as after a wait.
            self._context.pacer.unused(permit)
            return self._last
        return await self._send(permit)

    async def _defer_for_shutdown(self) -> Settlement | Deferred:
        """Leave the target open because of a shutdown, unless a read shows that it is settled.

        After a reply that asks for a pause nothing is read, and the target stays in doubt.
        """
        if self._doubt.unread:
            if self._last and retry_after(self._last.reply, self._context.clock.wall()):
                return Deferred()
            match await self._read():
                case Settlement() as ended:
                    return ended
                case Retryable() | Deferred():
                    return Deferred()
        return self._partly_stored() or Deferred(in_doubt=self._doubt.remains)

    def _partly_stored(self) -> Settlement | None:
        """Settle a target that has some of our values, if no more may be sent."""
        return self._settle(partly_stored(self._ours, self._version)) if self._ours else None

    async def give_up(self, last: Retryable, *, may_send: bool = True) -> Settlement | Deferred:
        """End a target whose attempts are used up, after a read if that can decide.

        `may_send`: a PATCH may follow the read if attempts were used up by failing reads.
        """
        # Overdue: attempts ended before a read that had to come first.
        if (overdue := self._doubt.must_read) or self._doubt.unread:
            match await self._read():
                case Settlement() as ended:
                    return ended
                # Otherwise the refused read says less about the target than its last PATCH did.
                case Deferred() as deferred if deferred.stops_lane or overdue:
                    return deferred
                case Retryable(reply=reply) if self._must_stay_open(last, reply):
                    # Where the server cannot be reached, the object is not the cause.
                    unreachable = is_unreachable(reply)
                    return Deferred(
                        causes.unreachable(reply) if unreachable else causes.not_read(reply),
                        stops_lane=unreachable,
                        unanswered=last.verdict is Verdict.IN_DOUBT,
                    )
                case None if overdue and may_send and self._has_attempts_left:
                    # Attempts were used up by reads that failed; this one did not.
                    result = await self.attempt()
                    if not isinstance(result, Retryable):
                        return result
                    return await self.give_up(result, may_send=False)
        match last.verdict:
            # Neither says anything about the object, so the target is not called failed.
            case Verdict.RENEW:
                cause = causes.credentials_stale(last.reply)
                return Deferred(cause, in_doubt=self._doubt.remains)
            case Verdict.RETRY if is_unreachable(last.reply):
                cause = causes.unreachable(last.reply)
                return Deferred(cause, stops_lane=True, in_doubt=self._doubt.remains)
            case Verdict.CONFLICT:
                return self._settle(End(Reason.CONFLICT, one_line(last.reply)))
            case _:
                return self._settle(End(last.reason, one_line(last.reply)))

    async def _send(self, permit: Permit) -> Settlement | Unjudged:
        policy = self._policy
        version = self._version if policy.always_guarded else None
        sent = policy.requests.build(self.target, self._goal, version, self._options)
        # Counted before the reply: a cancelled request may have reached the server.
        self._attempts += 1
        if self._first_sent_at is None:
            self._first_sent_at = self._context.clock.monotonic()
        reply = await self._context.cluster.patch(
            self.target, sent, whole=policy.whole, dry_run=policy.dry_run
        )
        self._context.pacer.answered(permit, reply)
        # A reply about another object counts as no reply.
        reply = verified_reply(self.target, reply, written=True)
        if isinstance(reply, Answer):
            self._status = reply.status
            if reply.status == 200 and reply.seen is not None:  # noqa: PLR2004 - OK
                end = self._decide_on_200(reply.seen)
                if not self._is_stale(end, reply.seen):
                    return self._settle(end)
        if not (policy.dry_run or is_unreachable(reply)):
            # The request was sent: whatever the reply is, it may have been applied.
            self._doubt.note_sent()
        return Unjudged(reply, sent.type)

    def _is_stale(self, end: End, seen: Seen) -> bool:
        """Return whether a 200 may show the object of another time: a cache may have answered."""
        # Most answers show the change, and nothing else is to be decided.
        if end.reason is Reason.PATCHED or self._policy.dry_run:
            return False
        return may_be_stale(end, self._goal, self._version, seen, before=self.target.before)

    def _decide_on_200(self, seen: Seen) -> End:
        # A version that was read after a PATCH of ours may be the result of that PATCH.
        sent_before = self._doubt.maybe_applied and self._version != self._planned_version
        return after_patch(
            self._policy.change,
            self._goal,
            self._version,
            seen,
            before=self.target.before,
            sent_before=sent_before,
            guarded=self._policy.always_guarded,
            dry_run=self._policy.dry_run,
            uncertain=lambda: self._policy.uncertain_paths(self.target),
        )

    async def _judge(self, unjudged: Unjudged) -> AttemptResult:
        """Decide what follows a reply that did not settle the target in `_send`."""
        reply, sent = unjudged
        # A stale 200: the read that `_confirm` makes may show the change.
        if isinstance(reply, Answer) and reply.status == 200 and reply.seen:  # noqa: PLR2004 - OK
            self._doubt.lost = True
            return await self._confirm(self._decide_on_200(reply.seen))
        ruling = judge(reply, self._policy.retried)
        # Before the ruling: a server that is starting refuses what it will accept in a moment.
        if self._may_be_starting(reply) and self._attempts < self._policy.attempts:
            return Retryable(reply, Verdict.RETRY)
        if isinstance(reply, Answer) and is_failed_test(reply, sent):
            # Either a test failed, which is a conflict, or an operation does not fit the object.
            # Only a read shows which.
            self._refused, self._doubt.must_read = End(Reason.REJECTED, one_line(reply)), True
            return Retryable(reply, Verdict.CONFLICT)
        self._doubt.note_verdict(ruling.verdict)
        match ruling.verdict:
            case Verdict.STOP if self._conflicts_only_with_us(reply):
                self._options = replace(self._options, force=True)
                return Retryable(reply, Verdict.RETRY)
            case Verdict.STOP:
                return await self._refuse(ruling, reply)
            case Verdict.RENEW:
                return await self._renew(reply)
        return Retryable(reply, ruling.verdict, ruling.reason, ruling.pause)

    def _must_stay_open(self, last: Retryable, read: Reply) -> bool:
        """Return whether a target whose last read failed must stay open."""
        if last.verdict is Verdict.RENEW:
            # It stays open in any case, with the credentials as its cause.
            return False
        # A refused read would be refused again, so the target ends unless a PATCH was unanswered.
        return self._doubt.unanswered or not (isinstance(read, Answer) and self._is_final(read))

    @property
    def _has_attempts_left(self) -> bool:
        policy = self._policy
        return self._attempts < policy.attempts and self.elapsed <= policy.deadline

    def _conflicts_only_with_us(self, reply: Reply) -> bool:
        """Return whether an apply conflicts only with fields of our own field manager.

        The server lists managers by name and operation, so fields that we set by a PATCH of another
        type, as an undo does, conflict with our apply.
        """
        own = is_owned_by(reply, self._options.field_manager)
        return own and not self._options.force

    async def _refuse(self, ruling: Ruling, reply: Reply) -> AttemptResult:
        """End with a refusal, unless a read shows that a PATCH of ours was applied all the same."""
        refused = End(ruling.reason, one_line(reply))
        return await self._confirm(refused) if self._doubt.maybe_applied else self._settle(refused)

    async def _confirm(self, refused: End) -> AttemptResult:
        """End with `refused`, unless a read shows another end."""
        self._refused, self._refused_for_good, self._doubt.must_read = refused, True, True
        return await self._read() or self._settle(refused)

    async def _read(self) -> AttemptResult | None:
        """Read the object and decide; None if the PATCH is to be sent (again)."""
        # With a shutdown of its own the pacer admits it even after the lane's shutdown was
        # requested: a read settles the target, and the drain time bounds it.
        permit = await self._context.pacer.admit(Shutdown(self._context.clock))
        self._reads += 1
        reply = await self._context.cluster.get(self.target, whole=self._policy.reads_whole)
        if permit is not None:
            self._context.pacer.answered(permit, reply)
        reply = verified_reply(self.target, reply, written=False)
        unready = self._may_be_starting(reply)
        refused = self._refused if self._refused_for_good else None
        match reply:
            case Answer(status=200, seen=Seen() as seen):
                return await self._decide(seen)
            case Answer() if is_gone(reply):
                return await self._decide(None)
            case Answer(status=401):
                return await self._renew(reply)
            # The PATCH and the read were both refused, and no retry changes that.
            case Answer() if refused and not unready and self._is_final(reply):
                return self._settle(refused)
            # Unlike a 404 this says nothing about the object: the target stays open.
            case Answer(status=403) if not unready:
                cause = causes.may_not_be_read(reply)
                return Deferred(cause, in_doubt=self._doubt.remains)
            case _:
                return Retryable(reply, Verdict.IN_DOUBT)

    def _may_be_starting(self, reply: Reply) -> bool:
        return self._context.outages.may_explain(reply, self._context.clock.monotonic())

    async def _decide(self, seen: Seen | None) -> AttemptResult | None:
        try:
            step = await step_after_read(self._policy, self.target, seen, self._doubt)
        except (ClusterError, CredentialsError) as error:
            cause = causes.not_evaluated(error)
            return Deferred(cause, in_doubt=self._doubt.remains)
        return self._follow(step, seen)

    def _follow(self, step: Step, seen: Seen | None) -> AttemptResult | None:
        self._doubt.unread = False
        self._ours = (step.wrote or {}) if isinstance(step, End) else step.ours
        refused = self._refused
        # Then no step sends a PATCH again.
        if refused and self._refused_for_good:
            before, managers = self.target.before, self._policy.managers
            step = confirmed(refused, step, seen, before=before, managers=managers)
        if isinstance(step, End):
            self._replaced = self._replaced if step.replaces is None else step.replaces
            return self._settle(step)
        # The object is still the one that the refused PATCH was about: it would be refused again.
        if refused and step.resource_version == self._version:
            return self._settle(refused)
        self._goal, self._version = step.goal, step.resource_version
        self._refused, self._doubt.must_read = None, False
        if step.replaces is not None:
            # From now on drift means a change of the values that are replaced, not of the planned.
            self.target = replace(self.target, before=step.replaces, wanted=step.goal)
            self._replaced = step.replaces
        return None

    async def _renew(self, reply: Reply) -> AttemptResult:
        """Renew the credentials after the first 401 of the target; the second one stops the lane.

        The request is repeated even if the credentials are the same: a 401 may be a passing fault.
        """
        if self._renewed:
            cause = causes.credentials_refused(reply)
            return Deferred(cause, stops_lane=True, in_doubt=self._doubt.remains)
        self._renewed = True
        # Returns at once where another worker has renewed them since.
        await self._context.cluster.renew()
        return Retryable(reply, Verdict.IN_DOUBT if self._doubt.must_read else Verdict.RENEW)

    def _is_final(self, answer: Answer) -> bool:
        return judge(answer, self._policy.retried).verdict is Verdict.STOP

    def _settle(self, end: End) -> Settlement:
        return Settlement(
            target=self.target.id,
            reason=end.reason,
            http_status=self._status,
            attempts=self._attempts,
            reads=self._reads,
            elapsed_ms=round((self._context.clock.monotonic() - self._started) * 1000, 1),
            resource_version=end.resource_version,
            detail=end.detail,
            replaced=self._replaced,
            wrote=end.wrote
            or values_written(end.reason, self._goal, self._ours, replaced=self._replaced),
        )
