"""Values that are printed in part."""

from typing import ClassVar

from rich.pretty import pretty_repr

from fleetpatch.model.partial_repr import PartialRepr


class Account(PartialRepr, frozen=True):
    _printed: ClassVar = ("user",)

    user: str
    password: str = "opensesame"


def test_only_the_listed_fields_are_printed() -> None:
    account = Account("ops")

    assert repr(account) == str(account) == pretty_repr(account) == "Account(user='ops')"
    assert "opensesame" not in f"{account!r}{[account]}{(account, account)}"


def test_fields_that_are_not_printed_are_compared() -> None:
    assert Account("ops") == Account("ops", "opensesame")
    assert Account("ops") != Account("ops", "xyzzy")
