"""What a live run is aimed at: a URL and its options become one value with all that a link needs.

Rule 1: everything that can be wrong is found here, before anything is sent or started.
Rule 2: a password is never part of a message, of a repr or of a command line that we make.
Rule 3: with a certificate per thing there is a TLS context per thing, made when it connects.
"""

import socket
import ssl
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import SplitResult, quote, unquote, urlsplit

from simulator.certificates import device_of
from simulator.errors import TargetError, UsageError
from simulator.interlock import is_aws
from simulator.refusals import in_words

TransportName = Literal["mqtt", "aiomqtt", "http"]
PORTS: Final = {"mqtt": 1883, "mqtts": 8883, "ws": 80, "wss": 443, "http": 80, "https": 443}
SECURE: Final = ("mqtts", "wss", "https")
WEB: Final = ("http", "https")
LEVELS: Final = {"3.1.1": 4, "5": 5}
ALLOWED: Final = (
    "write mqtt://HOST[:PORT], mqtts://[USER:PASSWORD@]HOST[:PORT], ws://HOST[:PORT]/mqtt, "
    "wss://HOST[:PORT]/mqtt, http://HOST[:PORT] or https://HOST[:PORT]; jobfleet run takes aws, too"
)
KNOCK_S: Final = 10.0
POLL_S: Final = 10.0
ALPN: Final = {"mqtts": "x-amzn-mqtt-ca", "https": "x-amzn-http-ca"}
"""What AWS wants to hear on port 443, where several protocols share it."""


