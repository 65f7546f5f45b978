"use strict";
// Draws each run's timeline from the page's own data.
const COLOURS = ["#8c959f", "#d0d7de", "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#6639ba"];
const MARKS = { call: "│", interrupt: "▲", fault: "✖", life: "◆" };
const MARK_COLOURS = { call: "#57606a", interrupt: "#8250df", fault: "#cf222e", life: "#1a7f37" };
const NAMES = { call: "call", interrupt: "interrupt", fault: "fault", life: "the hypervisor's word on a partition" };
const LEFT = 76, WIDTH = 1150, ROW = 46, TOP = 8;
const SVG = "http://www.w3.org/2000/svg";
function element(name, attributes, text) {
  const made = document.createElement(name);
  for (const key in attributes || {}) made.setAttribute(key, attributes[key]);
  if (text !== undefined) made.textContent = text;
  return made;
}
function shape(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const key in attributes) made.setAttribute(key, attributes[key]);
  if (text !== undefined) made.textContent = text;
  return made;
}
function time(us) {
  if (us >= 1e6) return (us / 1e6).toFixed(us % 1e6 ? 3 : 0) + " s";
  if (us >= 1e3) return (us / 1e3).toFixed(us % 1e3 ? 2 : 0) + " ms";
  return Math.round(us) + " µs";
}
function range(line) {
  let from = Infinity, to = 0;
  for (const span of line.spans) { from = Math.min(from, span.from); to = Math.max(to, span.to); }
  for (const event of line.events) { from = Math.min(from, event.at); to = Math.max(to, event.at); }
  return from < to ? [from, to] : [0, 1];
}
function step(length) {
  const rough = Math.pow(10, Math.floor(Math.log10(length / 6)));
  return [1, 2, 5, 10].map((n) => n * rough).find((n) => length / n <= 8) || rough * 10;
}
class Chart {
  constructor(run, svg, said) {
    this.line = run.timeline; this.svg = svg; this.said = said;
    this.all = range(this.line); this.view = this.all.slice();
    this.rows = this.line.cores.length + 1;
    svg.setAttribute("viewBox", `0 0 ${WIDTH + LEFT + 14} ${this.rows * ROW + TOP + 26}`);
    svg.addEventListener("keydown", (event) => {
      const does = { ArrowLeft: () => this.move(-0.2), ArrowRight: () => this.move(0.2), "+": () => this.zoom(0.5), "=": () => this.zoom(0.5), "-": () => this.zoom(2), 0: () => this.reset() }[event.key];
      if (does) { does(); event.preventDefault(); }
    });
    svg.addEventListener("wheel", (event) => {
      if (!event.ctrlKey) return;
      const box = svg.getBoundingClientRect();
      const at = ((event.clientX - box.left) / box.width * (WIDTH + LEFT + 14) - LEFT) / WIDTH;
      this.zoom(event.deltaY > 0 ? 1.25 : 0.8, Math.min(1, Math.max(0, at)));
      event.preventDefault();
    }, { passive: false });
    this.draw();
  }
  x(at) { return LEFT + (at - this.view[0]) / (this.view[1] - this.view[0]) * WIDTH; }
  reset() { this.view = this.all.slice(); this.draw(); }
  move(part) {
    const length = this.view[1] - this.view[0];
    const from = Math.min(Math.max(this.view[0] + part * length, this.all[0]), this.all[1] - length);
    this.view = [from, from + length]; this.draw();
  }
  zoom(factor, at = 0.5) {
    const length = Math.min(Math.max((this.view[1] - this.view[0]) * factor, 20), this.all[1] - this.all[0]);
    const middle = this.view[0] + (this.view[1] - this.view[0]) * at;
    const from = Math.min(Math.max(middle - length * at, this.all[0]), this.all[1] - length);
    this.view = [from, from + length]; this.draw();
  }
  draw() {
    const parts = document.createDocumentFragment(), [from, to] = this.view, bottom = TOP + this.rows * ROW;
    const each = step(to - from);
    for (let at = Math.ceil(from / each) * each; at <= to; at += each) {
      parts.append(shape("line", { class: "grid", x1: this.x(at), x2: this.x(at), y1: TOP, y2: bottom }));
      parts.append(shape("text", { class: "soft", x: this.x(at), y: bottom + 16, "text-anchor": "middle" }, time(at)));
    }
    this.line.cores.forEach((core, row) => parts.append(shape("text", { x: 6, y: TOP + row * ROW + 20 }, "core " + core)));
    parts.append(shape("text", { x: 6, y: TOP + (this.rows - 1) * ROW + 20 }, "log"));
    this.spans(parts); this.events(parts);
    this.svg.replaceChildren(this.svg.querySelector("title"), parts);
    this.said.textContent = `${time(from)} to ${time(to)}`;
  }
  // Spans that are narrower than half a pixel are drawn together with those of the same owner beside them.
  spans(parts) {
    const [from, to] = this.view, last = {};
    for (const span of this.line.spans) {
      if (span.to < from || span.from > to) continue;
      const x = Math.max(LEFT, this.x(span.from)), end = Math.min(LEFT + WIDTH, this.x(span.to));
      const key = span.core + "/" + span.who, before = last[key];
      if (before && x - before.end < 0.6 && end - before.end < 0.6) continue;
      last[key] = { end: Math.max(end, x + 0.6) };
      const idle = span.who < 2;
      const box = shape("rect", { x, width: Math.max(0.6, end - x), y: TOP + span.core * ROW + (idle ? 12 : 4), height: idle ? 8 : 24, fill: COLOURS[span.who % COLOURS.length] });
      const context = span.context === undefined ? "" : `, context ${span.context}`;
      box.append(shape("title", {}, `${this.line.who[span.who]}${context} on core ${span.core}: ${time(span.from)} to ${time(span.to)}`));
      parts.append(box);
    }
  }
  events(parts) {
    const [from, to] = this.view, last = {};
    for (const event of this.line.events) {
      if (event.at < from || event.at > to) continue;
      const row = event.core === undefined ? this.rows - 1 : event.core, x = this.x(event.at), key = row + event.kind;
      if (event.kind !== "fault" && last[key] !== undefined && x - last[key] < 3) continue;
      last[key] = x;
      const y = TOP + row * ROW + (event.kind === "fault" ? 22 : 41);
      const mark = shape("text", { x, y, "text-anchor": "middle", style: `fill: ${MARK_COLOURS[event.kind]}; font-weight: 700` }, MARKS[event.kind]);
      mark.append(shape("title", {}, `${time(event.at)} ${event.says}`));
      parts.append(mark);
    }
  }
}
function table(head, rows, label) {
  const made = element("table"), first = element("tr");
  made.append(element("caption", {}, label));
  head.forEach((name) => first.append(element("th", { scope: "col" }, name)));
  made.append(first);
  for (const cells of rows) {
    const row = element("tr");
    cells.forEach((cell) => row.append(element("td", /^[0-9]/.test(cell) ? { class: "number" } : {}, cell)));
    made.append(row);
  }
  return made;
}
function shares(line) {
  const sums = line.who.map(() => line.cores.map(() => 0));
  for (const span of line.spans) sums[span.who][span.core] += span.to - span.from;
  return line.who.map((who, n) => [who, ...sums[n].map(time)]).filter((row, n) => sums[n].some((sum) => sum > 0));
}
function legend(line) {
  const list = element("ul", { class: "legend" });
  line.who.forEach((who, n) => {
    if (!line.spans.some((span) => span.who === n)) return;
    const item = element("li"), box = shape("svg", { viewBox: "0 0 16 12", "aria-hidden": "true" });
    box.append(shape("rect", { width: 16, height: 12, fill: COLOURS[n % COLOURS.length] }));
    item.append(box, who); list.append(item);
  });
  for (const kind in MARKS) {
    const item = element("li", {}, " " + NAMES[kind]), mark = element("b", { "aria-hidden": "true", style: `color: ${MARK_COLOURS[kind]}` }, MARKS[kind]);
    item.prepend(mark); list.append(item);
  }
  return list;
}
function timeline(run, place) {
  const line = run.timeline;
  if (!line.spans.length) { place.append(element("p", {}, "Its log says nothing of who had a core.")); return; }
  const tools = element("div", { class: "tools" }), said = element("span", { "aria-live": "polite" });
  const calls = line.events.filter((event) => event.kind === "call").length;
  const faults = line.events.filter((event) => event.kind === "fault").length;
  const svg = shape("svg", { role: "img", tabindex: "0", "aria-label": `Timeline of ${run.title}: ${line.cores.length} cores, ${line.spans.length} turns, ${calls} calls, ${faults} faults` });
  svg.append(shape("title", {}, `Timeline of ${run.title}`));
  place.append(tools, svg, legend(line));
  const chart = new Chart(run, svg, said);
  for (const [name, label, does] of [["+", "zoom in", () => chart.zoom(0.5)], ["−", "zoom out", () => chart.zoom(2)], ["◀", "earlier", () => chart.move(-0.5)], ["▶", "later", () => chart.move(0.5)], ["all", "the whole run", () => chart.reset()]]) {
    const button = element("button", { type: "button", "aria-label": `${label}, ${run.title}` }, name);
    button.addEventListener("click", does); tools.append(button);
  }
  tools.append(said);
  place.append(table(["who", ...line.cores.map((core) => "core " + core)], shares(line), "How long each had each core"));
  if (line.more) place.append(element("p", {}, `${line.more} more turns and events are in the log only.`));
  const words = element("details");
  words.append(element("summary", {}, `${line.events.length} calls, interrupts, faults and changes in words`));
  words.addEventListener("toggle", () => {
    if (words.children.length > 1) return;
    const scroll = element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "events" });
    scroll.append(table(["time", "core", "what", ""], line.events.slice(0, 5000).map((event) => [time(event.at), event.core === undefined ? "" : event.core, NAMES[event.kind], event.says]), "Events"));
    words.append(scroll);
  });
  place.append(words);
}
for (const run of JSON.parse(document.getElementById("data").textContent)) {
  const place = element("section", { "aria-label": run.title }), head = element("h2", {}, run.title + " ");
  head.append(element("span", { class: "mark " + (run.ok ? "passed" : "failed") }, run.ok ? "passed" : "failed"));
  place.append(head, element("p", { class: "about" }, run.about));
  place.append(element("p", { class: "facts" }, `table ${run.table}, time ${run.time}, seed ${run.seed}; ${run.cases} cases, ${time(run.guest_ms * 1000)} of the machine's time, ${time(run.took_ms * 1000)} here; logs in ${run.folder}`));
  const told = element("ul");
  run.problems.forEach((text) => told.append(element("li", { class: "failed" }, text)));
  run.injured.forEach((text) => told.append(element("li", {}, "injured " + text)));
  if (told.children.length) place.append(told);
  timeline(run, place);
  document.getElementById("runs").append(place);
}
document.body.dataset.drawn = document.querySelectorAll("main svg[role=img] rect").length;
