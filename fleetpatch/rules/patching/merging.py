"""What is known of how the servers of a run merge: their versions, and the schemas they publish.

It is kept with the run, so that a run is carried out by the rules by which it was planned.
"""

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from fleetpatch.model.resource import Resource
from fleetpatch.rules.patching.merge_rules import MergeRules, merge_rules
from fleetpatch.rules.patching.server_schema import ServerSchema


class ServerMerging(msgspec.Struct, frozen=True):
    """What is known of one server: its version ("1.20"), "" if unknown, and its schema.

    `schema` has the kinds of the plan, as far as the server publishes them. It is None where the
    table of the version has the same rules.
    """

    release: str = ""
    schema: ServerSchema | None = None

    def rules(self, resource: Resource) -> MergeRules:
        """The rules by which the server merges objects of this kind."""
        return merge_rules(resource, self.release, self.schema)


UNKNOWN: Final = ServerMerging()


class RunMerging(msgspec.Struct, frozen=True):
    """What is known of all servers of a run; those with the same schema share it.

    - `releases`: the version of each cluster, if known.
    - `schemas`: the schemas of the servers, each once.
    - `places`: the position in `schemas` of the schema of a cluster, if it has one.
    """

    releases: Mapping[str, str] = {}
    schemas: tuple[ServerSchema, ...] = ()
    places: Mapping[str, int] = {}

    @classmethod
    def of(cls, servers: Mapping[str, ServerMerging]) -> "RunMerging":
        """Join what is known of each cluster."""
        texts: dict[bytes, int] = {}
        schemas: list[ServerSchema] = []
        places: dict[str, int] = {}
        for name, server in servers.items():
            if server.schema is None:
                continue
            text = msgspec.json.encode(server.schema)
            if text not in texts:
                texts[text] = len(schemas)
                schemas.append(server.schema)
            places[name] = texts[text]
        releases = {name: server.release for name, server in servers.items()}
        return cls(releases, tuple(schemas), places)

    def at(self, cluster: str) -> ServerMerging:
        """What is known of the server of this cluster."""
        place = self.places.get(cluster, -1)
        schema = self.schemas[place] if 0 <= place < len(self.schemas) else None
        return ServerMerging(self.releases.get(cluster, ""), schema)

    def servers(self) -> Iterator[ServerMerging]:
        """What is known of the servers, sorted by version; servers that are alike count once."""
        found = {(self.at(name).release, self.places.get(name, -1)): name for name in self.releases}
        yield from (self.at(found[key]) for key in sorted(found))
