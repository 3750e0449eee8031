"use strict";
const find = (id) => document.getElementById(id);

// Curves: what is chosen in the controls is what the panels show.
const views = JSON.parse(find("views").textContent);
const boxes = [...find("legend").querySelectorAll("input")];
const isChecked = (id) => find(id)?.checked ?? false;

function draw() {
  const view = views[find("view").value];
  const chosen = find("environment").value;
  const agents = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
  const shown = new Set(["median"]);
  if (isChecked("range")) shown.add("range");
  if (isChecked("seeds")) shown.add("seed");
  const panels = view.panels.filter((panel) => !chosen || panel.env_id === chosen);
  const plots = find("plots");
  plots.classList.toggle("one", panels.length === 1);
  plots.replaceChildren(
    ...panels.map((panel) => {
      const figure = document.createElement("div");
      const title = document.createElement("h3");
      const plot = document.createElement("div");
      title.textContent = panel.name;
      plot.className = "plot";
      plot.setAttribute("role", "img");
      plot.setAttribute("aria-label", `${view.title}, ${panel.name}: ${[...agents].join(", ")}`);
      figure.append(title, plot);
      return figure;
    }),
  );
  if (!panels.length) plots.textContent = "This environment has no such curves.";
  const colour = getComputedStyle(document.body).color;
  const line = getComputedStyle(find("curves")).borderTopColor;
  const faint = getComputedStyle(document.querySelector(".hint")).color;
  panels.forEach((panel, i) => {
    const { data, layout } = panel.figure;
    const axis = { gridcolor: line, zerolinecolor: line, linecolor: line, automargin: true };
    const xaxis = { ...layout.xaxis, ...axis };
    if (isChecked("log")) xaxis.type = "log";
    if (xaxis.type === "log") Object.assign(xaxis, { dtick: 1, minor: { showgrid: true, gridcolor: line, dtick: "D1" } });
    Plotly.newPlot(
      plots.children[i].lastChild,
      data
        .filter((trace) => agents.has(trace.legendgroup) && shown.has(trace.meta))
        .map((trace) => (trace.meta === "median" && shown.has("seed") ? { ...trace, line: { ...trace.line, width: 3 } } : trace)),
      {
        ...layout,
        xaxis,
        yaxis: { ...layout.yaxis, ...axis },
        template: null,
        paper_bgcolor: "rgba(0,0,0,0)",
        plot_bgcolor: "rgba(0,0,0,0)",
        font: { color: colour, family: "system-ui, sans-serif", size: 12 },
        modebar: { bgcolor: "rgba(0,0,0,0)", color: faint, activecolor: colour },
        margin: { l: 50, r: 12, t: 26, b: 40 },
        hovermode: "closest",
      },
      { responsive: true, displaylogo: false, modeBarButtons: [["toImage", "zoomIn2d", "zoomOut2d", "pan2d", "zoom2d", "resetScale2d"]] },
    );
  });
}

function start() {
  const queries = views.findIndex((view) => view.panels[0].figure.layout.xaxis.type === "log");
  find("view").addEventListener("change", () => {
    const isLog = Number(find("view").value) === queries;
    find("log").disabled = isLog; // that axis is logarithmic anyway
    draw();
  });
  for (const id of ["environment", "log", "range", "seeds", "legend"]) find(id)?.addEventListener("change", draw);
  for (const id of ["all", "none"])
    find(id).addEventListener("click", () => {
      for (const box of boxes) box.checked = id === "all";
      draw();
    });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  find("theme").addEventListener("click", () => {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    draw();
  });
  draw();
}

// Tables: a click on a heading sorts, the search field hides rows.
const units = { k: 1e3, M: 1e6, G: 1e9 };

function toKey(text) {
  const number = /^(-?[\d,]*\.?\d+)([kMG]?)/.exec(text);
  return number ? Number(number[1].replaceAll(",", "")) * (units[number[2]] ?? 1) : text;
}

function compareCells(a, b, sign) {
  const [left, right] = [a, b].map(toKey);
  const isMissing = (key) => key === "" || key === "–";
  if (isMissing(left) || isMissing(right)) return isMissing(left) - isMissing(right);
  if (typeof left === "number" && typeof right === "number") return sign * (left - right);
  return sign * String(left).localeCompare(String(right));
}

for (const box of document.querySelectorAll("[data-table]")) {
  const body = box.querySelector("tbody");
  const rows = [...body.rows];
  const headings = [...box.querySelectorAll("thead th")];
  headings.forEach((heading, column) =>
    heading.firstElementChild.addEventListener("click", () => {
      const direction = heading.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
      for (const other of headings) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", direction);
      const sign = direction === "ascending" ? 1 : -1;
      const text = (row) => row.cells[column].textContent;
      body.append(...[...rows].sort((a, b) => compareCells(text(a), text(b), sign)));
    }),
  );
  const field = box.querySelector("input");
  const search = () => {
    const words = field.value.toLowerCase().split(/\s+/);
    for (const row of rows) row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
    const count = rows.filter((row) => !row.hidden).length;
    const found = count === rows.length ? "" : `${count} of `;
    box.querySelector(".count").textContent = `${found}${rows.length} row${rows.length === 1 ? "" : "s"}`;
  };
  field.addEventListener("input", search);
  search();
}

for (const button of document.querySelectorAll(".copy"))
  button.addEventListener("click", async () => {
    const command = button.previousElementSibling;
    try {
      await navigator.clipboard.writeText(command.textContent);
      button.textContent = "copied";
    } catch {
      getSelection().selectAllChildren(command); // some browsers copy from files only by hand
    }
  });

if (views.length) start();
