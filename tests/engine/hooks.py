"""What a test does at each call of a fake cluster or a fake journal."""

from collections.abc import Callable

from fleetpatch.model.answer import Reply
from tests.fakes import Call, FakeCluster


def before_each(cluster: FakeCluster, look: Callable[[Call], None]) -> None:
    """Let `look` see each PATCH as the server takes it."""
    answer = cluster.patches

    def patches(call: Call) -> Reply:
        look(call)
        return answer(call)

    cluster.patches = patches


def fail_at(number: int, error: Exception) -> Callable[[], None]:
    calls = iter(range(1, 10**6))

    def step() -> None:
        if next(calls) >= number:
            raise error

    return step
