// Curves of one run, or of several side by side: reads the points that the server gives and draws one chart
// for each figure on the page; plots have axes of their own. Lines differ in color and in dashes.
import uPlot from "../vendor/uplot/uPlot-1.6.32.esm.js";

const HEIGHT = 170;
const DASHES = [[], [6, 3], [2, 3], [10, 3, 2, 3], [1, 2]];
const drawn = new Map();
const shown = new Map();

const color = (name) => {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
};

const brief = (value) => String(Number(value.toPrecision(3)));

const line = (place, count) => ({ stroke: color(`--series-${place + 1}`), width: 1.75, dash: DASHES[place], points: { show: count < 3 }, spanGaps: true });

const options = (width, curves) => {
  const axis = { stroke: color("--ink-3"), grid: { stroke: color("--grid"), width: 1 }, ticks: { show: false }, font: "11px sans-serif" };
  return {
    width,
    height: HEIGHT,
    scales: { x: { time: false } },
    legend: { show: false },
    cursor: { y: false },
    axes: [{ ...axis, size: 26 }, { ...axis, size: 56, values: (chart, ticks) => ticks.map(brief) }],
    series: [{}, ...curves.map((points, place) => line(place, points.length))],
  };
};

const table = (points) => [points.map(([step]) => step), points.map(([, value]) => value)];

// A level that a curve cannot be expected to pass, over the whole width of the curve.
const level = (points, value) => [points[0], points[points.length - 1]].map(([step]) => [step, value]);

function draw(figure, curves) {
  const canvas = figure.querySelector(".chart-canvas");
  drawn.get(figure)?.destroy();
  const data = curves.length > 1 ? uPlot.join(curves.map(table)) : table(curves[0]);
  const chart = new uPlot({ ...options(canvas.clientWidth, curves), hooks: { setCursor: [(u) => show(figure, u)] } }, data, canvas);
  drawn.set(figure, chart);
  shown.set(figure, curves);
}

function show(figure, chart) {
  const output = figure.querySelector("output");
  const at = chart.cursor.idx;
  if (at === null || at === undefined) {
    output.textContent = output.dataset.last;
  } else {
    const values = chart.data.slice(1).map((line) => (line[at] == null ? "–" : line[at].toPrecision(4)));
    output.textContent = `${values.join(" · ")} at ${chart.data[0][at]}`;
  }
}

async function refresh() {
  const section = document.querySelector("[data-charts]");
  if (!section) return;
  const answer = await fetch(section.dataset.charts, { headers: { Accept: "application/json" } });
  if (!answer.ok) return;
  const { metrics, curves, plots, levels } = await answer.json();
  for (const figure of [...drawn.keys()]) {
    if (!figure.isConnected) {
      drawn.get(figure).destroy();
      drawn.delete(figure);
      shown.delete(figure);
    }
  }
  for (const figure of document.querySelectorAll("[data-metric]")) {
    const name = figure.dataset.metric;
    const lines = plots?.[name] ?? (curves ? curves[name] : metrics[name] && [metrics[name]]);
    if (lines) draw(figure, levels?.[name] === undefined ? lines : [...lines, level(lines[0], levels[name])]);
  }
}

// A refresh of the figures keeps the tables open that somebody has opened.
let open = [];
document.addEventListener("htmx:beforeSwap", (event) => {
  open = [...event.target.querySelectorAll("details[open][id]")].map((details) => details.id);
});
document.addEventListener("htmx:afterSettle", (event) => {
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  open = [];
  if (event.target.id === "charts") refresh();
});

// On paper the tables stand open beside their charts, and lines have the colors of the light theme.
const unfolded = new Set();
matchMedia("print").addEventListener("change", ({ matches }) => {
  for (const [figure, curves] of shown) draw(figure, curves);
  for (const details of document.querySelectorAll(".chart details")) {
    if (matches && !details.open) unfolded.add(details);
    if (unfolded.has(details)) details.open = matches;
  }
  if (!matches) unfolded.clear();
});

let waiting;
addEventListener("resize", () => {
  clearTimeout(waiting);
  waiting = setTimeout(() => {
    for (const [figure, chart] of drawn) chart.setSize({ width: figure.querySelector(".chart-canvas").clientWidth, height: HEIGHT });
  }, 150);
});
new MutationObserver(refresh).observe(document.documentElement, { attributeFilter: ["data-theme"] });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", refresh);
refresh();
