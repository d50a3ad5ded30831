// The line drawn around points, and the form that sends it: the server decides by itself what lies inside.
const MOST = 500;
const APART = 3; // pixels between two corners

/** How many points lie inside, by the even-odd rule. */
export function within({ x, y, count }, line) {
  let [found, left, right, low, high] = [0, Infinity, -Infinity, Infinity, -Infinity];
  for (const [cx, cy] of line) [left, right, low, high] = [Math.min(left, cx), Math.max(right, cx), Math.min(low, cy), Math.max(high, cy)];
  for (let point = 0; point < count; point += 1) {
    const [px, py] = [x[point], y[point]];
    if (px < left || px > right || py < low || py > high) continue;
    let odd = false;
    for (let a = 0, b = line.length - 1; a < line.length; b = a, a += 1) {
      const [[ax, ay], [bx, by]] = [line[a], line[b]];
      if (ay > py !== by > py && px < ((bx - ax) * (py - ay)) / (by - ay) + ax) odd = !odd;
    }
    if (odd) found += 1;
  }
  return found;
}

export class Lasso {
  constructor(map, form) {
    Object.assign(this, { map, form, line: [] });
    if (!form) return;
    form.querySelector("[data-map-clear]").addEventListener("click", () => this.clear());
    form.querySelector("[data-map-view]").addEventListener("click", () => this.inView());
    // The numbers of the rectangle count only when they are what was asked for.
    form.querySelector("[data-map-rectangle]").addEventListener("click", () => { form.elements.polygon.value = ""; });
    form.querySelector("[data-map-submit]").addEventListener("click", () => { form.elements.polygon.value = this.text(); });
    form.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target.name === "name") form.elements.polygon.value = this.text();
    });
  }

  text() {
    return this.line.length ? JSON.stringify(this.line.map(([x, y]) => [Number(x.toFixed(5)), Number(y.toFixed(5))])) : "";
  }

  begin(left, top) {
    this.line = [this.map.toMap(left, top)];
    this.last = [left, top];
  }

  add(left, top) {
    if (Math.hypot(left - this.last[0], top - this.last[1]) < APART) return;
    this.last = [left, top];
    this.line.push(this.map.toMap(left, top));
    this.map.draw();
  }

  end() {
    if (this.line.length < 3) return this.clear();
    const step = Math.ceil(this.line.length / MOST);
    this.line = this.line.filter((corner, place) => place % step === 0);
    this.say();
  }

  inView() {
    const { width, height } = this.map.frame();
    const clipped = (corner) => corner.map((value) => Math.min(1, Math.max(0, value)));
    this.line = [[0, 0], [width, 0], [width, height], [0, height]].map(([left, top]) => clipped(this.map.toMap(left, top)));
    this.say();
  }

  clear() {
    this.line = [];
    this.say();
  }

  say() {
    const count = this.line.length ? this.map.count(this.line) : 0;
    const { total = 0, count: shown = 0 } = this.map.points ?? {};
    const about = total > shown ? " of the points drawn" : "";
    this.form.querySelector("[data-map-count]").textContent = !this.line.length
      ? "Lasso points to select records."
      : count ? `${count.toLocaleString("en")} record${count === 1 ? "" : "s"} inside${about}.` : "The lasso contains no records.";
    this.form.querySelector("[data-map-submit]").disabled = !count;
    this.form.querySelector("[data-map-clear]").hidden = !this.line.length;
    this.map.draw();
  }

  paint(context, scale) {
    if (this.line.length < 2) return;
    const style = getComputedStyle(this.map.canvas);
    context.save();
    context.scale(scale, scale);
    context.beginPath();
    for (const corner of this.line) context.lineTo(...this.map.toScreen(...corner));
    context.closePath();
    context.lineWidth = 1.5;
    context.strokeStyle = style.color;
    context.setLineDash([5, 4]);
    context.stroke();
    context.globalAlpha = 0.08;
    context.fillStyle = style.color;
    context.fill("evenodd");
    context.restore();
  }
}
