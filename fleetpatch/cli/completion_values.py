"""Values for completion: runs, plans, contexts, kinds, namespaces and clusters.

Only files of this machine are read, and a cluster is never asked: a completion must be quick, and
must not log in. What cannot be read has no values.
"""

import os
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

from fleetpatch import files
from fleetpatch.cli.parameters import Parameter
from fleetpatch.errors import FleetpatchError
from fleetpatch.journal.runs import run_names
from fleetpatch.journal.runs.folders import home, runs_dir, state_dir
from fleetpatch.kube.kubeconfig.content import DEFAULT
from fleetpatch.kube.kubeconfig.scan import contexts_of


class Line(NamedTuple):
    """The command line so far: values of options by their long names, arguments, the last word."""

    values: Mapping[str, str]
    arguments: Sequence[str]
    incomplete: str


def _run_files(line: Line) -> list[Path]:
    """Return the run files in the state folder, the newest first."""
    named = line.values.get("--state-dir")
    try:
        folder = runs_dir(state_dir(Path(named) if named else None, os.environ, home()))
        found = [(one.stat(follow_symlinks=False).st_mtime, one.path) for one in os.scandir(folder)]
    except (OSError, FleetpatchError):
        return []
    return [Path(path) for _, path in sorted(found, reverse=True) if path.endswith(".run")]


def _campaigns(line: Line) -> list[str]:
    names = (run_names.parse(path.stem) for path in _run_files(line))
    return list(dict.fromkeys(name.campaign for name in names if name))


def _runs(line: Line) -> list[str]:
    """Return the names of plans with runs, and of all runs."""
    return [*_campaigns(line), *(path.stem for path in _run_files(line))]


_PLAN_FILES: Final = (".yaml", ".yml", ".json")


def _plans(line: Line) -> Iterator[str]:
    """Yield plan files and folders beside what was typed."""
    folder, _, _ = line.incomplete.rpartition("/")
    above = f"{folder}/" if "/" in line.incomplete else ""
    try:
        entries = sorted(Path(above or ".").expanduser().iterdir())
    except (OSError, RuntimeError):  # a home folder that is not known
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield f"{above}{entry.name}/"
        elif entry.name.endswith(_PLAN_FILES):
            yield f"{above}{entry.name}"


def _plans_and_runs(line: Line) -> list[str]:
    return [*_plans(line), *_runs(line)]


def _contexts(line: Line) -> list[str]:
    return sorted(_kubeconfig_contexts(line))


def _kinds(line: Line) -> list[str]:
    """Return the kinds of the run that is named, else the job kinds that are known."""
    return _in_run(line, "kinds") or _known_kinds()


def _listed_kinds(line: Line) -> list[str]:
    """Return kinds for a list with commas, of which the last entry is not complete."""
    before, comma, _ = line.incomplete.rpartition(",")
    return [f"{before}{comma}{kind}" for kind in _known_kinds()]


def _known_kinds() -> list[str]:
    from fleetpatch.model.providers.tables import PROVIDERS

    known = (kind.resource.name for one in PROVIDERS.values() for kind in one.kinds)
    return list(dict.fromkeys(known))


def _namespaces(line: Line) -> list[str]:
    """Return the namespaces of the run that is named; else of recent runs and of contexts."""
    if of_run := _in_run(line, "namespaces"):
        return of_run
    found = set(filter(None, _kubeconfig_contexts(line).values()))
    for path in _run_files(line)[:_RECENT]:
        found.update(_read(path, "namespaces"))
    return sorted(found)


_RECENT: Final = 3
"""Run files that are read for namespaces."""


def _clusters(line: Line) -> list[str]:
    return _in_run(line, "clusters")


def _in_run(line: Line, what: str) -> list[str]:
    """Return values of the run, or of the latest run of the plan, that is the first argument."""
    if not line.arguments:
        return []
    name = line.arguments[0]
    paths = [Path(name)] if files.is_regular(Path(name)) else _run_files(line)
    for path in paths:
        parsed = run_names.parse(path.stem)
        if name in {str(path), path.stem, parsed.campaign if parsed else ""}:
            return _read(path, what)
    return []


def _read(path: Path, what: str) -> list[str]:
    from fleetpatch.journal import queries
    from fleetpatch.journal.runfile import RunFile

    try:
        with RunFile.open(path, check=False) as journal:
            match what:
                case "namespaces":
                    return [name for name in queries.some_namespaces(journal) if name]
                case "clusters":
                    return list(journal.clusters.values())
                case _:
                    return sorted(one.name for one in journal.resources.values())
    except (OSError, FleetpatchError):
        return []


def _kubeconfig_contexts(line: Line) -> Mapping[str, str]:
    named = line.values.get("--kubeconfig") or os.environ.get("KUBECONFIG")
    return contexts_of(named or DEFAULT)


_Source: TypeAlias = Callable[[Line], Sequence[str] | Iterator[str]]

_SOURCES: Final[Mapping[str, _Source]] = {
    "RUN": _runs,
    "[RUN]": _runs,
    "RUN|NAME...": _runs,
    "PLAN|RUN": _plans_and_runs,
    "PLAN": _plans,
    "PLAN...": _plans,
    "--plan": _campaigns,
    "--context": _contexts,
    "KINDS": _listed_kinds,
    "KIND": _kinds,
    "NAMESPACE": _namespaces,
    "CLUSTER": _clusters,
}
"""The values of a parameter, by its long name, or by the word that its help shows for it.

A word with several meanings, such as NAME, is not among them.
"""


def source_of(parameter: Parameter) -> _Source | None:
    """Return what looks up the values of a parameter, if something does."""
    return _SOURCES.get(parameter.long_name) or _SOURCES.get(parameter.declared.metavar)


def refused(verb: str, option: str) -> Container[str]:
    """Return the values of an option that its type has and that the verb refuses."""
    match verb, option:
        case "targets", "--verified":
            from fleetpatch.model.verification import VerifyResult

            return {VerifyResult.HOLDS}
        case "resume", "--reason":
            from fleetpatch.model.outcome import OUTCOME_OF, Outcome

            return {one for one, outcome in OUTCOME_OF.items() if outcome is not Outcome.FAILED}
        case _:
            return ()
