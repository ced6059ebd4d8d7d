"use strict";
// Draws the figures, opens the tables for the printer, copies the command. Adds no text of a run's
// to the page but by plotly, which is handed it escaped.
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  // A finger that moves over a chart scrolls the page; a mouse zooms.
  const dragmode = matchMedia("(pointer: fine)").matches ? "zoom" : false;
  const config = { responsive: true, displayModeBar: false, displaylogo: false };

  // With a view box a drawing shrinks with its paper, however wide that is.
  const boxed = (place) => {
    for (const svg of place.querySelectorAll(".main-svg")) {
      const { width, height } = svg;
      svg.setAttribute("viewBox", `0 0 ${width.baseVal.value} ${height.baseVal.value}`);
    }
  };

  for (const place of document.querySelectorAll("[data-figure]")) {
    const { data, layout } = figures[place.dataset.figure];
    Plotly.newPlot(place, data, { ...layout, dragmode }, config).then(() => {
      boxed(place);
      place.on("plotly_afterplot", () => boxed(place));
      place.dataset.drawn = "";
    });
  }

  document.getElementById("undrawn")?.remove();

  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")];
    for (const one of opened) one.open = true;
  });
  addEventListener("afterprint", () => {
    for (const one of opened) one.open = false;
  });

  const copy = document.getElementById("copy");
  if (navigator.clipboard) {
    copy.hidden = false;
    copy.addEventListener("click", async () => {
      const said = document.getElementById("copied");
      try {
        await navigator.clipboard.writeText(document.getElementById("command").textContent);
        said.textContent = "Copied.";
      } catch {
        said.textContent = "It could not be copied; select it instead.";
      }
    });
  }
})();
