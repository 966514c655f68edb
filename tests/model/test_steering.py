"""The pace that requests leave. Covered: their order, parts of a pace, --reset, other requests."""

from fleetpatch.model.steering import Action, PaceInForce, Request, pace_in_force

AT = "2027-01-15T08:00:00Z"


def pace(
    by: str, rate: float | None = None, concurrency: int | None = None, *, reset: bool = False
) -> Request:
    return Request(by, AT, by, Action.PACE, rate=rate, concurrency=concurrency, reset=reset)


def test_without_a_request_the_plan_s_pace_holds() -> None:
    assert pace_in_force([]) == PaceInForce()
    assert pace_in_force([Request("1", AT, "ann", Action.PAUSE)]) == PaceInForce()


def test_the_latest_value_of_each_kind_holds_with_who_set_it() -> None:
    requests = [pace("ann", 50.0, 8), pace("bob", 20.0), pace("eve", concurrency=4)]

    assert pace_in_force(requests) == PaceInForce(20.0, 4, "bob", "eve")


def test_a_reset_puts_the_plan_s_own_back() -> None:
    requests = [pace("ann", 50.0, 8), pace("bob", reset=True)]

    assert pace_in_force(requests) == PaceInForce()


def test_a_reset_with_a_value_begins_from_the_plan_s_own() -> None:
    requests = [pace("ann", 50.0, 8), pace("bob", 20.0, reset=True)]

    assert pace_in_force(requests) == PaceInForce(20.0, None, "bob", "")
