"""The things' side of the network: every way in which a thing can reach a Jobs service.

``memory`` calls a host in the same process, ``mqtt`` is our own lean client for MQTT 3.1.1 and 5,
``aiomqtt`` the same over a client written by others, ``http`` the data plane over HTTP. ``lossy``
wraps any of them in a seeded bad network, ``weather`` in one whose connections end, and puts around
each thing what its network is like; ``stamped`` lets a thing's own clock show. Each is a
``simulator.world.Link``.
"""
