"""The service's side of the network: thin doors to one host.

``mqtt`` speaks MQTT 3.1.1 and relays between other clients. ``http`` serves both planes as
REST-JSON: ``http11`` and ``exchange`` are its bytes, ``sigv4`` verifies signatures, ``documents``
reads what ``documentSource`` names, ``metrics`` is what Prometheus scrapes. ``websocket`` carries
MQTT through the HTTP port; ``broker`` serves as a client of a broker that is not ours (``shards``
say which things); ``tls`` stands in front of both doors, and ``identity`` says what the
owner of a certificate may do. ``journal`` keeps what changed the service, for its next start.
"""
