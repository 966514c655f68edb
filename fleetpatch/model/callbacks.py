"""The default value of optional callbacks."""


def ignore(*_: object) -> None:
    """Do nothing."""
