"use strict";
// The page of `elbolab report`: sorting, filtering, charts. No library, no request.

const data = JSON.parse(document.getElementById("data").textContent);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const one = (selector, root = document) => root.querySelector(selector);
const on = (selector, type, handle) => {
  for (const element of all(selector)) element.addEventListener(type, (event) => handle(element, event));
};
const charts = [];
const redraw = () => charts.forEach((chart) => chart.draw());

document.documentElement.classList.add("scripted");

// Colours: a few groups get distinct hues; many get one scale in their order, as a sweep has one.
const HUES = [255, 25, 150, 75, 310, 200, 350, 110];
function colour(group) {
  const count = data.groups.length;
  const hue = count <= HUES.length ? HUES[group] : 20 + (290 * group) / (count - 1);
  return `oklch(var(--l) 0.15 ${hue.toFixed(1)})`;
}
for (const element of all("[data-group]")) element.style.setProperty("--c", colour(+element.dataset.group));

// Which runs are shown: by the chips of their configurations, and by words in their names.
const off = new Set();
let words = [];
const matches = (name) => words.every((word) => name.toLowerCase().includes(word));
const isShown = ({ group, name }) => !off.has(+group) && matches(name);

function applyFilter() {
  for (const element of all("tbody tr[data-group], .figures figure")) element.hidden = !isShown(element.dataset);
  for (const chip of all(".chip")) {
    const group = +chip.dataset.group;
    chip.ariaPressed = String(!off.has(group));
    chip.hidden = !data.runs.some((run) => run.group === group && matches(run.name));
  }
  one("#toggle-all").textContent = off.size ? "all" : "none";
  redraw();
}
on("#filter", "input", (input) => {
  words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
  applyFilter();
});
on("#toggle-all", "click", () => {
  if (off.size) off.clear();
  else data.groups.forEach((_, group) => off.add(group));
  applyFilter();
});
on(".chip", "click", (chip) => {
  if (!off.delete(+chip.dataset.group)) off.add(+chip.dataset.group);
  applyFilter();
});

// One of several: tables by view, columns by split, figures by name.
for (const [choice, part] of Object.entries({ view: "table", split: "s", figure: "figures" })) {
  const buttons = all(`button[data-${choice}]`);
  const pick = (value) => {
    for (const button of buttons) button.ariaPressed = String(button.dataset[choice] === value);
    for (const element of all(`[data-${part}]`)) element.hidden = element.dataset[part] !== value;
  };
  for (const button of buttons) button.addEventListener("click", () => pick(button.dataset[choice]));
  if (buttons.length) pick(buttons[0].dataset[choice]);
}
on("#all-columns", "change", (box) => {
  for (const table of all("[data-table] table")) table.classList.toggle("every", box.checked);
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
on("th[aria-sort] button", "click", (button) => {
  const head = button.closest("th");
  const heads = [...head.parentNode.children];
  const opposite = { ascending: "descending", descending: "ascending", none: head.dataset.first ?? "ascending" };
  const order = opposite[head.ariaSort];
  for (const other of heads) other.ariaSort = other === head ? order : "none";
  const value = (row) => {
    const cell = row.children[heads.indexOf(head)];
    return cell.dataset.v === undefined ? cell.textContent.trim().replace(/^–$/, "") || null : +cell.dataset.v;
  };
  const body = head.closest("table").tBodies[0];
  const rows = [...body.rows].map((row) => [value(row), row]);
  rows.sort(([a], [b]) => {
    if (a === null || b === null) return (a === null) - (b === null);
    const difference = typeof a === "number" && typeof b === "number" ? a - b : compareText(String(a), String(b));
    return order === "ascending" ? difference : -difference;
  });
  body.append(...rows.map(([, row]) => row));
});

// Figures, enlarged.
on(".zoom", "click", (button) => {
  const { src, alt } = one("img", button);
  Object.assign(one("#large img"), { src, alt });
  one("#large p").textContent = alt;
  one("#large").showModal();
});
on("#large", "click", (dialog, event) => { if (event.target === dialog) dialog.close(); });

// Charts.
function draw(parent, name, attributes, text = "") {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.textContent = text;
  return parent.appendChild(element);
}

function number(value) {
  const size = Math.abs(value);
  const extreme = size >= 1e5 || (size && size < 1e-4);
  const text = extreme ? value.toExponential(4).replace(/\.?0*e\+?/, "e") : String(+value.toPrecision(5));
  return text.replaceAll("-", "−");
}

function ticks(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough);
  const marks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i += 1) {
    marks.push(+(i * step).toPrecision(12));
  }
  return marks;
}

