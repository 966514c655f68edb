"""Retries of requests that change nothing: the GETs of the survey, and log-ins to IAM.

Attempts at a PATCH are in `fleetpatch.engine.retry`. Only replies are retried: exceptions,
cancellation among them, pass through tenacity to the caller.

Which replies to a GET are transient:

=================================  ==============================================================
429, 503, a reset                  the server is busy
another 5xx                        only if the server asks for another attempt (Retry-After)
504, a timeout                     likewise, unless the caller requests a smaller page instead
no connection                      only if the server has answered before; otherwise a wrong
                                   address is more likely than a server that restarts
401                                not transient; repeated once, with new credentials
=================================  ==============================================================
"""

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
from tenacity import AsyncRetrying, RetryCallState, retry_if_result, stop_after_attempt

from fleetpatch.errors import CredentialsError, UnreachableError
from fleetpatch.kube.credentials import Credentials
from fleetpatch.kube.http.decoding import Raw, RawReply, decode_answer
from fleetpatch.model.answer import NoAnswer, Reply, Silence, one_line_with_reason
from fleetpatch.model.ports import Clock
from fleetpatch.rules.running.backoff import Backoff


class RetryPolicy(msgspec.Struct, frozen=True):
    """The highest number of requests, and the waits between them."""

    attempts: int
    backoff: Backoff


LIST_RETRIES: Final = RetryPolicy(6, Backoff(base=0.5, cap=30.0))
"""Up to about half a minute, since a list that fails loses all of its pages."""

DISCOVERY_RETRIES: Final = RetryPolicy(3, LIST_RETRIES.backoff)
"""Fewer attempts, since an aggregated API that is down answers 503 all the time."""

_PAUSES: Final = Backoff(base=0.25, cap=1.0)
"""Shorter than the waits of a retry: the server has answered, so it is not overloaded."""
_BUSY: Final = frozenset({429, 503})
"""Statuses with which a server refuses a request before it does any work for it."""
_SERVER_ERRORS: Final = 500
_UNAUTHORIZED: Final = 401


class Retrier(msgspec.Struct, frozen=True):
    """Repeats requests, with waits on `clock`; `random` is uniform in [0, 1) and spreads them."""

    clock: Clock
    random: Callable[[], float]

    async def retry(
        self,
        send: Callable[[], Awaitable[RawReply]],
        *,
        policy: RetryPolicy,
        is_transient: Callable[[RawReply], bool],
    ) -> RawReply:
        """Send until a reply is not transient; return the last one when no attempt is left."""

        # As engine.retry for PATCHes. Neither can import the other, and rules may not use tenacity.
        def wait(state: RetryCallState) -> float:
            reply, now = reply_of(_last_reply(state)), self.clock.wall()
            return policy.backoff.delay(state.attempt_number, reply, now=now, random=self.random())

        # An instance for each call: it keeps state that concurrent calls must not share.
        retrying = AsyncRetrying(
            stop=stop_after_attempt(policy.attempts),
            wait=wait,
            retry=retry_if_result(is_transient),
            # Without an attempt left, return the last reply instead of raising RetryError.
            retry_error_callback=_last_reply,
            sleep=self.clock.sleep,
        )
        return await retrying(send)


class RetryingReader:
    """Sends GETs to one server, with retries; `where` names the server in messages."""

    def __init__(self, where: str, credentials: Credentials, retrier: Retrier) -> None:
        self.where = where
        self._credentials = credentials
        self._retrier = retrier
        self._has_answered = False

    async def get(
        self,
        send: Callable[[], Awaitable[RawReply]],
        *,
        policy: RetryPolicy = LIST_RETRIES,
        retry_timeouts: bool = True,
    ) -> RawReply:
        """Send until a reply is neither transient nor a 401, and return it.

        Raises UnreachableError when the attempts of `policy` are used up, and CredentialsError on a
        401 that new credentials do not cure.
        """
        renewed = False

        async def send_authorized() -> RawReply:
            nonlocal renewed
            while True:
                raw = await send()
                if isinstance(raw, NoAnswer):
                    return raw
                self._has_answered = True
                if raw.status != _UNAUTHORIZED:
                    return raw
                # Only once: if new credentials are refused, too, later ones will be as well.
                if renewed or not await self._credentials.renew():
                    raise self._unauthorized(decode_answer(raw))
                renewed = True

        def is_transient(raw: RawReply) -> bool:
            return retry_timeouts if is_timeout(raw) else self._is_transient(raw)

        raw = await self._retrier.retry(send_authorized, policy=policy, is_transient=is_transient)
        # The reply is still transient, so the attempts are used up.
        if is_transient(raw):
            raise UnreachableError(
                f"{self.where}: gave up after {policy.attempts} tries"
                f" ({one_line_with_reason(reply_of(raw))}); try again when the server is available"
            )
        return raw

    async def pause(self, number: int) -> None:
        """Pause a list for the `number`-th time: it was answered, but did not advance."""
        retrier = self._retrier
        await retrier.clock.sleep(_PAUSES.ceiling(number) * retrier.random())

    def _is_transient(self, raw: RawReply) -> bool:
        if isinstance(raw, NoAnswer):
            return self._has_answered or raw.silence is not Silence.UNREACHABLE
        return raw.status in _BUSY or (raw.status >= _SERVER_ERRORS and _asks_to_retry(raw))

    def _unauthorized(self, reply: Reply) -> CredentialsError:
        return CredentialsError(
            f"{self.where}: does not accept our credentials ({one_line_with_reason(reply)}); "
            f"{self._credentials.remedy}"
        )


def _asks_to_retry(raw: Raw) -> bool:
    # As client-go, which repeats a GET after every 5xx that has the header. A server writes it for
    # each Status with `retryAfterSeconds`; a proxy may have removed it.
    answer = decode_answer(raw)
    return answer.retry_after is not None or answer.retry_after_seconds is not None


def reply_of(raw: RawReply) -> Reply:
    """Decode a reply, if there is an answer to decode."""
    return raw if isinstance(raw, NoAnswer) else decode_answer(raw)


def is_timeout(raw: RawReply) -> bool:
    """Return whether the server did not answer in time, or a proxy reports that."""
    if isinstance(raw, NoAnswer):
        return raw.silence is Silence.TIMEOUT
    return raw.status == 504  # noqa: PLR2004 - Gateway Timeout


def _last_reply(state: RetryCallState) -> RawReply:
    # For the type checker: tenacity sets the outcome before it calls a policy.
    if state.outcome is None:
        raise AssertionError("a policy was called before the first reply")
    reply: RawReply = state.outcome.result()
    return reply
