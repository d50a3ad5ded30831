// Mouse, pen and fingers on the map: one draws the line or moves, two move and zoom, the wheel zooms.
export class Pointers {
  constructor(canvas, map) {
    Object.assign(this, { canvas, map, down: new Map() });
    canvas.addEventListener("pointerdown", (event) => this.press(event));
    canvas.addEventListener("pointermove", (event) => this.drag(event));
    for (const type of ["pointerup", "pointercancel"]) canvas.addEventListener(type, (event) => this.lift(event));
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      map.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0016)), event.offsetX, event.offsetY);
    }, { passive: false });
  }

  press(event) {
    if (event.button > 1) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.down.set(event.pointerId, [event.offsetX, event.offsetY]);
    if (this.down.size > 1 && this.draws) {
      this.draws = false;
      this.map.lasso.clear();
    } else if (this.down.size === 1) {
      this.start = [event.offsetX, event.offsetY];
      this.draws = this.map.tool === "lasso" && event.button === 0;
      if (this.draws) this.map.lasso.begin(event.offsetX, event.offsetY);
    }
  }

  drag(event) {
    const before = this.down.get(event.pointerId);
    if (!before) return;
    const now = [event.offsetX, event.offsetY];
    if (this.down.size === 1 && this.draws) this.map.lasso.add(...now);
    else if (this.down.size === 1) this.map.move(now[0] - before[0], now[1] - before[1]);
    else this.pinch(event.pointerId, before, now);
    this.down.set(event.pointerId, now);
  }

  pinch(id, before, now) {
    const [other] = [...this.down].filter(([key]) => key !== id).map(([, place]) => place);
    const apart = (place) => Math.hypot(place[0] - other[0], place[1] - other[1]) || 1;
    this.map.move((now[0] - before[0]) / 2, (now[1] - before[1]) / 2);
    this.map.zoom(apart(now) / apart(before), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
  }

  lift(event) {
    if (!this.down.delete(event.pointerId) || this.down.size) return;
    if (this.draws) this.map.lasso.end();
    this.draws = false;
    // A tap says what is there: fingers cannot hover.
    if (Math.hypot(event.offsetX - this.start[0], event.offsetY - this.start[1]) < 5) this.map.tell(event.offsetX, event.offsetY);
  }
}
