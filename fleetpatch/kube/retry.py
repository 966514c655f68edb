"""Reading patiently: GETs that a busy server refuses are sent again, a bounded number of times.

For what the survey reads (lists, discovery) and not for attempts, whose pace and retries are the
engine's. A refused or lost GET did no harm, so 429, 503 and a reset are simply tried again after
the longer of our own backoff and the server's Retry-After. A server that has never answered is not
waited for: it is more likely a wrong address than a busy one.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from fleetpatch.errors import ClusterError, CredentialsError
from fleetpatch.kube.credentials import Credentials
from fleetpatch.kube.http.decoding import Raw, RawReply, decode_answer, describe
from fleetpatch.model.answer import Answer, NoAnswer, Reply, Silence
from fleetpatch.model.ports import Clock
from fleetpatch.rules.running.backoff import Backoff

TRIES: Final = 6
_BACKOFF: Final = Backoff(base=0.5, cap=30.0)
_PAUSES: Final = Backoff(base=0.25, cap=1.0)
_BUSY: Final = frozenset({429, 503})
_UNAUTHORIZED: Final = 401
_FIRST_ERROR: Final = 400


@dataclass(slots=True)
class RetryingReader:
    """How to wait: the server's `where` for messages, a clock, and `random`, uniform in [0, 1).

    `answered` tells whether the server has answered yet.
    """

    where: str
    credentials: Credentials
    clock: Clock
    random: Callable[[], float]
    answered: bool = False

    async def get(
        self,
        send: Callable[[], Awaitable[RawReply]],
        *,
        endure_slow: bool = True,
        tries: int = TRIES,
    ) -> RawReply:
        """Send until the answer is worth looking at, and return it.

        That is any answer but 401, 429 and 503; a timeout or 504 only where `endure_slow` is not
        set. Raises ClusterError when the tries are used up and CredentialsError on a 401 that new
        credentials do not cure.
        """
        renewed = False
        attempt = 0
        while True:
            raw = await send()
            if isinstance(raw, Raw):
                self.answered = True
                if raw.status < _FIRST_ERROR:
                    return raw
            reply = raw if isinstance(raw, NoAnswer) else decode_answer(raw)
            if isinstance(reply, Answer) and reply.status == _UNAUTHORIZED:
                if renewed or not await self.credentials.renew():
                    raise self._unauthorized(reply)
                renewed = True
                continue
            if not self._is_passing(reply, endure_slow=endure_slow):
                return raw
            attempt += 1
            if attempt >= tries:
                raise ClusterError(
                    f"{self.where}: gave up after {tries} tries ({describe(reply)}); "
                    "try again when the server is well"
                )
            await self._wait(attempt, reply)

    async def pause(self, number: int) -> None:
        """Wait for the number-th time before something is asked that went well but did not help."""
        await self.clock.sleep(_PAUSES.ceiling(number) * self.random())

    def _is_passing(self, reply: Reply, *, endure_slow: bool) -> bool:
        if is_slow(reply):
            return endure_slow
        if isinstance(reply, NoAnswer):
            return self.answered or reply.silence is not Silence.UNREACHABLE
        return reply.status in _BUSY

    async def _wait(self, attempt: int, reply: Reply) -> None:
        now = self.clock.wall()
        await self.clock.sleep(_BACKOFF.delay(attempt, reply, now=now, random=self.random()))

    def _unauthorized(self, reply: Reply) -> CredentialsError:
        return CredentialsError(
            f"{self.where}: does not accept our credentials ({describe(reply)}); "
            f"{self.credentials.remedy}"
        )


def is_slow(reply: RawReply | Reply) -> bool:
    """Tell whether a server or a proxy ran out of time."""
    if isinstance(reply, NoAnswer):
        return reply.silence is Silence.TIMEOUT
    return reply.status == 504  # noqa: PLR2004 - Gateway Timeout
