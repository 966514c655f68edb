"""A connection between the coordinator and a worker, as a port."""

from typing import Protocol


class DisconnectedError(Exception):
    """The connection was closed, or cannot be made."""


class Channel(Protocol):
    """Carries messages in both directions, in their order."""

    async def send(self, body: bytes) -> None:
        """Send one message. Raises DisconnectedError."""
        ...

    async def receive(self) -> bytes:
        """Wait for the next message. Raises DisconnectedError."""
        ...

    def close(self) -> None:
        """Close the connection at once; calls that wait raise DisconnectedError."""
        ...
