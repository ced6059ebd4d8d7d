"""The service's side of the network: thin doors to one host.

``mqtt`` speaks MQTT 3.1.1 and relays between other clients, ``http`` serves both planes as
REST-JSON.
"""
