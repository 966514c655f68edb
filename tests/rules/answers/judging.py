"""Verdicts as of a plan that does not say which statuses are retried."""

from fleetpatch.model.answer import Answer
from fleetpatch.model.outcome import Reason
from fleetpatch.model.plan.retry import RetrySection
from fleetpatch.rules.answers.verdicts import Ruling, Verdict, judge

RETRIED = frozenset(RetrySection().statuses)
REJECTED = Ruling(Verdict.STOP, Reason.REJECTED)


def verdict(answer: Answer) -> Verdict:
    return judge(answer, RETRIED).verdict
