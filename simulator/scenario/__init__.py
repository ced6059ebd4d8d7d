"""The scenario file: one YAML says fleet, network, job, load and what is expected.

``load`` reads and checks a file, ``dump`` writes a resolved one, ``json_schema`` is for editors.
"""

from simulator.scenario.file import dump, json_schema, load, loads
from simulator.scenario.model import Scenario

__all__ = ["Scenario", "dump", "json_schema", "load", "loads"]
