"""The Jobs service: AWS IoT Jobs as a pure state machine.

Start with ``service.py`` and read downwards: ``data_plane``, ``listings``, ``control_plane``,
``templates``, ``enrolment``, ``lifecycle``, ``ledger``, ``board``, ``execution`` (the table),
``rollout``, ``schedule``, ``registry``, ``messages``, ``model``. ``wire.py`` and ``rest`` stand
beside the service and turn bytes into messages and back, over MQTT and HTTP.
"""

from simulator.jobs.service import JobsService

__all__ = ["JobsService"]
