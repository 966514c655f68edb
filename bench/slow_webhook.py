"""An admission webhook that allows every request after some time.

    python -m bench.slow_webhook --certificate FILE --key FILE --port PORT --seconds N

With it requests in flight limit an API server, and not the CPU of this machine. Prints a line when
it listens.
"""

import argparse
import asyncio
import ssl

from aiohttp import web


def webhook(seconds: float) -> web.Application:
    """Return a server that answers each AdmissionReview after so long."""

    async def allow(request: web.Request) -> web.Response:
        review = await request.json()
        await asyncio.sleep(seconds)
        answer = {"uid": review["request"]["uid"], "allowed": True}
        identity = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}
        return web.json_response({**identity, "response": answer})

    app = web.Application()
    app.router.add_post("/", allow)
    return app


def main() -> None:
    """Serve until a signal ends the process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--certificate", required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    options = parser.parse_args()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(options.certificate, options.key)
    web.run_app(
        webhook(options.seconds),
        host="127.0.0.1",
        port=options.port,
        ssl_context=tls,
        access_log=None,
        print=lambda _: print("listening", flush=True),
    )


if __name__ == "__main__":
    main()
