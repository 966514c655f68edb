"""What a server serves: in one document of all groups, or in a document for each group version.

Servers since Kubernetes 1.26 have the first form (`aggregated`), all servers the second one
(`documents`). `discover` requests them.
"""
