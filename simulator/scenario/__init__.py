"""The scenario file: one YAML says fleet, network, job, load and what is expected.

``load`` reads and checks a file, ``dump`` writes a resolved one, ``json_schema`` is for editors.

In reading order: ``document`` (YAML with lines), ``units`` and ``quantities`` (how values are
written), ``durations``, ``selectors``, ``outcomes``, ``network``, ``incidents``, ``fleet``, ``job``
(AWS's request), ``model`` (the whole), ``references`` (what cannot be), ``contradictions`` (what is
hardly meant), ``file``.
"""

from simulator.scenario.file import dump, json_schema, load, loads
from simulator.scenario.model import Scenario

__all__ = ["Scenario", "dump", "json_schema", "load", "loads"]