function extent(values, margin) {
  if (!values.length) return null;
  const [low, high] = values.reduce(([a, b], value) => [Math.min(a, value), Math.max(b, value)], [Infinity, -Infinity]);
  const room = (high - low || Math.abs(high) || 1) * margin;
  return [low - room, high + room];
}

const WILD = 50; // times the range of the others that values must take up to be left out: a run that diverged
function tame(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share) => sorted[Math.floor(share * (sorted.length - 1))];
  const fence = 3 * (at(0.75) - at(0.25));
  const inside = sorted.filter((value) => value >= at(0.25) - fence && value <= at(0.75) + fence);
  return fence && sorted.at(-1) - sorted[0] > WILD * (inside.at(-1) - inside[0]) ? inside : sorted;
}

const TRANSIENT = 0.1; // share of the steps that may leave the panel: the first ones are hundreds of nats off
const SPLITS = { val: "validation", train: "training" };

// What a chart of each kind shows, and how it reads the i-th value of a series.
const KINDS = {
  curve(name) {
    const whole = one("#full-range").checked;
    const series = data.curves
      .filter((curve) => curve.values[name] && isShown(data.runs[curve.run]))
      .filter((curve) => document.getElementById(`curve-${curve.split}`)?.checked ?? true)
      .map((curve) => ({ run: curve.run, kind: curve.split, x: curve.steps, y: curve.values[name] }))
      .sort((a, b) => (b.kind === "train") - (a.kind === "train"));
    const from = whole ? 0 : TRANSIENT * Math.max(...series.map((s) => s.x.at(-1)));
    const read = (s, i) => `${number(s.y[i])} · ${SPLITS[s.kind] ?? s.kind}, step ${s.x[i]}`;
    return { series, from, tame: !whole, line: true, zoom: true, read };
  },
  plane(index) {
    const series = data.planes[index].points
      .filter(([run]) => isShown(data.runs[run]))
      .map(([run, rate, distortion]) => ({ run, kind: "point", x: [rate], y: [distortion] }));
    const read = ({ x: [rate], y: [distortion] }) =>
      `rate ${number(rate)}, distortion ${number(distortion)}, ELBO ${number(-rate - distortion)} nats`;
    return { series, margin: 0.08, levels: true, xlabel: "rate (nats)", ylabel: "distortion (nats)", read };
  },
  kl() {
    const series = data.kl
      .filter(({ run }) => isShown(data.runs[run]))
      .map(({ run, dims, values }) => ({ run, kind: "val", dims, x: dims.map((_, rank) => rank + 1), y: values }));
    const read = (s, i) => `${number(s.y[i])} · dimension ${s.dims[i]}`;
    return { series, line: true, xlabel: "dimensions, by KL", zero: true, read };
  },
};

class Chart {
  constructor(figure) {
    this.plot = one(".plot", figure);
    this.make = () => KINDS[figure.dataset.kind](figure.dataset.key);
    const handlers = {
      pointermove: (event) => this.move(event),
      pointerdown: (event) => this.press(event),
      pointerup: (event) => this.release(event),
      pointerleave: () => { this.started = null; this.leave(); },
      blur: () => this.leave(),
      dblclick: () => { this.zoomed = null; this.draw(); },
      keydown: (event) => this.step(event),
    };
    for (const [type, handle] of Object.entries(handlers)) this.plot.addEventListener(type, handle);
    new ResizeObserver(() => this.draw()).observe(this.plot);
  }

