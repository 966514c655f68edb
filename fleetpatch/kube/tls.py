"""Makes TLS contexts: a server is always verified, unless its kubeconfig switches that off.

A module of its own, because all log-ins use it, and one place must decide what is trusted.
"""

import ssl

from fleetpatch.errors import KubeconfigError
from fleetpatch.model.text import clean


def tls_context(
    authority: str | None,
    certificate: tuple[str, str | None] | None,
    *,
    verify: bool,
    where: str,
) -> ssl.SSLContext:
    """Return a context from files: an authority (None: the system's), a certificate and its key.

    Raises KubeconfigError, which begins with `where`, for a file that is missing or not valid.
    """
    try:
        context = ssl.create_default_context(cafile=authority)
    except (OSError, ValueError) as error:
        raise KubeconfigError(
            f"{where}: its certificate-authority cannot be used ({_reason(error)}); correct it"
        ) from None
    # Python 3.13 began to refuse authorities without key identifiers, which many clusters have.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    # Go trusts every certificate that is listed: an intermediate authority and the server's own
    # certificate, too. OpenSSL otherwise follows the chain to a certificate that signed itself.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    # Go reads a server's names from subjectAltName only.
    context.hostname_checks_common_name = False
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if certificate is not None:
        _load_certificate(context, *certificate, where)
    return context


def tls_for(server: str, where: str) -> ssl.SSLContext | None:
    """Return a context with the system's authorities, or None for plain HTTP."""
    if not server.startswith("https:"):
        return None
    return tls_context(None, None, verify=True, where=where)


def _load_certificate(
    context: ssl.SSLContext, certificate: str, key: str | None, where: str
) -> None:
    try:
        # The empty password makes an encrypted key an error; without one OpenSSL would prompt.
        context.load_cert_chain(certificate, key, password="")
    except (OSError, ValueError) as error:
        raise KubeconfigError(
            f"{where}: its client certificate and key cannot be used ({_reason(error)}); "
            "correct them"
        ) from None


def _reason(error: Exception) -> str:
    return clean(getattr(error, "strerror", None) or str(error))
