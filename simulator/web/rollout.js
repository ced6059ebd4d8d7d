// The tab "Rollout" of Locust's web UI, and the page /rollout: one element, two homes.
//
// Rule 1: it asks only the server it came from (./rollout.json), and only for what is new.
// Rule 2: it computes nothing: rates and windows are the server's (rollout_view.py).
// Rule 3: it follows the theme of whoever it is in, which may change at any time.

(() => {
  "use strict";

  const EVERY_MS = 1000, EVERY_MS_AFTER_THE_END = 5000, THEME_EVERY_MS = 500, ROWS = 30;
  const STATUSES = { // Okabe and Ito's colours, which colour-blind readers tell apart
    SUCCEEDED: "#009e73", IN_PROGRESS: "#56b4e9", QUEUED: "#a3adba", FAILED: "#d55e00",
    TIMED_OUT: "#e69f00", REJECTED: "#cc79a7", REMOVED: "#8b6b4a", CANCELED: "#707a85",
  };
  const CAUSES = {
    lost_reply: "#56b4e9", second_writer: "#d55e00", service: "#e69f00", stale_start: "#cc79a7",
    duplicate: "#009e73", reordered: "#8b6b4a", unknown: "#a3adba",
  };
  const CHARTS = {
    executions: ["Executions by status", "as the service counts them"],
    conflicts: ["Version conflicts by cause", "in percent of the updates of the last 10 seconds"],
    releases: ["Release rate", "executions released per scenario minute"],
    lag: ["Lag of the load generator", "how late things are with what they were to do"],
  };
  const COLUMNS = ["wall", "at", "connected", "released", "slip_p99_ms", "loop_lag_ms", "cpu"];

  const number = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });
  const file = (name) => `./rollout/${name}`;
  const make = (tag, text, className) => {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    if (className) element.className = className;
    return element;
  };

  let plotly;
  const drawing = () => plotly ??= new Promise((done, failed) => {
    const script = make("script");
    script.src = file("plotly.js");
    script.onload = () => done(window.Plotly);
    script.onerror = () => { plotly = undefined; failed(new Error("the charts' library did not load")); };
    document.head.append(script);
  });

  const empty = () => ({
    ...Object.fromEntries(COLUMNS.map((name) => [name, []])), executions: {}, conflicts: {},
  });
  const grow = (kept, fresh) => {
    for (const name of COLUMNS) kept[name].push(...fresh[name]);
    for (const group of ["executions", "conflicts"])
      for (const [name, values] of Object.entries(fresh[group]))
        (kept[group][name] ??= []).push(...values);
  };
  const time = (seconds) => {
    const whole = Math.round(seconds), two = (n) => String(n).padStart(2, "0");
    const days = Math.floor(whole / 86400);
    const clock = `${two(Math.floor(whole / 3600) % 24)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
    return days ? `${days} d ${clock}` : clock;
  };

  class Rollout extends HTMLElement {
    connectedCallback() {
      this.build();
      this.told = null;
      this.kept = empty();
      this.here = true;
      this.theming = setInterval(() => { // the theme changes without an event
        if (this.theme && this.theme !== JSON.stringify(this.look())) this.draw();
      }, THEME_EVERY_MS);
      this.ask();
    }

    disconnectedCallback() {
      this.here = false;
      clearTimeout(this.timer);
      clearInterval(this.theming);
      if (window.Plotly) for (const plot of Object.values(this.plots)) window.Plotly.purge(plot);
      this.replaceChildren();
    }

    build() {
      const style = make("link");
      style.rel = "stylesheet";
      style.href = file("rollout.css");
      const header = make("header"), charts = make("div", undefined, "charts");
      this.title_ = make("h2", "Rollout");
      this.state = make("p", "No run has begun yet.", "state");
      this.state.setAttribute("role", "status");
      this.about = make("p");
      this.more = make("div");
      header.append(this.title_, this.state, this.about, this.more);
      this.plots = {};
      this.notes = {};
      for (const [name, [title, what]] of Object.entries(CHARTS)) {
        const figure = make("figure"), caption = make("figcaption", title);
        this.notes[name] = make("small", what);
        caption.append(this.notes[name]);
        this.plots[name] = make("div", undefined, "plot");
        this.plots[name].setAttribute("role", "img");
        this.plots[name].setAttribute("aria-label", `${title}; the numbers are in the table below`);
        figure.dataset.chart = name;
        figure.append(caption, this.plots[name]);
        charts.append(figure);
      }
      this.table = make("details");
      this.table.append(make("summary", "The numbers as tables"));
      this.tables = make("div", undefined, "wide");
      const all = make("a", "All that is kept, as CSV");
      all.href = "./rollout.csv";
      this.table.append(all, this.tables);
      this.table.addEventListener("toggle", () => this.fillTables());
      this.replaceChildren(style, header, charts, this.table);
    }

    async ask() {
      let pause = EVERY_MS;
      try {
        const since = this.kept.wall.at(-1) ?? -1, run = this.told?.run ?? "";
        const answer = await fetch(`./rollout.json?${new URLSearchParams({ run, since })}`);
        if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
        const told = await answer.json();
        if (!this.here) return;
        if (told.run !== this.told?.run) this.kept = empty();
        const before = this.told;
        this.told = told;
        if (told.run) {
          grow(this.kept, told.samples);
          if (told.ended) pause = EVERY_MS_AFTER_THE_END;
          await this.show(told.samples.at.length > 0 || before?.run !== told.run);
        } else {
          this.state.textContent = told.refused
            ? `The run could not begin: ${told.refused}` : "No run has begun yet.";
        }
      } catch (error) {
        if (this.here) this.state.textContent = `No answer from Locust (${error.message}); asking again.`;
      } finally {
        if (this.here) this.timer = setTimeout(() => this.ask(), pause);
      }
    }

    async show(fresh) {
      const { told, kept } = this, last = kept.at.length - 1;
      this.title_.textContent = `Rollout: ${told.scenario}`;
      const verdict = told.passed === null ? "" : `. Verdict: ${told.passed ? "passed" : "FAILED"}`;
      this.state.textContent = told.ended ? `Ended: ${told.ended}${verdict}` : "Running";
      const scale = told.time_scale === 1 ? "" : `, ${number.format(told.time_scale)} × as fast as the clock`;
      this.about.textContent = last < 0 ? "" : [
        `${time(kept.at[last])} of at most ${time(told.until_s)}${scale}`,
        `${number.format(kept.connected[last])} of ${number.format(told.things)} things connected`,
        `${number.format(kept.released[last])} executions released, ${number.format(told.to_come)} to come`,
        `seed ${told.seed}`,
      ].join(" · ");
      this.more.replaceChildren(...told.notes.map((note) => make("p", note)));
      this.fillTables();
      if (fresh) await this.draw();
    }

    async draw() {
      const Plotly = await drawing();
      if (!this.here) return;
      const look = this.look();
      this.theme = JSON.stringify(look);
      for (const name of Object.keys(CHARTS)) {
        const { traces, axes = {} } = this[name](), layout = this.layout(look, axes);
        await Plotly.react(this.plots[name], traces, layout, { displayModeBar: false, responsive: true });
      }
    }

    look() {
      let home = this, back = "";
      while (home && (!back || back === "rgba(0, 0, 0, 0)")) {
        back = getComputedStyle(home).backgroundColor;
        home = home.parentElement;
      }
      const [red = 255, green = 255, blue = 255] = (back.match(/[\d.]+/g) ?? []).map(Number);
      const dark = back !== "rgba(0, 0, 0, 0)" && 0.3 * red + 0.6 * green + 0.1 * blue < 128;
      return { dark, ink: dark ? "#e6e6e6" : "#1b1f24", line: dark ? "#3a3f46" : "#dfe3e8",
               ground: dark ? "#1e1e1e" : "#ffffff" };
    }

    get unit() {
      const until = this.kept.at.at(-1) ?? 0;
      return until < 300 ? [1, "seconds"] : until < 3 * 3600 ? [60, "minutes"]
        : until < 3 * 86400 ? [3600, "hours"] : [86400, "days"];
    }

    times(seconds) {
      const [per] = this.unit;
      return seconds.map((one) => one / per);
    }

    layout(look, axes) {
      const grid = { gridcolor: look.line, zerolinecolor: look.line, linecolor: look.line };
      return {
        paper_bgcolor: "transparent", plot_bgcolor: "transparent", uirevision: this.told.run,
        font: { color: look.ink, size: 12, family: "system-ui, sans-serif" },
        margin: { l: 52, r: 12, t: 8, b: 40 },
        hovermode: "x unified", hoverlabel: { bgcolor: look.ground, font: { color: look.ink } },
        showlegend: true, legend: { orientation: "h", y: -0.25, yanchor: "top", traceorder: "normal" },
        xaxis: { ...grid, title: { text: `scenario time, ${this.unit[1]}`, standoff: 4 }, rangemode: "tozero",
                 ...axes.xaxis },
        yaxis: { ...grid, rangemode: "tozero", ...axes.yaxis },
        bargap: 0, annotations: axes.note ? [{ text: axes.note, showarrow: false, xref: "paper",
          yref: "paper", x: 0.5, y: 0.5 }] : [],
      };
    }

    stacked(group, colours, hover) {
      const x = this.times(this.kept.at);
      return Object.entries(colours).map(([name, colour]) => [name, colour, this.kept[group][name] ?? []])
        .filter(([, , values]) => values.some(Boolean))
        .map(([name, colour, y]) => ({
          x, y, name: name.replaceAll("_", " "), type: "scatter", mode: "lines", stackgroup: "one",
          line: { color: colour, width: 1 }, fillcolor: `${colour}99`, hovertemplate: hover,
        }));
    }

    executions() {
      return { traces: this.stacked("executions", STATUSES, "%{y:,}") };
    }

    conflicts() {
      const traces = this.stacked("conflicts", CAUSES, "%{y:.2f} %");
      const yaxis = { ticksuffix: " %" };
      if (traces.length) return { traces, axes: { yaxis } };
      return { traces: [{ x: this.times(this.kept.at), y: this.kept.at.map(() => 0), name: "none", mode: "lines",
                          line: { color: "#a3adba" } }],
               axes: { yaxis: { ...yaxis, range: [0, 1] }, note: "no version conflict so far" } };
    }

    releases() {
      const { at, measured, configured, minutes, exact } = this.told.releases;
      const width = minutes * 60, x = this.times(at.map((one) => one + width / 2));
      this.notes.releases.textContent = minutes === 1 ? CHARTS.releases[1]
        : `${CHARTS.releases[1]}, over ${minutes} minutes each`;
      const traces = [{ x, y: measured, width: width / this.unit[0], name: "measured", type: "bar",
                        marker: { color: "#56b4e9" }, hovertemplate: "%{y:,.1f} a minute" }];
      if (configured.some((one) => one !== null)) {
        const edges = at.flatMap((one) => [one, one + width]);
        traces.push({ x: this.times(edges), y: configured.flatMap((one) => [one, one]), mode: "lines",
                      name: exact ? "configured" : "configured, at most", type: "scatter",
                      line: { color: "#d55e00", width: 2, dash: "dash" }, hovertemplate: "%{y:,.1f} a minute" });
      }
      return { traces };
    }

    lag() {
      const { kept, told } = this, x = this.times(kept.at);
      const line = (y, name, color, more = {}) => ({
        x, y, name, type: "scatter", mode: "lines", line: { color, width: 2, ...more },
        hovertemplate: "%{y:,.1f} ms" });
      const traces = [line(kept.slip_p99_ms, "behind schedule, p99", "#56b4e9")];
      if (kept.loop_lag_ms.some(Boolean)) traces.push(line(kept.loop_lag_ms, "loop, largest", "#009e73"));
      traces.push(line(kept.at.map(() => told.max_slip_ms), "load.max_slip, of the whole run", "#d55e00",
                       { dash: "dash" }));
      return { traces, axes: { yaxis: { ticksuffix: " ms" } } };
    }

    fillTables() {
      if (!this.table.open || !this.told?.run) return;
      const { kept, told } = this, some = (group) => Object.keys(kept[group]).filter(
        (name) => kept[group][name].some(Boolean));
      const statuses = some("executions"), causes = some("conflicts");
      const newest = kept.at.map((_, at) => at).slice(-ROWS).reverse();
      const rows = newest.map((at) => [
        time(kept.at[at]), number.format(kept.connected[at]), number.format(kept.released[at]),
        ...statuses.map((name) => number.format(kept.executions[name][at])),
        ...causes.map((name) => `${number.format(kept.conflicts[name][at])} %`),
        number.format(kept.slip_p99_ms[at]), number.format(kept.loop_lag_ms[at]),
        `${number.format(100 * kept.cpu[at])} %`,
      ]);
      const spoken = (name) => name.replaceAll("_", " ");
      const { at, measured, configured } = told.releases;
      this.tables.replaceChildren(
        this.tabular(`The last ${rows.length} seconds`, [
          "scenario time", "connected", "released", ...statuses.map(spoken),
          ...causes.map((name) => `conflicts: ${spoken(name)}`), "behind schedule, p99 ms",
          "loop lag, ms", "busiest core",
        ], rows),
        this.tabular("Released per scenario minute", ["from", "measured", "configured"],
          at.map((one, bar) => [time(one), number.format(measured[bar]),
            configured[bar] === null ? "not known" : number.format(configured[bar])])
            .slice(-ROWS).reverse()),
      );
    }

    tabular(title, names, rows) {
      const table = make("table"), head = make("tr");
      table.append(make("caption", title));
      head.append(...names.map((name) => {
        const cell = make("th", name);
        cell.scope = "col";
        return cell;
      }));
      const body = make("tbody"), top = make("thead");
      top.append(head);
      body.append(...rows.map((row) => {
        const line = make("tr");
        line.append(...row.map((value) => make("td", value)));
        return line;
      }));
      table.append(top, body);
      return table;
    }
  }

  customElements.define("jobfleet-rollout", Rollout);
})();
