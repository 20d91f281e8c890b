"use strict";
// The page of `elbolab report`: sorting, filtering, charts. No library, no request.

const data = JSON.parse(document.getElementById("data").textContent);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const one = (selector, root = document) => root.querySelector(selector);
const redraws = [];

document.documentElement.classList.add("scripted");

// Colours: a few groups get distinct hues; many get one scale in their order, as a sweep has one.
const FEW = [255, 25, 150, 75, 310, 200, 350, 110];
const hue = (group) => {
  const count = data.groups.length;
  return count <= FEW.length ? FEW[group] : 20 + (290 * group) / (count - 1);
};
const colour = (group) => `oklch(var(--l) 0.15 ${hue(group).toFixed(1)})`;
for (const element of all("[data-group]")) element.style.setProperty("--c", colour(+element.dataset.group));

// Which runs are shown: by the chips of their configurations, and by a text in their names.
const off = new Set();
let wanted = [];
const named = (name) => wanted.every((word) => name.toLowerCase().includes(word));
const shown = (run) => !off.has(data.runs[run].group) && named(data.runs[run].name);

function applyFilter() {
  for (const element of all("tbody tr[data-group], .figures figure")) {
    element.hidden = off.has(+element.dataset.group) || !named(element.dataset.name);
  }
  for (const chip of all(".chip")) {
    const group = +chip.dataset.group;
    chip.setAttribute("aria-pressed", String(!off.has(group)));
    chip.hidden = !data.runs.some((run) => run.group === group && named(run.name));
  }
  const button = one("#toggle-all");
  if (button) button.textContent = off.size ? "all" : "none";
  redraws.forEach((redraw) => redraw());
}

one("#filter")?.addEventListener("input", (event) => {
  wanted = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
  applyFilter();
});
one("#toggle-all")?.addEventListener("click", () => {
  if (off.size) off.clear();
  else data.groups.forEach((_, group) => off.add(group));
  applyFilter();
});
for (const chip of all(".chip")) {
  chip.addEventListener("click", () => {
    const group = +chip.dataset.group;
    if (!off.delete(group)) off.add(group);
    applyFilter();
  });
}

// One of several: tables by view, columns by split, figures by name.
function choose(attribute, apply) {
  const buttons = all(`button[data-${attribute}]`);
  const pick = (value) => {
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset[attribute] === value));
    apply(value);
  };
  for (const button of buttons) button.addEventListener("click", () => pick(button.dataset[attribute]));
  if (buttons.length) pick(buttons[0].dataset[attribute]);
}
choose("view", (view) => all("[data-table]").forEach((box) => { box.hidden = box.dataset.table !== view; }));
choose("split", (split) => all("[data-s]").forEach((cell) => { cell.hidden = cell.dataset.s !== split; }));
choose("figure", (name) => all("[data-figures]").forEach((box) => { box.hidden = box.dataset.figures !== name; }));
one("#all-columns")?.addEventListener("change", (event) => {
  for (const table of all("[data-table] table")) table.classList.toggle("every", event.target.checked);
});

// Sorting: numbers by value, text as people count, missing ones last in either order.
const collate = new Intl.Collator("en").compare;
function compareText(a, b) { // the numbers in them as numbers: 0.25 before 0.5, 1e-4 before 0.001, 4 before 16
  const [left, right] = [a, b].map((text) => text.split(/(\d+(?:\.\d+)?(?:e[-+]?\d+)?)/));
  for (let i = 0; i < Math.min(left.length, right.length); i += 1) {
    const order = i % 2 ? left[i] - right[i] : collate(left[i], right[i]);
    if (order) return order;
  }
  return left.length - right.length;
}
function sortBy(head) {
  const table = head.closest("table");
  const column = [...head.parentNode.children].indexOf(head);
  const first = head.dataset.first ?? "ascending";
  const opposite = { ascending: "descending", descending: "ascending" };
  const order = head.ariaSort === "none" ? first : opposite[head.ariaSort];
  for (const other of head.parentNode.children) other.setAttribute("aria-sort", other === head ? order : "none");
  const value = (row) => {
    const cell = row.children[column];
    if (cell.dataset.v !== undefined) return +cell.dataset.v;
    const text = cell.textContent.trim();
    return text === "–" || text === "" ? null : text;
  };
  const sign = order === "ascending" ? 1 : -1;
  const rows = [...table.tBodies[0].rows].map((row) => [value(row), row]);
  rows.sort(([a], [b]) => {
    if (a === null || b === null) return (a === null) - (b === null);
    return sign * (typeof a === "number" && typeof b === "number" ? a - b : compareText(String(a), String(b)));
  });
  table.tBodies[0].append(...rows.map(([, row]) => row));
}
for (const head of all("th[aria-sort]")) one("button", head).addEventListener("click", () => sortBy(head));

