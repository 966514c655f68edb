"""The PATCH that tests of `kube` send."""

from typing import Any

from fleetpatch.model.answer import Reply
from tests.kube.peers import Answers, merge, opened, target

BODY = merge(b'{"metadata":{"labels":{"a":"b"}}}')


async def patched(answers: Answers, **options: Any) -> Reply:
    async with opened(answers, **options) as (api, _peer):
        return await api.patch(target(), BODY, dry_run=False)
