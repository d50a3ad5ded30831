// [data-map="url"] draws the points of a dataset in a canvas: coloured by a choice, moved and zoomed with mouse, fingers and keys,
// and drawn around to choose records. The bytes at the address are described in curation/charts/figures.py.
import { each, make } from "./bind.js";
import { Lasso, within } from "./map-lasso.js";
import { Pointers } from "./map-pointers.js";

const TONES = ["--map-1", "--map-2", "--map-3", "--map-4", "--map-5", "--map-6", "--map-7", "--map-8"];
const STATUS = { "To review": "--map-none", Accepted: "--ok", Rejected: "--bad", Skipped: "--warn" };
const NEAREST = 60;
const HOVER = 120; // milliseconds of rest before a record is asked about

function read(buffer) {
  const size = new DataView(buffer).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, size)));
  let at = 4 + size;
  const take = (Kind) => {
    const part = new Kind(buffer, at, head.count);
    at += part.byteLength;
    return part;
  };
  const points = { ...head, ids: take(Uint32Array), x: take(Float32Array), y: take(Float32Array), codes: {} };
  for (const name of Object.keys(head.colours)) points.codes[name] = take(Uint8Array);
  return points;
}

// As one number in the order in which a canvas keeps its bytes: red, green, blue, opacity.
function packed(element, name, strength = 1) {
  const probe = make("i", { hidden: true });
  probe.style.color = `var(${name})`;
  element.append(probe);
  const [red, green, blue] = getComputedStyle(probe).color.match(/[\d.]+/g).map(Number);
  probe.remove();
  return { css: `rgb(${red} ${green} ${blue})`, number: ((Math.round(255 * strength) << 24) | (blue << 16) | (green << 8) | red) >>> 0 };
}

class Map2D {
  constructor(root) {
    this.root = root;
    this.canvas = root.querySelector("canvas");
    this.about = root.querySelector("[data-map-about]");
    this.by = "status";
    this.only = -1;
    this.tool = root.querySelector('[data-map-tool="lasso"]') ? "lasso" : "move";
    this.view = { zoom: 1, x: 0.5, y: 0.5 };
    this.lasso = new Lasso(this, document.querySelector("[data-map-form]"));
    this.bind();
    this.load();
  }

  async load() {
    const state = this.root.querySelector("[data-map-state]");
    try {
      const answer = await fetch(this.root.dataset.map);
      if (!answer.ok) throw new Error(String(answer.status));
      this.points = read(await answer.arrayBuffer());
    } catch {
      state.textContent = "The points could not be loaded. Reload the page.";
      return;
    }
    state.hidden = true;
    this.recolour();
  }

