"""One HTTP exchange with an API server, from values to bytes and back.

`requests` and `urls` describe what is sent, `transport` sends it once, `decoding` converts the body
to values of the model, with `lenient_json` for damaged bodies. Modules here never repeat a request
(that is for `kube.retry` and the engine), and raise nothing for what a server or a network does.
"""