// Figures, enlarged.
for (const button of all(".zoom")) {
  button.addEventListener("click", () => {
    const [dialog, image] = [one("#large"), one("img", button)];
    Object.assign(one("img", dialog), { src: image.src, alt: image.alt });
    one("p", dialog).textContent = image.alt;
    dialog.showModal();
  });
}
one("#large").addEventListener("click", (event) => { if (event.target.id === "large") event.target.close(); });

// Charts.
const SVG = "http://www.w3.org/2000/svg";
const draw = (parent, name, attributes, text) => {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  parent.append(element);
  return element;
};
function number(value) {
  if (value === null) return "–";
  const size = Math.abs(value);
  const text = size >= 1e5 || (size && size < 1e-4) ? value.toExponential(4).replace(/\.?0*e\+?/, "e") : String(+value.toPrecision(5));
  return text.replaceAll("-", "−");
}

function ticks(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough);
  const marks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i += 1) marks.push(+(i * step).toPrecision(12));
  return marks;
}

function extent(values, margin) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low > high) return null;
  const room = (high - low || Math.abs(high) || 1) * margin;
  return [low - room, high + room];
}

const WILD = 50; // times the range of the others that values must take up to be left out: a run that diverged
function tamed(values) {
  const sorted = values.filter((value) => value !== null).sort((a, b) => a - b);
  const at = (share) => sorted[Math.floor(share * (sorted.length - 1))];
  const fence = 3 * (at(0.75) - at(0.25));
  const inside = sorted.filter((value) => value >= at(0.25) - fence && value <= at(0.75) + fence);
  return fence && sorted.at(-1) - sorted[0] > WILD * (inside.at(-1) - inside[0]) ? inside : sorted;
}

const TRANSIENT = 0.1; // share of the steps that may leave the panel: the first ones are hundreds of nats off

function curveSpec(name) {
  const splits = { val: one("#curve-val").checked, train: one("#curve-train").checked };
  const series = data.curves
    .filter((curve) => curve.values[name] && shown(curve.run) && (splits[curve.split] ?? true))
    .map((curve) => ({ run: curve.run, kind: curve.split, x: curve.steps, y: curve.values[name] }))
    .sort((a, b) => (a.kind === "train" ? 0 : 1) - (b.kind === "train" ? 0 : 1));
  const last = Math.max(...series.map((one) => one.x.at(-1)));
  const whole = one("#full-range").checked;
  const from = whole ? 0 : TRANSIENT * last;
  const tell = (s, i) => `${s.kind === "val" ? "validation" : s.kind === "train" ? "training" : s.kind}, step ${s.x[i]}`;
  return { series, from, tame: !whole, line: true, zoom: true, xlabel: "", tell };
}

function planeSpec(index) {
  const series = data.planes[index].points
    .filter(([run]) => shown(run))
    .map(([run, rate, distortion]) => ({ run, kind: "point", x: [rate], y: [distortion] }));
  const tell = (s) => `rate ${number(s.x[0])}, distortion ${number(s.y[0])}, ELBO ${number(-s.x[0] - s.y[0])} nats`;
  return { series, levels: true, xlabel: "rate (nats)", ylabel: "distortion (nats)", tell, whole: true };
}

function klSpec() {
  const series = data.kl.filter((kl) => shown(kl.run))
    .map((kl) => ({ run: kl.run, kind: "val", dims: kl.dims, x: kl.dims.map((_, rank) => rank + 1), y: kl.values }));
  return { series, line: true, xlabel: "dimensions, by KL", zero: true, tell: (s, i) => `dimension ${s.dims[i]}` };
}

const SPECS = { curve: curveSpec, plane: planeSpec, kl: klSpec };

