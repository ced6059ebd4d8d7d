"""The tab "Rollout" of Locust's web UI, and the same as a page of its own at ``/rollout``.

Rule 1: Locust's page is left as it is, but for one script tag. Its tabs are named in
        ``template_args``, and React takes the name of an element for a tab's component: the script
        defines that element. Should a later Locust do otherwise, ``/rollout`` is still there.
Rule 2: what is shown is of the newest run; everything asks for a login where Locust does.
Rule 3: nothing comes from another host: Plotly's script is in its package.
"""

from collections.abc import Callable
from importlib.resources import as_file, files
from typing import Any, Final

from flask import Blueprint, Response, jsonify, request, send_file

from simulator.live_run import LiveRun
from simulator.report.workers import what_happened
from simulator.rollout_view import Pace, as_csv, releases, samples

ELEMENT: Final = "jobfleet-rollout"
TAB: Final = {"title": "Rollout", "key": "rollout", "component": ELEMENT}
DOWNLOAD: Final = {"title": "Download rollout CSV", "href": "./rollout.csv"}
SCRIPT: Final = '<script src="./rollout/rollout.js"></script>'
FILES: Final = {
    "rollout.js": ("simulator", "web/rollout.js", "text/javascript"),
    "rollout.css": ("simulator", "web/rollout.css", "text/css"),
    "plotly.js": ("plotly", "package_data/plotly.min.js", "text/javascript"),
}

Page = Callable[..., Response]
Newest = Callable[[], LiveRun | str]
"""The newest run, or why it could not begin; empty where none was asked for."""


def add_tab(web_ui: Any, base_path: str | None, newest: Newest) -> None:
    """Add it to Locust's web UI, before that serves its first request."""
    pages = Blueprint("rollout", __name__, url_prefix=base_path or None)
    guarded: Callable[[Page], Page] = web_ui.auth_required_if_enabled

    @pages.get("/rollout")
    @guarded
    def page() -> Response:
        return _file("simulator", "web/rollout.html", "text/html")

    @pages.get("/rollout/<name>")
    @guarded
    def part(name: str) -> Response:
        return _file(*FILES[name]) if name in FILES else Response(status=404)

    @pages.get("/rollout.json")
    @guarded
    def numbers() -> Response:
        since = request.args.get("since", -1.0, float)
        answer: Response = jsonify(told(newest(), request.args.get("run", ""), since))
        answer.headers["Cache-Control"] = "no-store"
        return answer

    @pages.get("/rollout.csv")
    @guarded
    def table() -> Response:
        run = newest()
        text = as_csv(() if isinstance(run, str) else tuple(run.snapshots))
        as_attachment = {"Content-Disposition": "attachment;filename=rollout.csv"}
        return Response(text, mimetype="text/csv", headers=as_attachment)

    def with_script(answer: Response) -> Response:
        if request.endpoint == "locust.index" and answer.mimetype == "text/html":
            answer.set_data(answer.get_data(as_text=True).replace("</body>", f"{SCRIPT}</body>"))
        return answer

    web_ui.app.register_blueprint(pages)
    web_ui.app.after_request(with_script)
    for name, ours in (("extended_tabs", TAB), ("extended_csv_files", DOWNLOAD)):
        web_ui.template_args[name] = [*web_ui.template_args.get(name, ()), ours]


def told(run: LiveRun | str, known: str, since: float) -> dict[str, Any]:
    """What the page is told: all of a run that it does not know, else what is new."""
    if isinstance(run, str):
        return {"run": None, "refused": run}
    snapshots = tuple(run.snapshots)
    scenario, name = run.resolved.scenario, run.started.isoformat()
    scale = scenario.load.time_scale
    verdict = run.finished.summary.verdict if run.finished else None
    return {
        "run": name,
        "scenario": run.resolved.name,
        "seed": run.resolved.seed,
        "things": scenario.things,
        "time_scale": scale,
        "until_s": scenario.load.until,
        "max_slip_ms": scenario.load.max_slip * 1000,
        "to_come": snapshots[-1].to_come if snapshots else scenario.things,
        "ended": run.ended,
        "passed": None if verdict is None else verdict.passed,
        "notes": _notes(run),
        "samples": samples(snapshots, since if known == name else -1.0),
        "releases": releases(snapshots, Pace.of(scenario), scale),
    }


def _notes(run: LiveRun) -> list[str]:
    """What else is to be said: expectations that do not hold, lost workers, the folder."""
    finished = run.finished
    missed = [] if finished is None else finished.summary.verdict.expectations
    lines = [
        f"Expected {one.name} {one.expected}, observed {one.observed}"
        for one in missed
        if not one.passed
    ]
    lines += what_happened(run.crew.told().get("workers", []))
    if finished is not None:
        lines.append(f"Exit code {run.exit_code}. Run directory: {run.directory.path}")
    return lines


def _file(package: str, path: str, mimetype: str) -> Response:
    with as_file(files(package) / path) as found:
        answer: Response = send_file(found, mimetype=mimetype, max_age=0, conditional=True)
    return answer
