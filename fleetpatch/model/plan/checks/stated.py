"""What the name of a kind means, as far as that is known without asking a cluster."""

import re
from dataclasses import replace
from typing import Final

from fleetpatch.model.kinds import matching
from fleetpatch.model.providers.capability import ProviderName
from fleetpatch.model.providers.tables import PROVIDERS
from fleetpatch.model.resource import Resource

_VERSION: Final = re.compile(r"v[0-9]+((alpha|beta)[0-9]+)?")


def stated(name: str, provider: ProviderName) -> Resource | None:
    """Give the resource that `name` says, or None where only the cluster can tell.

    Its version and kind are empty where they do not follow from the name. Where a provider has
    nothing but its own kinds, the resource may be one that it does not have.
    """
    offer = PROVIDERS[provider]
    found = matching(name, [known.resource for known in offer.kinds])
    if len(found) > 1:
        return None
    head, dot, rest = name.lower().partition(".")
    version, _, behind = rest.partition(".")
    is_versioned = bool(_VERSION.fullmatch(version))
    if found:
        # A cluster of one's own may serve another version of a known kind.
        is_sure = offer.is_closed or is_versioned
        return found[0] if is_sure else replace(found[0], version="")
    if not dot and not offer.is_closed:
        return None
    return Resource(behind, version, head, "") if is_versioned else Resource(rest, "", head, "")