class TargetOptions(NamedTuple):
    """What the command line says beside the URL."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    certs: Path | None = None
    username: str | None = None
    password: str | None = None
    mqtt: str = "3.1.1"
    sigv4: bool = False
    region: str | None = None
    poll: float = POLL_S

    @classmethod
    def of(cls, options: Any) -> "TargetOptions":
        """Those among the attributes of ``options`` (Locust's parsed ones)."""
        return cls._read({name: getattr(options, name) for name in cls._fields})

    def told(self) -> dict[str, Any]:
        """What a master tells its workers of them: no secrets, and files by their names."""
        named = {**self._asdict(), "username": None, "password": None}
        return {name: str(v) if isinstance(v, Path) else v for name, v in named.items()}

    @classmethod
    def heard(cls, told: dict[str, Any], options: Any) -> "TargetOptions":
        """As a worker hears them: user and password are those of its own ``options``."""
        secrets = {name: getattr(options, name) for name in ("username", "password")}
        return cls._read({**told, **secrets})

    @classmethod
    def _read(cls, named: dict[str, Any]) -> "TargetOptions":
        for name in ("ca", "cert", "key", "certs"):
            named[name] = Path(named[name]) if named[name] else None
        return cls(**named)


class Signer:
    """Signs requests with the credentials of AWS's usual chain (SigV4)."""

    def __init__(self, region: str | None) -> None:
        """Find credentials and region.

        Raises:
            UsageError: there are none.
        """
        import botocore.session
        from botocore.exceptions import BotoCoreError

        try:
            session = botocore.session.Session()
            self._credentials = session.get_credentials()
            self._region = region or session.get_config_variable("region")
        except BotoCoreError as error:
            raise UsageError(f"--sigv4: {error}") from None
        if self._credentials is None:
            raise UsageError(
                "--sigv4: there are no AWS credentials; set AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give a certificate (--cert, --certs)"
            )
        if not self._region:
            raise UsageError("--sigv4: there is no region; give --region or set AWS_DEFAULT_REGION")

    def websocket_path(self, scheme: str, netloc: str, path: str) -> str:
        """Path and query with which AWS's broker opens a WebSocket, good for a minute."""
        from botocore.auth import SigV4QueryAuth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        now = self._credentials.get_frozen_credentials()
        request = AWSRequest("GET", f"{scheme}://{netloc}{path}")
        pair = Credentials(now.access_key, now.secret_key)
        SigV4QueryAuth(pair, "iotdevicegateway", self._region, expires=60).add_auth(request)
        signed = str(request.url).partition(netloc)[2]
        if now.token:  # AWS IoT wants it behind the signature, not in what is signed
            signed += f"&X-Amz-Security-Token={quote(now.token, safe='')}"
        return signed

    def headers(self, method: str, url: str, body: bytes, service: str) -> dict[str, str]:
        """The headers of a signed request."""
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        request = AWSRequest(method, url, data=body or None)
        now = self._credentials.get_frozen_credentials()
        SigV4Auth(now, service, self._region).add_auth(request)
        return dict(request.headers.items())


@dataclass(frozen=True, slots=True)
class Target:
    """Where things connect to, and how."""

    scheme: str
    host: str
    port: int
    path: str = ""
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca: Path | None = None
    pair: tuple[Path, Path] | None = None
    """Certificate and key of all things."""
    certificates: Path | None = None
    """Where each thing's own are."""
    level: int = 4
    """MQTT's: 4 is 3.1.1."""
    signer: Signer | None = field(default=None, repr=False)
    poll: float = POLL_S
    """Seconds between two looks for what is next, where nobody tells of it (HTTP)."""
    _contexts: dict[str, ssl.SSLContext] = field(default_factory=dict, repr=False, compare=False)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.netloc}{self.path}"

    @property
    def netloc(self) -> str:
        """Host and port; the port is left out where the scheme implies it, as clients do."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        standard = self.scheme not in ("mqtt", "mqtts") and self.port == PORTS[self.scheme]
        return host if standard else f"{host}:{self.port}"

    @property
    def address(self) -> tuple[str, int]:
        """For sockets."""
        return self.host, self.port

    @property
    def web(self) -> bool:
        """Whether it speaks HTTP and no MQTT."""
        return self.scheme in WEB

    @property
    def websocket(self) -> bool:
        """Whether its MQTT is in a WebSocket."""
        return self.scheme in ("ws", "wss")

    def request_path(self) -> str:
        """Path and query of the WebSocket's handshake, signed where that is asked for."""
        if self.signer is None:
            return self.path
        return self.signer.websocket_path(self.scheme, self.netloc, self.path)

    def tls(self, thing: str) -> ssl.SSLContext | None:
        """How a thing's connection is secured; None: not at all.

        Raises:
            UsageError: a certificate is missing or cannot be read.
        """
        if self.scheme not in SECURE:
            return None
        if self.certificates is not None:
            self.check((thing,))
            pair = device_of(self.certificates, thing)
            return self._context((pair.certificate, pair.key))
        made = self._contexts.get("")
        if made is None:
            made = self._contexts[""] = self._context(self.pair)
        return made

    def check(self, things: Iterable[str]) -> None:
        """See that each thing has its certificate, where each needs one; raise UsageError."""
        directory = self.certificates
        for thing in () if directory is None else things:
            assert directory is not None
            if not (found := device_of(directory, thing).certificate).exists():
                raise UsageError(
                    f"--certs {directory} has no certificate of {thing}: {found.name} is missing; "
                    f"make it with jobfleet certs {directory} --thing {thing}"
                )

    def _context(self, pair: tuple[Path, Path] | None) -> ssl.SSLContext:
        try:
            made = ssl.create_default_context(cafile=None if self.ca is None else str(self.ca))
        except (OSError, ssl.SSLError):
            raise UsageError(f"--ca {self.ca} is no file of certificates in PEM form") from None
        if pair is not None:
            try:
                made.load_cert_chain(*pair)
            except (OSError, ssl.SSLError) as error:
                raise UsageError(
                    f"{pair[0]} and {pair[1]} are no certificate and its key in PEM form: {error}"
                ) from None
            if self.port == 443 and self.scheme in ALPN:
                made.set_alpn_protocols([ALPN[self.scheme]])
        return made

    def knock(self) -> None:
        """Is anybody there who speaks TLS where we will? Blocks for ten seconds at most.

        Raises:
            TargetError: no thing will get through.
        """
        try:
            with socket.create_connection(self.address, timeout=KNOCK_S) as plain:
                if self.scheme in SECURE:
                    shared = replace(self, certificates=None).tls("")
                    assert shared is not None
                    with shared.wrap_socket(plain, server_hostname=self.host):
                        pass
        except (OSError, UnicodeError) as error:
            raise TargetError(f"no thing could connect to {self}: {in_words(error)}") from None


def parse(text: str, options: TargetOptions | None = None) -> Target:
    """The target that a URL and its options name.

    Raises:
        UsageError: one of them is wrong, or they contradict each other.
    """
    options = options or TargetOptions()
    parts, port = _split(text)
    scheme, host = parts.scheme, parts.hostname
    assert host is not None
    mqtt, websocket = scheme not in WEB, scheme in ("ws", "wss")
    path = (parts.path or "/mqtt") if websocket else ""
    username = options.username or (unquote(parts.username) if parts.username else None)
    password = options.password or (unquote(parts.password) if parts.password else None)
    if username and not mqtt:
        raise UsageError(f"{scheme} takes no user name; it knows SigV4 and certificates")
    if password and not username:
        raise UsageError("--password needs --username")
    if options.mqtt not in LEVELS:
        raise UsageError(f"--mqtt {options.mqtt}: allowed are 3.1.1 and 5")
    if not options.poll > 0:
        raise UsageError(f"--poll {options.poll:g}: it is a number of seconds above 0")
    signer = _signer(scheme, host, options)
    target = Target(
        scheme, host, PORTS[scheme] if port is None else port, path, username, password,
        options.ca, _pair(scheme, options), options.certs, LEVELS[options.mqtt], signer,
        options.poll,
    )  # fmt: skip
    if scheme in SECURE and options.certs is None:
        target.tls("")  # or it says what is wrong with the files
    return target


