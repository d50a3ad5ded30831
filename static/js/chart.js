// figure[data-chart] draws lines with Chart.js, which is loaded only where there is a chart. The figures come from the JSON
// script whose id data-chart names, or from data-url, asked again every data-every seconds until the answer says done.
// {"x": "Step", "y": "Loss", "series": [{"name": "Training", "points": [[1, 2.31], …]}], "done": false}
// With "labels", x is a place among those words; with "bars", the series stand on one another.
import { each, make } from "./bind.js";

const TABLE_ROWS = 200;
const charts = new Set();

async function load() {
  await import("../vendor/chart.js/chart.umd.min.js");
  return globalThis.Chart;
}

// Only a used value resolves light-dark(), so an element has to wear the colour.
function colour(name) {
  const probe = make("i", { hidden: true });
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

// The accent belongs to the line that matters most, the last one; those before it stay in the background.
const TONES = { 1: ["--accent-ink"], 2: ["--ink-3", "--accent-ink"], 3: ["--ink-3", "--info", "--accent-ink"] };

function datasets({ series, bars }) {
  const tones = TONES[series.length] ?? ["--ink-3", "--info", "--warn", "--ok", "--accent-ink"];
  return series.map((line, index) => ({
    label: line.name,
    data: line.points.map(([x, y]) => ({ x, y })),
    borderColor: colour(tones[index % tones.length]),
    backgroundColor: colour(tones[index % tones.length]),
    borderWidth: bars ? 0 : index === series.length - 1 ? 2 : 1.25,
    pointRadius: line.points.length < 12 ? 2.5 : 0,
    pointHitRadius: 8,
    cubicInterpolationMode: "monotone", // a curve that never leaves the values on both sides of it
    spanGaps: true,
  }));
}

const worded = (figures, x) => figures.labels?.[x] ?? `${figures.x ?? ""} ${x}`;
const places = ({ labels, bars }) => (labels ? { type: "category", labels, offset: Boolean(bars) } : {});
const tickStyle = () => ({ color: colour("--ink-3"), font: { family: getComputedStyle(document.body).fontFamily, size: 11 } });

function options(figures) {
  const line = colour("--line");
  const ticks = tickStyle();
  const { font } = ticks;
  // Where all values are whole, as steps and counts are, there is nothing to mark between two of them.
  const precision = (part) => (figures.series.every((each) => each.points.every((point) => Number.isInteger(point[part]))) ? 0 : undefined);
  const stacked = Boolean(figures.bars);
  const axis = (text, part) => ({
    type: "linear", stacked, beginAtZero: stacked, title: { display: Boolean(text), text, color: ticks.color, font },
    ticks: { ...ticks, maxTicksLimit: 7, precision: precision(part) },
    grid: { color: line, drawTicks: false }, border: { display: false },
  });
  return {
    animation: false, responsive: true, maintainAspectRatio: false, parsing: false, normalized: true,
    interaction: { mode: stacked ? "index" : "nearest", axis: "x", intersect: false },
    scales: { x: { ...axis(figures.x, 0), ...places(figures), grid: { display: false } }, y: axis(figures.y, 1) },
    plugins: {
      legend: { align: "end", labels: { color: colour("--ink-2"), font, boxWidth: 14, boxHeight: 2 } },
      decimation: { enabled: true, algorithm: "lttb", samples: 400 },
      tooltip: {
        backgroundColor: colour("--raised"), titleColor: ticks.color, bodyColor: colour("--ink"), borderColor: colour("--line-strong"),
        borderWidth: 1, titleFont: font, bodyFont: font, padding: 8, boxWidth: 8, boxHeight: 8,
        callbacks: { title: ([item]) => (item ? worded(figures, item.parsed.x) : "") },
      },
    },
  };
}

// What the canvas shows, for those who cannot see it: one row for each x, the last ones when there are too many.
function fillTable(table, figures) {
  const xs = [...new Set(figures.series.flatMap((line) => line.points.map(([x]) => x)))].sort((a, b) => a - b).slice(-TABLE_ROWS);
  const columns = figures.series.map((line) => new Map(line.points));
  const head = make("tr", {}, ...[figures.x ?? "", ...figures.series.map((line) => line.name)].map((text) => make("th", { scope: "col", textContent: text })));
  const body = xs.map((x) => make("tr", {}, make("th", { scope: "row", textContent: figures.labels?.[x] ?? x }), ...columns.map((column) => make("td", { textContent: column.get(x) ?? "" }))));
  table.replaceChildren(make("thead", {}, head), make("tbody", {}, ...body));
}

class Drawing {
  constructor(figure) {
    this.figure = figure;
    this.figures = null;
    this.chart = null;
    figure.querySelector("details")?.addEventListener("toggle", () => this.table());
  }

  async draw(figures) {
    this.figures = figures;
    const isEmpty = !figures.series?.some((line) => line.points.length);
    this.figure.querySelector("[data-chart-note]").hidden = !isEmpty;
    if (isEmpty) return;
    const Chart = await load();
    if (!this.figure.isConnected) return;
    const next = { datasets: datasets(figures) };
    this.chart ??= new Chart(this.figure.querySelector("canvas"), { type: figures.bars ? "bar" : "line", data: next, options: options(figures) });
    this.chart.data = next;
    this.chart.options = options(figures);
    this.chart.update("none");
    this.table();
  }

  table() {
    const details = this.figure.querySelector("details");
    if (details?.open && this.figures) fillTable(details.querySelector("table"), this.figures);
  }

  async poll() {
    const seconds = Number(this.figure.dataset.every ?? 0);
    let isDone = !seconds;
    try {
      const answer = await fetch(this.figure.dataset.url, { headers: { accept: "application/json" } });
      if (answer.ok) {
        const figures = await answer.json();
        isDone ||= answer.status === 286 || figures.done === true;
        await this.draw(figures);
      }
    } catch { /* the server is away for a moment: the next round asks again */ }
    if (!isDone) setTimeout(() => (this.figure.isConnected ? this.poll() : this.end()), seconds * 1000);
  }

  end() {
    this.chart?.destroy();
    charts.delete(this);
  }
}

each("figure[data-chart]", (figure) => {
  const drawing = new Drawing(figure);
  charts.add(drawing);
  const given = figure.dataset.chart && document.getElementById(figure.dataset.chart);
  if (given) drawing.draw(JSON.parse(given.textContent));
  if (figure.dataset.url) drawing.poll();
});

document.addEventListener("htmx:afterSwap", () => charts.forEach((drawing) => drawing.figure.isConnected || drawing.end()));
document.addEventListener("themechange", () => charts.forEach((drawing) => drawing.figures && drawing.draw(drawing.figures)));