  draw() {
    const [width, height] = [this.plot.clientWidth, this.plot.clientHeight];
    if (!width || !height) return; // inside closed details
    this.leave();
    this.spec = this.make();
    const { xlabel, ylabel, levels } = this.spec;
    this.box = { left: 52, right: width - 16, top: ylabel ? 20 : 8, bottom: height - (xlabel ? 38 : 24) };
    this.plot.replaceChildren();
    this.svg = draw(this.plot, "svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
    this.cursor = null;
    if (!this.scale()) {
      draw(this.svg, "text", { x: width / 2, y: height / 2, "text-anchor": "middle" }, "nothing to show");
      return;
    }
    this.drawAxes();
    if (levels) this.drawLevels();
    this.drawSeries();
    this.cursor = draw(this.svg, "circle", { r: 4, class: "cursor", visibility: "hidden" });
  }

  scale() { // false where no value is shown
    const { series, from = 0, zero, margin = 0, tame: isTame } = this.spec;
    const xs = this.zoomed ?? extent(series.flatMap((s) => s.x), margin);
    if (!xs) return false;
    const low = this.zoomed ? xs[0] : Math.max(xs[0], from);
    const inside = (s) => s.y.filter((y, i) => y !== null && s.x[i] >= low && s.x[i] <= xs[1]);
    const seen = series.flatMap(inside);
    const kept = isTame && !this.zoomed ? tame(seen) : seen;
    const ys = extent(kept, 0.06);
    if (!ys) return false;
    if (zero) ys[0] = Math.min(0, ys[0] + (ys[1] - ys[0]) * 0.053);
    if (xs[0] === xs[1]) xs[1] += 1;
    const { left, right, top, bottom } = this.box;
    [this.xs, this.ys, this.farOff] = [xs, ys, seen.length - kept.length];
    this.px = (x) => left + ((x - xs[0]) / (xs[1] - xs[0])) * (right - left);
    this.py = (y) => bottom - ((y - ys[0]) / (ys[1] - ys[0])) * (bottom - top);
    return true;
  }

  drawAxes() {
    const { left, right, top, bottom } = this.box;
    const write = (x, y, anchor, text, name = "") => draw(this.svg, "text", { x, y, "text-anchor": anchor, class: name }, text);
    for (const y of ticks(...this.ys, 5)) {
      draw(this.svg, "line", { x1: left, x2: right, y1: this.py(y), y2: this.py(y), class: "grid" });
      write(left - 6, this.py(y) + 4, "end", number(y));
    }
    for (const x of ticks(...this.xs, Math.max(2, (right - left) / 90))) {
      write(this.px(x), bottom + 16, "middle", number(x));
    }
    write(right, bottom + 32, "end", this.spec.xlabel);
    write(0, 11, "start", this.spec.ylabel);
    const value = this.farOff > 1 ? "values: full range shows them" : "value: full range shows it";
    if (this.farOff) write(right, top + 10, "end", `${this.farOff} far-off ${value}`, "aside");
  }

  drawLevels() { // of equal -ELBO = rate + distortion
    const [[x0, x1], [y0, y1]] = [this.xs, this.ys];
    for (const level of ticks(x0 + y0, x1 + y1, 6)) {
      const [a, b] = [Math.max(x0, level - y1), Math.min(x1, level - y0)];
      if (b - a < (x1 - x0) * 0.05) continue;
      const [ax, ay, bx, by] = [this.px(a), this.py(level - a), this.px(b), this.py(level - b)];
      draw(this.svg, "line", { x1: ax, y1: ay, x2: bx, y2: by, class: "level" });
      draw(this.svg, "text", { x: ax + 5, y: ay + (ay < this.box.top + 12 ? 10 : -4), class: "aside" }, number(-level));
    }
  }

  drawSeries() { // a gap where a value is no number
    const { series, line } = this.spec;
    const { left, right, top, bottom } = this.box;
    const id = `clip${charts.indexOf(this)}`;
    const clip = draw(this.svg, "clipPath", { id });
    draw(clip, "rect", { x: left - 3, y: top, width: right - left + 6, height: bottom - top }); // a mark's radius
    this.layer = draw(this.svg, "g", line ? { "clip-path": `url(#${id})` } : {});
    for (const s of series) {
      const group = draw(this.layer, "g", {});
      group.style.setProperty("--c", colour(data.runs[s.run].group));
      s.points = s.x.map((x, i) => (s.y[i] === null ? null : [this.px(x), this.py(s.y[i])]));
      s.marks = [];
      if (line) {
        const d = s.points.map((point, i) => (point ? `${s.points[i - 1] ? "L" : "M"}${point}` : "")).join("");
        s.marks.push(draw(group, "path", { d, class: `series ${s.kind}${series.length > 24 ? " many" : ""}` }));
      }
      if (line && (s.kind === "train" || s.x.length * series.length >= 400)) continue;
      for (const [cx, cy] of s.points.filter(Boolean)) {
        s.marks.push(draw(group, "circle", { cx, cy, r: line ? 2 : 4.5, class: "mark" }));
      }
    }
  }

  show(at) {
    this.leave();
    this.at = at;
    const series = this.spec.series[at.s];
    const [x, y] = series.points[at.i];
    for (const [key, value] of Object.entries({ cx: x, cy: y, visibility: "visible" })) this.cursor.setAttribute(key, value);
    this.layer.classList.add("lit");
    for (const mark of series.marks) mark.classList.add("chosen");
    const tip = one("#tip");
    tip.textContent = `${data.runs[series.run].name}: ${this.spec.read(series, at.i)}`;
    tip.hidden = false;
    const frame = this.plot.getBoundingClientRect();
    const above = frame.top + y - tip.offsetHeight - 12;
    tip.style.left = `${Math.max(8, Math.min(frame.left + x + 12, innerWidth - tip.offsetWidth - 8))}px`;
    tip.style.top = `${above > 4 ? above : frame.top + y + 14}px`;
  }

  leave() {
    if (!this.at) return;
    this.at = null;
    this.cursor.setAttribute("visibility", "hidden");
    this.layer.classList.remove("lit");
    for (const mark of all(".chosen", this.layer)) mark.classList.remove("chosen");
    one("#tip").hidden = true;
  }

  move(event) {
    if (!this.cursor) return;
    if (this.started) {
      const [a, b] = this.span(event);
      this.band ??= draw(this.svg, "rect", { y: this.box.top, height: this.box.bottom - this.box.top, class: "band" });
      this.band.setAttribute("x", a);
      this.band.setAttribute("width", b - a);
      return;
    }
    const frame = this.plot.getBoundingClientRect();
    let [nearest, least] = [null, 40];
    this.spec.series.forEach((series, s) => series.points.forEach((point, i) => {
      const distance = point ? Math.hypot(point[0] + frame.left - event.clientX, point[1] + frame.top - event.clientY) : 40;
      if (distance < least) [nearest, least] = [{ s, i }, distance];
    }));
    if (nearest) this.show(nearest);
    else this.leave();
  }

  press(event) {
    if (event.pointerType === "mouse" && event.button === 0 && this.spec?.zoom) this.started = event;
    else this.move(event);
  }

  span(event) { // where a drag began and is, from left to right
    const { left } = this.plot.getBoundingClientRect();
    return [this.started.clientX - left, event.clientX - left].sort((a, b) => a - b);
  }

  release(event) {
    if (!this.started) return;
    const [a, b] = this.span(event);
    this.started = null;
    this.band?.remove();
    this.band = null;
    if (b - a < 8 || !this.cursor) return;
    const { left, right } = this.box;
    const [low, high] = this.xs;
    const back = (pixel) => low + ((pixel - left) / (right - left)) * (high - low);
    this.zoomed = [Math.max(low, back(a)), Math.min(high, back(b))];
    this.draw();
  }

  step(event) {
    const move = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (!move || !this.cursor) return;
    event.preventDefault();
    const { series } = this.spec;
    const s = this.at ? (this.at.s + move[0] + series.length) % series.length : series.length - 1;
    const last = series[s].x.length - 1;
    const i = this.at ? Math.max(0, Math.min(last, this.at.i + move[1])) : last;
    if (series[s].points[i]) this.show({ s, i });
  }
}

for (const figure of all(".chart")) charts.push(new Chart(figure));
on("#curve-val, #curve-train, #full-range", "change", redraw);
