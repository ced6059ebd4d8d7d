"""The Jobs service: AWS IoT Jobs as a pure state machine.

Start with ``service.py`` and read downwards: ``data_plane``, ``control_plane``, ``ledger``,
``execution`` (the table), ``rollout``, ``registry``, ``messages``, ``model``. ``wire.py`` stands
beside the service and turns bytes into messages and back.
"""

from simulator.jobs.service import JobsService

__all__ = ["JobsService"]
