"""Why a connection did not come about, in one line that says what to do."""

import socket
import ssl


def in_words(error: BaseException) -> str:
    """The reason for which a connection, or its TLS, failed."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _of_certificate(error)
    if isinstance(error, ssl.SSLError):
        return _of_tls(error)
    if isinstance(error, UnicodeError):
        return "that is no host name"
    if isinstance(error, socket.gaierror):
        if error.errno == socket.EAI_AGAIN:
            return "the name service does not answer (DNS failure)"
        return "there is no host of that name (DNS)"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused: nothing listens on that port"
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        return "the other side closed the connection at once; does it speak this protocol?"
    if isinstance(error, TimeoutError):
        return str(error) or "no answer in time"
    return str(error) or type(error).__name__


def _of_certificate(error: ssl.SSLCertVerificationError) -> str:
    said = error.verify_message
    if "expired" in said:
        return "its certificate has expired"
    if "not yet valid" in said:
        return "its certificate is not valid yet; is this machine's clock right?"
    if "mismatch" in said.lower() or "not valid for" in said:
        return f"its certificate is for another host: {said}"
    return f"its certificate is of no authority that is trusted here ({said}); name its CA"


def _of_tls(error: ssl.SSLError) -> str:
    reason = error.reason or ""
    if reason in (
        "WRONG_VERSION_NUMBER",
        "HTTP_REQUEST",
        "RECORD_LAYER_FAILURE",
        "UNKNOWN_PROTOCOL",
    ):
        return "that port speaks no TLS; use mqtt://, ws:// or http:// for it"
    if "EOF" in reason or isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return "the other side closed the connection in the midst of TLS; does that port speak it?"
    if "ALERT" in reason:
        alert = reason.partition("ALERT_")[2].replace("_", " ").lower() or reason.lower()
        return (
            f"the other side refused TLS ({alert}); does it want a certificate (--cert, --certs)?"
        )
    return str(error)
