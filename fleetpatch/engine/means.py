"""What a passage has of its courier: where it goes, how, and when it has to stop."""

from typing import Protocol

from fleetpatch.engine.halt import Halt
from fleetpatch.engine.orders import Orders
from fleetpatch.engine.outage import Outage
from fleetpatch.engine.pacer import Pacer
from fleetpatch.model.ports import Clock, Cluster


class Means(Protocol):
    """What a passage has of its courier."""

    @property
    def cluster(self) -> Cluster:
        """Where it goes."""
        ...

    @property
    def orders(self) -> Orders:
        """How the target is to be treated."""
        ...

    @property
    def pacer(self) -> Pacer:
        """What every request passes."""
        ...

    @property
    def halt(self) -> Halt:
        """What tells when to come to rest."""
        ...

    @property
    def outage(self) -> Outage:
        """When the cluster was last not to be reached."""
        ...

    @property
    def clock(self) -> Clock:
        """Time."""
        ...