  bind() {
    const canvas = this.canvas;
    new Pointers(canvas, this);
    new ResizeObserver(() => this.draw()).observe(canvas);
    document.addEventListener("themechange", () => this.recolour());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.recolour());
    this.root.querySelector("[data-map-colour]").addEventListener("change", (event) => {
      this.by = event.target.value;
      this.only = -1;
      this.recolour();
    });
    for (const button of this.root.querySelectorAll("[data-map-tool]")) {
      button.addEventListener("click", () => this.use(button.dataset.mapTool));
    }
    for (const button of this.root.querySelectorAll("[data-map-zoom]")) {
      button.addEventListener("click", () => this.zoom(Number(button.dataset.mapZoom)));
    }
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("pointermove", (event) => event.buttons || this.hover(event));
    canvas.addEventListener("pointerleave", (event) => event.relatedTarget === this.about || clearTimeout(this.resting));
    this.use(this.tool);
  }

  use(tool) {
    this.tool = tool;
    this.canvas.classList.toggle("moves", tool === "move");
    for (const button of this.root.querySelectorAll("[data-map-tool]")) button.setAttribute("aria-pressed", String(button.dataset.mapTool === tool));
  }

  // --- where is what: the map is square, y upwards; `side` are the pixels of its side at zoom 1.

  frame() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    return { width, height, side: Math.min(width, height) * this.view.zoom };
  }

  toScreen(x, y) {
    const { width, height, side } = this.frame();
    return [width / 2 + (x - this.view.x) * side, height / 2 - (y - this.view.y) * side];
  }

  toMap(left, top) {
    const { width, height, side } = this.frame();
    return [this.view.x + (left - width / 2) / side, this.view.y - (top - height / 2) / side];
  }

  zoom(factor, left = this.canvas.clientWidth / 2, top = this.canvas.clientHeight / 2) {
    if (!factor) this.view = { zoom: 1, x: 0.5, y: 0.5 };
    else {
      const [x, y] = this.toMap(left, top);
      const zoom = Math.min(200, Math.max(0.5, this.view.zoom * factor));
      const kept = this.view.zoom / zoom;
      this.view = { zoom, x: x + (this.view.x - x) * kept, y: y + (this.view.y - y) * kept };
    }
    this.draw();
  }

  move(left, top) {
    const { side } = this.frame();
    this.view.x = Math.min(1.2, Math.max(-0.2, this.view.x - left / side));
    this.view.y = Math.min(1.2, Math.max(-0.2, this.view.y + top / side));
    this.draw();
  }

  key(event) {
    const moves = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
    const zooms = { "+": 1.3, "=": 1.3, "-": 1 / 1.3, 0: 0 };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (moves[event.key]) this.move(...moves[event.key]);
    else if (event.key in zooms) this.zoom(zooms[event.key]);
    else if (event.key === "Escape") this.lasso.clear();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  // --- drawing

  recolour() {
    if (!this.points) return;
    const names = this.points.colours[this.by];
    this.tones = names.map((name, place) => {
      const isRest = name === "none" || (name === "others" && place === names.length - 1);
      const tone = isRest ? "--map-none" : this.by === "status" ? (STATUS[name] ?? "--map-none") : TONES[place % TONES.length];
      return packed(this.root, tone, this.only < 0 || this.only === place ? 1 : 0.08);
    });
    this.legend(names);
    this.draw();
  }

  legend(names) {
    const counts = new Uint32Array(names.length);
    for (const code of this.points.codes[this.by]) counts[code] += 1;
    const rows = names.map((name, place) => {
      const dot = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      const circle = document.createElementNS("http://www.w3.org/2000/svg", "circle");
      for (const [key, value] of Object.entries({ cx: 5, cy: 5, r: 5, fill: this.tones[place].css })) circle.setAttribute(key, value);
      dot.setAttribute("viewBox", "0 0 10 10");
      dot.setAttribute("aria-hidden", "true");
      dot.append(circle);
      const text = make("span", { textContent: `${name} ${counts[place].toLocaleString("en")}`, title: name });
      const button = make("button", { type: "button" }, dot, text);
      button.setAttribute("aria-pressed", String(this.only === place));
      button.addEventListener("click", () => {
        this.only = this.only === place ? -1 : place;
        this.recolour();
        this.root.querySelectorAll("[data-map-legend] button")[place].focus();
      });
      return make("li", {}, button);
    });
    this.root.querySelector("[data-map-legend]").replaceChildren(...rows);
  }

  draw() {
    this.wanted ??= requestAnimationFrame(() => {
      this.wanted = null;
      if (this.points && this.tones) this.paint();
    });
  }

  // Pixels are written, not shapes drawn: a hundred thousand points take one frame.
  paint() {
    const scale = devicePixelRatio || 1;
    const { width, height, side } = this.frame();
    const [wide, high] = [Math.round(width * scale), Math.round(height * scale)];
    if (!wide || !high) return;
    if (this.canvas.width !== wide || this.canvas.height !== high) Object.assign(this.canvas, { width: wide, height: high });
    const context = this.canvas.getContext("2d");
    const image = context.createImageData(wide, high);
    const pixels = new Uint32Array(image.data.buffer);
    const { x, y, count } = this.points;
    const codes = this.points.codes[this.by];
    const dot = this.dot(scale, count);
    const [left, top] = [wide / 2 - this.view.x * side * scale, high / 2 + this.view.y * side * scale];
    for (const round of this.only < 0 ? [null] : [false, true]) {
      for (let point = 0; point < count; point += 1) {
        if (round !== null && (codes[point] === this.only) !== round) continue;
        const across = Math.round(left + x[point] * side * scale);
        const down = Math.round(top - y[point] * side * scale);
        if (across < dot.reach || down < dot.reach || across >= wide - dot.reach || down >= high - dot.reach) continue;
        const tone = this.tones[codes[point]].number;
        const at = down * wide + across;
        for (const [dx, dy] of dot.pixels) pixels[at + dy * wide + dx] = tone;
      }
    }
    context.putImageData(image, 0, 0);
    this.lasso.paint(context, scale);
  }

  dot(scale, count) {
    const size = (count > 40_000 ? 1 : count > 8000 ? 1.5 : count > 1000 ? 2.2 : 3.2) * Math.min(2.5, 0.8 + 0.2 * this.view.zoom);
    const radius = Math.max(0.5, size * scale);
    const reach = Math.ceil(radius);
    const pixels = [];
    for (let dy = -reach; dy <= reach; dy += 1) for (let dx = -reach; dx <= reach; dx += 1) if (dx * dx + dy * dy <= radius * radius) pixels.push([dx, dy]);
    return { reach, pixels };
  }

  // --- what is under the pointer

  hover(event) {
    clearTimeout(this.resting);
    const [left, top] = [event.offsetX, event.offsetY];
    this.resting = setTimeout(() => this.tell(left, top), HOVER);
  }

  nearest(left, top) {
    const [px, py] = this.toMap(left, top);
    let [best, distance] = [-1, (NEAREST / 6 / this.frame().side) ** 2];
    for (let point = 0; point < this.points.count; point += 1) {
      const apart = (this.points.x[point] - px) ** 2 + (this.points.y[point] - py) ** 2;
      if (apart < distance) [best, distance] = [point, apart];
    }
    return best;
  }

  async tell(left, top) {
    if (!this.points) return;
    const point = this.nearest(left, top);
    if (point === this.told) return;
    this.told = point;
    if (point < 0) {
      this.about.hidden = true;
      return;
    }
    const answer = await fetch(`${this.root.dataset.map}/${this.points.first + this.points.ids[point]}`).catch(() => null);
    if (this.told !== point || !answer?.ok) return;
    const record = await answer.json();
    this.about.href = record.url;
    this.about.replaceChildren(record.preview || "(no text)", make("small", { textContent: `${record.status} · ${record.split} · ${record.words} words` }));
    this.about.hidden = false;
  }

  /** How many points lie inside a line: what is shown; the server looks again itself. */
  count(line) {
    return this.points ? within(this.points, line) : 0;
  }
}

each("[data-map]", (root) => new Map2D(root));
