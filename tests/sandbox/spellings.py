"""Scalars in all their spellings, and bodies with a place for one."""

from typing import Final

from tests.control_plane import JobKind

APPLY: Final = "application/apply-patch+yaml"

TEXTS: Final = [
    *(b"1.0", b"-0", b"-0.0", b"1e400", b"-1e400", b"1e21", b"1e-7", b"9223372036854775808"),
    *(
        b"9" * 400,
        b"1" + b"0" * 30 + b".5",
        rb'"\ud800"',
        rb'"\udc00\ud800"',
        rb'"\ud83d\ude80"',
    ),
    *(rb'"\u0041\/"', b'"\xff"', b'"\xed\xa0\x80"', b'"<&>"', "\u2028".join('""').encode()),
]
SHAPES: Final = [
    b'{"spec":{"parallelism":%s}}',
    b'{"spec":{"x":[{"a":%s,"b":null}]}}',
    b'{"metadata":{"labels":{"a":%s}}}',
    b'{"metadata":{"finalizers":[%s]}}',
    b'{"metadata":{"ownerReferences":[{"name":%s}]}}',
    b'[{"op":"add","path":"/spec/x","value":{"a":[%s]}},{"op":"copy","from":"/spec/x","path":"/y"}]',
    b'[{"op":"test","path":"/spec/x","value":%s}]',
    b'[{"op":%s,"path":"/spec/x"}]',
    b'[{"op":"add","path":%s}]',
    b"[%s]",
    b"%s",
]


def configuration(kind: JobKind, body: bytes) -> bytes:
    """The body of an apply; a body that is not a map is returned unchanged."""
    head = f'{{"apiVersion":"{kind.api_version}","kind":"{kind.kind}",'
    return head.encode() + body[1:] if body.startswith(b"{") else body
