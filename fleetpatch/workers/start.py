"""Starts a worker's part of a session; Dask calls `start_agent` on each worker by its name.

The function answers at once. What it needs is imported in the thread that it starts.
"""

import logging
import sys
import threading
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, Final

from fleetpatch._version import __version__

_agents: Final[dict[str, threading.Thread]] = {}
"""The threads of this process, by session."""


def versions() -> dict[str, str]:
    """Return the versions that the coordinator and its workers must have in common."""
    return {"fleetpatch": __version__, "Python": f"{sys.version_info[0]}.{sys.version_info[1]}"}


def start_agent(
    coordinator: str, session: str, wanted: Mapping[str, str], dask_worker: Any = None
) -> dict[str, str]:
    """Take part in the session of the coordinator at this address, unless versions differ.

    Returns the versions of this process. Has no effect if the session has an agent here already.
    """
    found = versions()
    agent = _agents.get(session)
    if found == dict(wanted) and (agent is None or not agent.is_alive()):
        arguments = (coordinator, session, dask_worker)
        # A daemon: the end of the Dask worker does not wait for it.
        agent = threading.Thread(target=_run, args=arguments, name="fleetpatch", daemon=True)
        _agents[session] = agent
        agent.start()
    return found


def _run(coordinator: str, session: str, dask_worker: Any) -> None:
    import anyio  # noqa: PLC0415 - the loop of the Dask worker must not wait for these imports

    from fleetpatch.engine.clock import SystemClock  # noqa: PLC0415 - see above
    from fleetpatch.workers import agent, dask  # noqa: PLC0415 - see above
    from fleetpatch.workers.channel import Channel  # noqa: PLC0415 - see above

    name, tls = dask.name_and_tls(dask_worker)

    async def connect() -> Channel:
        return await dask.connect_to(coordinator, tls, seconds=2.0)

    async def serve() -> None:
        await agent.serve(connect, session, dask_worker.address, name, SystemClock())

    try:
        anyio.run(serve, backend_options={"use_uvloop": find_spec("uvloop") is not None})
    except Exception:
        # The log of the Dask worker is the only place that is left.
        logging.getLogger("distributed.worker").exception("fleetpatch ended on this worker")
    finally:
        _agents.pop(session, None)