def redacted(text: str) -> str:
    """A URL without its user and password."""
    scheme, mark, rest = text.partition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}"


def _split(text: str) -> tuple[SplitResult, int | None]:
    shown = redacted(text)
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise UsageError(f"{shown!r} is no target ({error}); {ALLOWED}") from None
    if parts.scheme not in PORTS:
        raise UsageError(f"{shown!r} is no target; {ALLOWED}")
    if not parts.hostname or any(letter.isspace() for letter in text) or port == 0:
        raise UsageError(f"{shown!r} names no host and port; {ALLOWED}")
    more = parts.query or parts.fragment
    if more or (parts.scheme not in ("ws", "wss") and parts.path not in ("", "/")):
        raise UsageError(f"{shown!r} has more than a host and a port; {ALLOWED}")
    return parts, port


def _pair(scheme: str, options: TargetOptions) -> tuple[Path, Path] | None:
    given = {"--ca": options.ca, "--cert": options.cert, "--key": options.key,
             "--certs": options.certs}  # fmt: skip
    for name, path in given.items():
        if path is None:
            continue
        if scheme not in SECURE:
            raise UsageError(f"{name} is for mqtts, wss and https; {scheme} has no TLS")
        if not path.exists():
            raise UsageError(f"{name} {path}: there is no such file")
    if options.certs is not None and not options.certs.is_dir():
        raise UsageError(f"--certs {options.certs} is no directory; jobfleet certs makes one")
    if (options.cert is None) != (options.key is None):
        raise UsageError("--cert and --key go together: a certificate and its key")
    if options.cert is None or options.key is None:
        return None
    if options.certs is not None:
        raise UsageError("--cert is one certificate for all things, --certs one each: give one")
    return options.cert, options.key


def _signer(scheme: str, host: str, options: TargetOptions) -> Signer | None:
    certified = options.cert is not None or options.certs is not None
    asked = options.sigv4 or (is_aws(host) and scheme in ("wss", "https") and not certified
                              and options.username is None)  # fmt: skip
    if not asked:
        return None
    if scheme in ("mqtt", "mqtts"):
        raise UsageError(f"--sigv4 is for wss and https; {scheme} knows certificates and passwords")
    return Signer(options.region)


class Aim(NamedTuple):
    """A target and where its jobs are made."""

    target: Target
    control: Target


def aim(
    target: str | None, control: str | None, options: TargetOptions, time_scale: float
) -> Aim | None:
    """What a run is aimed at; None where the service is to be embedded.

    Raises:
        UsageError: half of it is missing, or its timers would have to be scaled.
    """
    if target is None:
        if control is not None:
            raise UsageError("--control needs --target, too")
        named = [name for name in ("ca", "cert", "key", "certs", "sigv4", "username", "password")
                 if getattr(options, name)]  # fmt: skip
        if named:
            raise UsageError(f"--{named[0]} needs --target: the embedded service is plain")
        return None
    if time_scale != 1:
        raise UsageError(
            f"load.time_scale is {time_scale:g}: the timers of a target that is not embedded "
            "run in real time; set it to 1, or leave out --target"
        )
    made = parse(target, options)
    if control is None:
        if not made.web:
            raise UsageError("--target needs --control http(s)://HOST:PORT to create the job at")
        control = target
    if urlsplit(control).scheme not in WEB:
        raise UsageError(f"--control {redacted(control)}: write http(s)://HOST[:PORT]")
    secure = urlsplit(control).scheme == "https"
    for_it = options if secure else options._replace(ca=None, cert=None, key=None, certs=None)
    if is_aws(urlsplit(control).hostname or ""):  # it takes signatures, and no certificate
        for_it = TargetOptions(sigv4=True, region=options.region)
    return Aim(made, parse(control, for_it._replace(username=None, password=None, certs=None)))


def transport_for(asked: str | None, target: Target | None) -> TransportName:
    """The transport of a run: the one asked for, or the one that the target's scheme implies.

    Raises:
        UsageError: the target speaks something else.
    """
    if asked not in (None, "mqtt", "aiomqtt", "http"):
        raise UsageError(f"--transport {asked}: allowed are mqtt, aiomqtt and http")
    web = asked == "http" if target is None else target.web
    if target is not None and asked is not None and web != (asked == "http"):
        raise UsageError(f"--transport {asked} does not speak {target.scheme}: {target}")
    if web:
        return "http"
    if asked != "aiomqtt":
        return "mqtt"
    if target is not None and target.signer is not None:
        raise UsageError("--transport aiomqtt cannot sign (SigV4); mqtt, the default, can")
    return "aiomqtt"
