"""The things' side of the network: every way in which a thing can reach a Jobs service.

``memory`` calls a host in the same process, ``mqtt`` is our own lean MQTT 3.1.1 client, ``aiomqtt``
the same over a client written by others. ``lossy`` wraps any of them in a seeded bad network.
Each is a ``simulator.thing.Link``.
"""
