"""`fleetpatch sandbox`: the embedded API server as a process of its own."""

import json
import signal
from pathlib import Path
from typing import Annotated, Literal

import anyio
import typer

from fleetpatch.cli.running import run
from fleetpatch.sandbox.chaos import load_chaos
from fleetpatch.sandbox.server import Ready, SandboxOptions, serve


def command(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free port.")] = 0,
    jobs: Annotated[int, typer.Option(min=0, help="Jobs of the sample fleet.")] = 2000,
    namespaces: Annotated[int, typer.Option(min=1, help="Namespaces they are spread over.")] = 20,
    seed: Annotated[int, typer.Option(help="The same seed makes the same fleet.")] = 0,
    provider: Annotated[  # noqa: ARG001 - so far there is one, and scripts may say so
        Literal["kubernetes"], typer.Option(help="Whose API is served.")
    ] = "kubernetes",
    chaos: Annotated[
        str,
        typer.Option(metavar="PROFILE|FILE", help="How to misbehave: none, mild, rough or a file."),
    ] = "none",
    kubeconfig: Annotated[
        Path | None, typer.Option(help="Where to write the kubeconfig [a temporary file].")
    ] = None,
) -> None:
    """Serve the embedded API server with a sample fleet.

    Prints one JSON line with server, kubeconfig and pid once it serves; ends on SIGTERM or Ctrl-C.
    """
    options = SandboxOptions(
        port=port,
        jobs=jobs,
        namespaces=namespaces,
        seed=seed,
        kubeconfig=kubeconfig,
        chaos=load_chaos(chaos),
    )
    run(lambda: _serve(options))


async def _serve(options: SandboxOptions) -> None:
    stop = anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_until_signalled, stop)
        await serve(options, _announce, stop)
        tasks.cancel_scope.cancel()


async def _until_signalled(stop: anyio.Event) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            stop.set()


def _announce(ready: Ready) -> None:
    line = {"server": ready.server, "kubeconfig": str(ready.kubeconfig), "pid": ready.pid}
    # Whoever started us waits for this line, most likely at the other end of a pipe.
    print(json.dumps(line), flush=True)  # noqa: T201 - the answer of this verb
