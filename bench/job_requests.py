"""The requests of the contenders that use aiohttp alone: lists of metadata, and merge patches."""

import json

import aiohttp

_PAGE = 500
_METADATA = "application/json;as={};g=meta.k8s.io;v=v1"
_LIST_HEADERS = {"Accept": _METADATA.format("PartialObjectMetadataList")}
PATCH_HEADERS = {
    "Accept": _METADATA.format("PartialObjectMetadata"),
    "Content-Type": "application/merge-patch+json",
}


async def listed(http: aiohttp.ClientSession, collection: str, selector: str) -> list[str]:
    """Return the paths of all selected objects of a collection (`/apis/batch/v1/jobs`)."""
    base, resource = collection.rsplit("/", 1)
    found: list[str] = []
    query = {"labelSelector": selector, "limit": str(_PAGE)}
    while True:
        async with http.get(collection, params=query, headers=_LIST_HEADERS) as answer:
            answer.raise_for_status()
            page = await answer.json()
        found += [
            f"{base}/namespaces/{one['metadata']['namespace']}/{resource}/{one['metadata']['name']}"
            for one in page["items"] or ()
        ]
        if not (token := page["metadata"].get("continue")):
            return found
        query["continue"] = token


def patch_of(label: str) -> bytes:
    """Return the body that sets `label` (KEY=VALUE)."""
    key, _, value = label.partition("=")
    return json.dumps({"metadata": {"labels": {key: value}}}).encode()
