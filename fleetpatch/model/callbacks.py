"""The default of callbacks whose caller nobody listens to."""


def ignore(*_: object) -> None:
    """Do nothing."""
