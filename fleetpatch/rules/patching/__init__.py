"""What a patch does to a document, and the body of a PATCH request.

Each patch type of Kubernetes is a function from a document and a patch to a new document. The
planner uses them for the preview, and the sandbox uses them to answer. `tables/` has the merge
rules of the built-in kinds. What an answer of a server means is in `fleetpatch.rules.answers`.
"""
