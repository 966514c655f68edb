"""`fleetpatch sandbox`: the embedded API server as a process of its own."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

from fleetpatch.cli.lean_imports import load_libraries
from fleetpatch.cli.parameters import Option
from fleetpatch.errors import UsageError
from fleetpatch.model.providers.capability import ProviderName
from fleetpatch.model.units import read_duration
from fleetpatch.sandbox.apiserver.release import KubernetesVersion

if TYPE_CHECKING:
    from fleetpatch.sandbox.server import Ready, SandboxOptions


PortOption: TypeAlias = Annotated[
    int, Option(at_least=0, at_most=65535, help="The port to listen on; 0 takes any free one.")
]


def command(
    port: PortOption = 0,
    jobs: Annotated[int, Option(at_least=0, help="Jobs of the sample fleet.")] = 2000,
    namespaces: Annotated[int, Option(at_least=1, help="Namespaces of the sample fleet.")] = 20,
    pods: Annotated[int, Option(at_least=0, help="Pods that each job owns.")] = 0,
    seed: Annotated[int, Option(help="The same seed makes the same fleet.")] = 0,
    provider: Annotated[
        ProviderName, Option(help="The provider whose API is served.")
    ] = ProviderName.KUBERNETES,
    kubernetes: Annotated[
        KubernetesVersion, Option(help="The version of Kubernetes that is served.")
    ] = KubernetesVersion.V1_36,
    token_lifetime: Annotated[
        float | None,
        Option(
            read=read_duration,
            metavar="DURATION",
            help="How long a token of CCI's IAM is valid [24h].",
        ),
    ] = None,
    chaos: Annotated[
        str,
        Option(metavar="PROFILE|FILE", help="The faults to inject: none, mild, rough or a file."),
    ] = "none",
    kubeconfig: Annotated[
        Path | None,
        Option(
            help="Where to write the kubeconfig [a temporary file]. Only a file that the sandbox"
            " wrote is replaced."
        ),
    ] = None,
) -> None:
    """Serve the embedded API server with a sample fleet.

    When it is ready it prints one JSON line with server, kubeconfig and pid, and for CCI with the
    file of credentials. It ends on SIGTERM, SIGHUP or Ctrl-C.
    """
    if token_lifetime is not None and provider is not ProviderName.CCI:
        raise UsageError("--token-lifetime is for CCI; add --provider cci, or leave it out")
    load_libraries()

    from fleetpatch.cli.event_loop import run
    from fleetpatch.sandbox.chaos.profiles import load_chaos
    from fleetpatch.sandbox.server import TOKEN_LIFETIME, SandboxOptions

    options = SandboxOptions(
        port=port,
        jobs=jobs,
        namespaces=namespaces,
        pods=pods,
        seed=seed,
        kubeconfig=kubeconfig,
        chaos=load_chaos(chaos),
        provider=provider,
        kubernetes=kubernetes,
        token_lifetime=TOKEN_LIFETIME if token_lifetime is None else token_lifetime,
    )
    run(lambda: _serve_until_signalled(options))


async def _serve_until_signalled(options: "SandboxOptions") -> None:
    import anyio

    from fleetpatch.cli.event_loop import on_signal
    from fleetpatch.sandbox.server import serve

    stop = anyio.Event()
    with on_signal(lambda _number: stop.set()):
        await serve(options, _announce, stop)


def _announce(ready: "Ready") -> None:
    line = {"server": ready.server, "kubeconfig": str(ready.kubeconfig), "pid": ready.pid}
    if ready.credentials is not None:
        line["credentials"] = str(ready.credentials)
    # Flushed, because the parent process waits for this line, usually at the end of a pipe.
    print(json.dumps(line), flush=True)  # noqa: T201 - the answer of this verb