class Chart {
  constructor(figure) {
    this.plot = one(".plot", figure);
    this.make = () => SPECS[figure.dataset.kind](figure.dataset.key);
    this.zoomed = null;
    this.at = null;
    this.plot.addEventListener("pointermove", (event) => this.move(event));
    this.plot.addEventListener("pointerdown", (event) => this.press(event));
    this.plot.addEventListener("pointerup", (event) => this.release(event));
    this.plot.addEventListener("pointerleave", () => { this.started = undefined; this.leave(); });
    this.plot.addEventListener("blur", () => this.leave());
    this.plot.addEventListener("dblclick", () => { this.zoomed = null; this.redraw(); });
    this.plot.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.redraw()).observe(this.plot);
    redraws.push(() => this.redraw());
  }

  redraw() {
    const [width, height] = [this.plot.clientWidth, this.plot.clientHeight];
    if (!width || !height) return; // inside closed details
    this.leave();
    this.spec = this.make();
    this.plot.replaceChildren();
    this.svg = draw(this.plot, "svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
    const box = { left: 52, right: width - 16, top: this.spec.ylabel ? 20 : 8, bottom: height - (this.spec.xlabel ? 38 : 24) };
    if (!this.scale(box)) {
      draw(this.svg, "text", { x: width / 2, y: height / 2, "text-anchor": "middle" }, "nothing to show");
      return;
    }
    this.axes(box);
    if (this.spec.levels) this.levels(box);
    this.lines(box);
    if (this.left) {
      const told = `${this.left} far-off value${this.left > 1 ? "s: full range shows them" : ": full range shows it"}`;
      draw(this.svg, "text", { x: box.right, y: box.top + 10, "text-anchor": "end", class: "aside" }, told);
    }
    this.cursor = draw(this.svg, "circle", { r: 4, class: "cursor", visibility: "hidden" });
  }

  scale(box) {
    const { series, from = 0, zero, whole, tame } = this.spec;
    const xs = this.zoomed ?? extent(series.flatMap((s) => s.x), whole ? 0.08 : 0);
    if (!xs) return false;
    const inside = (s, i) => s.y[i] !== null && s.x[i] >= xs[0] && s.x[i] <= xs[1] && (this.zoomed || s.x[i] >= from);
    const seen = series.flatMap((s) => s.y.filter((_, i) => inside(s, i)));
    const kept = tame && !this.zoomed ? tamed(seen) : seen;
    this.left = seen.length - kept.length;
    const ys = extent(kept, 0.06);
    if (!ys) return false;
    if (zero) ys[0] = Math.min(0, ys[0] + (ys[1] - ys[0]) * 0.053);
    if (xs[0] === xs[1]) xs[1] += 1;
    [this.xs, this.ys, this.box] = [xs, ys, box];
    this.px = (x) => box.left + ((x - xs[0]) / (xs[1] - xs[0])) * (box.right - box.left);
    this.py = (y) => box.bottom - ((y - ys[0]) / (ys[1] - ys[0])) * (box.bottom - box.top);
    return true;
  }

  axes(box) {
    for (const y of ticks(...this.ys, 5)) {
      draw(this.svg, "line", { x1: box.left, x2: box.right, y1: this.py(y), y2: this.py(y), class: "grid" });
      draw(this.svg, "text", { x: box.left - 6, y: this.py(y) + 4, "text-anchor": "end" }, number(y));
    }
    for (const x of ticks(...this.xs, Math.max(2, (box.right - box.left) / 90))) {
      draw(this.svg, "text", { x: this.px(x), y: box.bottom + 16, "text-anchor": "middle" }, number(x));
    }
    if (this.spec.xlabel) {
      draw(this.svg, "text", { x: box.right, y: box.bottom + 32, "text-anchor": "end" }, this.spec.xlabel);
    }
    if (this.spec.ylabel) draw(this.svg, "text", { x: 0, y: 11 }, this.spec.ylabel);
  }

  levels(box) { // of equal -ELBO = rate + distortion
    const [[x0, x1], [y0, y1]] = [this.xs, this.ys];
    for (const level of ticks(x0 + y0, x1 + y1, 6)) {
      const [a, b] = [Math.max(x0, level - y1), Math.min(x1, level - y0)];
      if (b - a < (x1 - x0) * 0.05) continue;
      const [ax, ay, bx, by] = [this.px(a), this.py(level - a), this.px(b), this.py(level - b)];
      draw(this.svg, "line", { x1: ax, y1: ay, x2: bx, y2: by, class: "level" });
      draw(this.svg, "text", { x: ax + 5, y: ay + (ay < box.top + 12 ? 10 : -4), class: "aside" }, number(-level));
    }
  }

  lines(box) {
    const id = `clip${redraws.length}${Math.random().toString(36).slice(2)}`;
    const clip = draw(this.svg, "clipPath", { id });
    draw(clip, "rect", { x: box.left - 3, y: box.top, width: box.right - box.left + 6, height: box.bottom - box.top }); // a mark's radius
    this.layer = draw(this.svg, "g", this.spec.line ? { "clip-path": `url(#${id})` } : {});
    const many = this.spec.series.length > 24;
    for (const series of this.spec.series) {
      const group = draw(this.layer, "g", {});
      group.style.setProperty("--c", colour(data.runs[series.run].group));
      series.marks = [];
      if (this.spec.line) series.marks.push(this.path(group, series, many));
      if (!this.spec.line || (series.kind !== "train" && series.x.length * this.spec.series.length < 400)) {
        series.x.forEach((x, i) => {
          if (series.y[i] === null) return;
          const place = { cx: this.px(x).toFixed(1), cy: this.py(series.y[i]).toFixed(1) };
          series.marks.push(draw(group, "circle", { ...place, r: this.spec.line ? 2 : 4.5, class: "mark" }));
        });
      }
    }
  }

  path(group, series, many) { // a gap where a value is no number
    let [path, pen] = ["", "M"];
    series.x.forEach((x, i) => {
      if (series.y[i] === null) { pen = "M"; return; }
      path += `${pen}${this.px(x).toFixed(1)} ${this.py(series.y[i]).toFixed(1)}`;
      pen = "L";
    });
    return draw(group, "path", { d: path, class: `series ${series.kind}${many ? " many" : ""}` });
  }

  nearest(x, y) {
    let best = { distance: 40 ** 2 };
    this.spec.series.forEach((series, s) => series.x.forEach((value, i) => {
      if (series.y[i] === null) return;
      const distance = (this.px(value) - x) ** 2 + (this.py(series.y[i]) - y) ** 2;
      if (distance < best.distance) best = { distance, s, i };
    }));
    return best.s === undefined ? null : best;
  }

  show(at) {
    this.leave();
    this.at = at;
    const series = this.spec.series[at.s];
    const [x, y] = [this.px(series.x[at.i]), this.py(series.y[at.i])];
    for (const [key, value] of Object.entries({ cx: x, cy: y, visibility: "visible" })) this.cursor.setAttribute(key, value);
    this.layer.classList.add("lit");
    for (const mark of series.marks) mark.classList.add("chosen");
    const tip = one("#tip");
    const value = this.spec.line ? `${number(series.y[at.i])} · ` : "";
    tip.textContent = `${data.runs[series.run].name}: ${value}${this.spec.tell(series, at.i)}`;
    tip.hidden = false;
    const frame = this.plot.getBoundingClientRect();
    const left = Math.min(frame.left + x + 12, innerWidth - tip.offsetWidth - 8);
    const above = frame.top + y - tip.offsetHeight - 12;
    tip.style.left = `${Math.max(8, left)}px`;
    tip.style.top = `${above > 4 ? above : frame.top + y + 14}px`;
  }

  leave() {
    if (this.at === null || !this.cursor) return;
    this.at = null;
    this.cursor.setAttribute("visibility", "hidden");
    this.layer.classList.remove("lit");
    for (const mark of all(".chosen", this.layer)) mark.classList.remove("chosen");
    one("#tip").hidden = true;
  }

  place(event) {
    const frame = this.plot.getBoundingClientRect();
    return [event.clientX - frame.left, event.clientY - frame.top];
  }

  move(event) {
    if (!this.cursor?.isConnected) return;
    const [x, y] = this.place(event);
    if (this.started !== undefined) {
      const [a, b] = [Math.min(this.started, x), Math.max(this.started, x)];
      this.band ??= draw(this.svg, "rect", { y: this.box.top, height: this.box.bottom - this.box.top, class: "band" });
      this.band.setAttribute("x", a);
      this.band.setAttribute("width", b - a);
      return;
    }
    const at = this.nearest(x, y);
    if (at) this.show(at);
    else this.leave();
  }

  press(event) {
    if (event.pointerType === "mouse" && event.button === 0 && this.spec?.zoom) [this.started] = this.place(event);
    else this.move(event);
  }

  release(event) {
    if (this.started === undefined) return;
    const [x] = this.place(event);
    const [a, b] = [Math.min(this.started, x), Math.max(this.started, x)];
    this.started = undefined;
    this.band?.remove();
    this.band = undefined;
    if (b - a < 8) return;
    const back = (pixel) => this.xs[0] + ((pixel - this.box.left) / (this.box.right - this.box.left)) * (this.xs[1] - this.xs[0]);
    this.zoomed = [Math.max(this.xs[0], back(a)), Math.min(this.xs[1], back(b))];
    this.redraw();
  }

  key(event) {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (!step || !this.spec?.series.length || !this.cursor?.isConnected) return;
    event.preventDefault();
    const count = this.spec.series.length;
    const s = this.at ? (this.at.s + step[0] + count) % count : count - 1;
    const series = this.spec.series[s];
    let i = this.at ? this.at.i + step[1] : series.x.length - 1;
    i = Math.max(0, Math.min(series.x.length - 1, i));
    if (series.y[i] !== null) this.show({ s, i });
  }
}

for (const figure of all(".chart")) new Chart(figure);
for (const box of all("#curve-val, #curve-train, #full-range")) {
  box.addEventListener("change", () => redraws.forEach((redraw) => redraw()));
}
