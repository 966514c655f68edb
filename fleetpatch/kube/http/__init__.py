"""One HTTP exchange with an API server, from values to bytes and back.

`requests` and `urls` describe what is sent, `transport` sends it once, `decoding` turns the body
into values of the model, with `lenient_json` for damaged bodies. Nothing here sends a request
again, and nothing here raises for what a server or a network does.
"""
