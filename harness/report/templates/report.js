"use strict";

// Text from models and users enters the page as text nodes only: nothing here parses markup.

const byId = (id) => document.getElementById(id);
const payload = byId("payload");

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function decimal(value) {
  if (value === null || value === undefined) return "n/a";
  const text = Math.abs(value).toFixed(2).replace(/^0/, "");
  return value < 0 && text !== ".00" ? `−${text}` : text;
}

// Into the text node that is there: cheaper than another one.
function setText(element, text) {
  const only = element.firstChild;
  if (only?.nodeType === Node.TEXT_NODE && only === element.lastChild) only.data = text;
  else element.textContent = text;
}

function interval(low, high) {
  return low === null || high === null ? "no interval" : `[${decimal(low)}, ${decimal(high)}]`;
}

// A diverging colour: the hue says the sign, the size from 0 to 1 how far from nothing.
function tint(element, value) {
  element.style.setProperty("--hue", value < 0 ? "var(--down)" : "var(--up)");
  element.style.setProperty("--size", Math.min(1, Math.abs(value)));
}

// ---- chunks: JSON, deflated, in base64, a line each, in the page or in a file beside it

const files = { 0: payload.textContent.split("\n") };
const waiting = {};

// Called by report-data-N.js.
function kept(number, lines) {
  waiting[number](lines);
}

function file(number) {
  files[number] ??= new Promise((resolve, reject) => {
    waiting[number] = resolve;
    const script = make("script", { src: `report-data-${number}.js` });
    script.onerror = () => reject(new Error(`report-data-${number}.js is not beside this page`));
    document.head.append(script);
  });
  return files[number];
}

async function read([number, line]) {
  const text = atob((await file(number))[line]);
  const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
  const plain = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(plain).json();
}

// Remembers the last answers, by key, as { promise, value }; the value is there once it is known.
function remembered(answer, most) {
  const known = new Map();
  return (key) => {
    const entry = known.get(key) ?? { value: null, promise: answer(key) };
    if (!known.delete(key)) entry.promise.then((value) => { entry.value = value; }, () => {});
    known.set(key, entry); // last in line: the longest unasked goes first
    if (known.size > most) known.delete(known.keys().next().value);
    return entry;
  };
}

// ---- formulas

// Bounded, as LONGEST_FORMULA is: what opens and never closes is searched no further.
const FORMULA = /\$\$([^]{1,1000}?)\$\$|\\\[([^]{1,1000}?)\\\]|\\\(([^]{1,1000}?)\\\)|\$(?!\s)([^$\n]{1,1000}?)(?<!\s)\$(?!\d)|(\\boxed\{(?:[^{}]|\{[^{}]*\})*\})/g;
const LONGEST_FORMULA = 1000;
const KATEX = { trust: false, strict: "ignore", maxSize: 10, maxExpand: 100 };

function write(element, text, displayed) {
  let end = 0;
  for (const found of typeof katex === "undefined" ? [] : text.matchAll(FORMULA)) {
    const inner = found.slice(1).find((part) => part !== undefined);
    const displayMode = displayed && (found[1] ?? found[2]) !== undefined;
    element.append(text.slice(end, found.index), formula(inner, displayMode) ?? found[0]);
    end = found.index + found[0].length;
  }
  element.append(text.slice(end));
  return element;
}

// Null where KaTeX cannot read it: then the source is shown.
function formula(source, displayMode) {
  const element = make("span");
  if (source.length > LONGEST_FORMULA) return null;
  try {
    katex.render(source, element, { ...KATEX, displayMode });
  } catch {
    return null; // a ParseError, or a RangeError where it nests too deep
  }
  return element;
}

// ---- the agreement matrix

function startMatrix({ names, rows }, families) {
  if (!names.method.length) return;
  const shown = { model: 0, statistic: 0, control: 0 };
  const draw = () => drawMatrix(names, rows, shown, families);
  for (const key of ["model", "statistic", "control"]) {
    if (names[key].length > 1) byId("switches").append(switchOf(key, names[key], shown, draw));
  }
  byId("matrix").hidden = false;
  byId("matrix").style.setProperty("--methods", names.method.length);
  draw();
  const cells = byId("cells");
  cells.addEventListener("keydown", moveBetweenCells);
  cells.addEventListener("mouseover", (event) => showPair(event.target, names, rows, shown));
  cells.addEventListener("focusin", (event) => showPair(event.target, names, rows, shown));
  for (const leave of ["mouseleave", "focusout"]) cells.addEventListener(leave, hidePair);
}

function switchOf(key, values, shown, draw) {
  const legends = { model: "Model", statistic: "Statistic", control: "Controlled for" };
  const field = make("fieldset", {}, make("legend", {}, legends[key]));
  values.forEach((name, number) => {
    const input = make("input", { type: "radio", name: key, value: number, checked: number === 0 });
    input.addEventListener("change", () => { shown[key] = number; draw(); });
    field.append(make("label", {}, input, name === "none" ? "raw" : name));
  });
  return field;
}

// The rows of the frame that are shown, by pair; each pair is found from both sides.
function pairsShown(names, rows, shown) {
  const found = new Map();
  const n = names.method.length;
  rows.value.forEach((_, at) => {
    if (Object.keys(shown).some((key) => rows[key][at] !== shown[key])) return;
    found.set(rows.a[at] * n + rows.b[at], at).set(rows.b[at] * n + rows.a[at], at);
  });
  return found;
}

function drawMatrix(names, rows, shown, families) {
  const found = pairsShown(names, rows, shown);
  const there = names.method.map((_, i) => i).filter((i) => hasPair(found, i, names.method.length));
  const gap = (at) => at > 0 && families[names.method[there[at]]] !== families[names.method[there[at - 1]]];
  const head = make("tr", { role: "row" }, make("td", { className: "self" }));
  there.forEach((i, at) => {
    const name = make("span", {}, names.method[i]);
    head.append(make("th", { scope: "col", className: gap(at) ? "gap" : "" }, name));
  });
  const body = there.map((i, down) => {
    const row = make("tr", { role: "row", className: gap(down) ? "gap" : "" });
    row.append(make("th", { scope: "row" }, names.method[i]));
    there.forEach((j, across) => {
      const cell = pairCell(names, rows, i, j, found.get(i * names.method.length + j));
      cell.classList.toggle("gap", gap(across));
      row.append(cell);
    });
    return row;
  });
  byId("cells").replaceChildren(make("thead", {}, head), make("tbody", {}, ...body));
  byId("cells").ariaLabel = `Agreement, ${names.statistic[shown.statistic]}`;
  const first = byId("cells").querySelector("td[data-at]");
  if (first) first.tabIndex = 0;
}

function hasPair(found, i, n) {
  for (let j = 0; j < n; j++) if (found.has(i * n + j)) return true;
  return false;
}

function pairCell(names, rows, i, j, at) {
  const cell = make("td", { role: "gridcell" });
  if (at === undefined) {
    cell.className = "self";
    return cell;
  }
  const value = rows.value[at];
  const [low, high] = [rows.low[at], rows.high[at]];
  cell.dataset.at = at;
  cell.tabIndex = -1;
  cell.ariaLabel = `${names.method[i]} and ${names.method[j]}: ${decimal(value)}, ${interval(low, high)}`;
  if (value === null) cell.classList.add("none");
  else tint(cell, value);
  if (low !== null && high !== null && low * high > 0) cell.classList.add("sure");
  cell.append(value === null ? "" : decimal(value));
  return cell;
}

function moveBetweenCells(event) {
  const steps = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };
  if (event.key === "Escape") hidePair();
  if (!(event.key in steps)) return;
  event.preventDefault();
  const [down, across] = steps[event.key];
  const table = byId("cells").tBodies[0].rows;
  let [row, column] = [event.target.parentNode.sectionRowIndex, event.target.cellIndex];
  do {
    row += down;
    column += across;
  } while (table[row]?.cells[column]?.className.includes("self"));
  const next = table[row]?.cells[column];
  if (next?.dataset.at === undefined) return;
  event.target.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
}

function hidePair() {
  byId("pair").hidden = true;
}

function showPair(cell, names, rows, shown) {
  const at = Number(cell.dataset?.at ?? NaN);
  if (Number.isNaN(at)) return hidePair();
  const card = byId("pair");
  card.replaceChildren(...pairWords(names, rows, shown, at));
  card.hidden = false;
  const [box, frame] = [cell.getBoundingClientRect(), byId("matrix").getBoundingClientRect()];
  const left = Math.min(box.right + 10, document.documentElement.clientWidth - card.offsetWidth - 8);
  const below = box.bottom + 10 + card.offsetHeight < window.innerHeight;
  const top = below ? box.bottom + 8 : Math.max(8, box.top - card.offsetHeight - 8);
  card.style.left = `${Math.max(8, left) - frame.left}px`;
  card.style.top = `${top - frame.top}px`;
}

function pairWords(names, rows, shown, at) {
  const [a, b] = [names.method[rows.a[at]], names.method[rows.b[at]]];
  const same = ["a", "b", "model", "statistic"];
  const under = rows.value.map((_, i) => i).filter((i) => same.every((key) => rows[key][i] === rows[key][at]));
  const table = make("table", {}, ...under.map((i) => make(
    "tr", { className: i === at ? "on" : "" },
    make("th", { scope: "row" }, names.control[rows.control[i]].replace(/^none$/, "raw")),
    make("td", {}, decimal(rows.value[i])),
    make("td", {}, interval(rows.low[i], rows.high[i])),
  )));
  const judged = under.find((i) => names.control[rows.control[i]] === "structure" && rows.verdict[i] >= 0) ?? at;
  const counts = `${rows.n_problems[at]} problems, ${rows.n_traces[at]} traces, ${rows.n_sentences[at]} sentences`;
  const words = [make("h4", {}, `${a} ~ ${b}`), table, make("p", {}, counts)];
  for (const said of [ceilingWords(rows, at), verdictWords(names, rows, judged)]) {
    if (said) words.splice(words.length - 1, 0, make("p", {}, said));
  }
  return words;
}

function ceilingWords(rows, at) {
  const parts = [];
  if (rows.ceiling?.[at] != null) parts.push(`ceiling ${decimal(rows.ceiling[at])}`);
  if (rows.disattenuated?.[at] != null) parts.push(`freed of noise ${decimal(rows.disattenuated[at])}`);
  if (rows.disattenuated_low?.[at] != null) parts.push(interval(rows.disattenuated_low[at], rows.disattenuated_high[at]));
  return parts.join(", ");
}

function verdictWords(names, rows, at) {
  if (rows.verdict[at] < 0) return "";
  const needed = rows.n_problems_needed?.[at];
  return `Verdict: ${names.verdict[rows.verdict[at]]}${needed ? `, ${needed} problems would decide` : ""}`;
}

// ---- the viewer: a list of sentences, of which only those in sight are in the document

const SPARE = 8; // rows drawn beyond the edge
const TILE = 16; // rows whose strips share a canvas
const FAST = 4; // rows that come into sight in one frame, above which formulas wait
const RESTS = 120; // milliseconds after which scrolling counts as over
const SHADES = "abcdefghijkl";
const LONGEST_LINE = 400; // characters of a sentence in the list, which shows two lines of it
const TITLE = -1;

// Rows and canvases that leave the window are used anew where it goes: `drawn` and `tiles` by
// place, `idle` and `blank` out of use.
const view = {
  rows: [], drawn: new Map(), idle: [], tiles: new Map(), blank: [],
  at: -1, disputes: [], dispute: 0, current: -1, named: -1, rest: 0, fast: false,
};

function startViewer(data) {
  if (!data.traces.length) return;
  Object.assign(view, data);
  view.core = remembered((trace) => read(data.traces[trace].core), 80);
  view.evidence = remembered((trace) => read(data.traces[trace].evidence), 12);
  byId("viewer").hidden = false;
  byId("list").style.setProperty("--methods", data.methods.length);
  byId("names").append(...data.methods.map((name) => make("span", {}, name)));
  fillFilters(data);
  const list = byId("list");
  list.addEventListener("scroll", () => drawRows(), { passive: true });
  list.addEventListener("keydown", moveBetweenRows);
  list.addEventListener("click", (event) => {
    const element = event.target.closest(".row");
    for (const row of view.drawn.values()) if (row.element === element) return openRow(row.at);
  });
  list.addEventListener("mousemove", nameCell);
  window.addEventListener("resize", redraw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") closePanel(); });
  filter();
}

function fillFilters(data) {
  const problems = [...new Set(data.traces.map((trace) => trace.problem_id))];
  byId("problems").append(...problems.map((name) => make("option", { value: name })));
  byId("label").append(...data.labels.map((name, i) => make("option", { value: i }, name.replaceAll("_", " "))));
  byId("label-filter").hidden = !data.labels.length;
  for (const id of ["problem", "correct", "label"]) byId(id).addEventListener("input", filter);
  byId("dispute").addEventListener("click", nextDispute);
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
}

function filter() {
  const [problem, correct, label] = ["problem", "correct", "label"].map((id) => byId(id).value);
  view.rows = [];
  view.traces.forEach((trace, t) => {
    if (problem && !trace.problem_id.includes(problem)) return;
    if (correct && trace.correct !== (correct === "1")) return;
    const kept = trace.labels.map((_, i) => i).filter((i) => !label || trace.labels[i] === Number(label));
    if (kept.length) view.rows.push([t, TITLE], ...kept.map((i) => [t, i]));
  });
  const dispute = ([t, i]) => view.traces[t].disagreement[i];
  view.disputes = view.rows.map((_, at) => at).filter((at) => view.rows[at][1] !== TITLE && dispute(view.rows[at]) > 0);
  view.disputes.sort((x, y) => dispute(view.rows[y]) - dispute(view.rows[x]));
  view.dispute = 0;
  view.at = -1;
  const titles = view.rows.filter((row) => row[1] === TITLE).length;
  byId("listed").value = `${view.rows.length - titles} sentences of ${titles} traces`;
  byId("dispute").disabled = !view.disputes.length;
  byId("list").ariaRowCount = view.rows.length + 1;
  byId("list").scrollTop = 0;
  redraw();
}

// Everything in sight again, after the rows, the window or the colours have changed.
function redraw() {
  byId("rows").replaceChildren();
  view.drawn.clear();
  view.tiles.clear();
  view.idle = [];
  view.blank = [];
  measure();
  byId("rows").style.height = `${view.rows.length * view.height}px`;
  drawRows(Infinity);
}

// Sizes and colours from the styles, with the help of a row that is not shown.
function measure() {
  const { element, strip } = newRow();
  const colour = (className) => {
    strip.className = className;
    return getComputedStyle(strip).backgroundColor;
  };
  const [box, cells] = [element.getBoundingClientRect(), strip.getBoundingClientRect()];
  view.height = box.height;
  view.room = byId("list").clientHeight;
  view.strip = { left: cells.left - box.left, top: cells.top - box.top, width: cells.width, height: cells.height };
  view.colours = { dot: colour("dot"), line: colour("line"), "-": colour("empty") };
  for (const mark of SHADES) view.colours[mark] = view.colours[mark.toUpperCase()] = colour(`shade ${mark}`);
  const n = view.methods.length;
  view.edges = Array.from({ length: n + 1 }, (_, i) => Math.round((i * cells.width * devicePixelRatio) / n));
  element.remove();
}

function drawRows(fast = FAST) {
  const top = byId("list").scrollTop / view.height;
  const first = Math.max(0, Math.floor(top) - SPARE);
  const last = Math.min(view.rows.length, Math.ceil(top + view.room / view.height) + SPARE);
  retire(view.drawn, view.idle, first, last, 1);
  retire(view.tiles, view.blank, first, last, TILE);
  const fresh = [];
  for (let at = first; at < last; at++) if (!view.drawn.has(at)) fresh.push(at);
  for (const at of fresh) placeRow(view.idle.pop() ?? newRow(), at);
  view.fast = fresh.length > fast;
  if (!view.fast) typeset();
  for (const { element } of [...view.idle, ...view.blank]) element.hidden = true;
  showCurrent(Math.min(view.rows.length - 1, Math.round(top)));
  clearTimeout(view.rest);
  view.rest = setTimeout(settle, RESTS);
}

// Take out of use what covers no row of the window.
function retire(used, unused, first, last, size) {
  for (const [place, thing] of used) {
    if ((place + 1) * size > first && place * size < last) continue;
    used.delete(place);
    unused.push(thing);
  }
}

// What can wait until the list stands still: formulas, and all that a screen reader reads.
function settle() {
  view.fast = false;
  typeset();
  const rows = [...view.drawn.values()].sort((x, y) => x.at - y.at);
  rows.forEach(describe);
  const there = byId("rows").children;
  if (rows.some(({ element }, i) => there[i] !== element)) byId("rows").prepend(...rows.map((row) => row.element));
}

function describe({ element, strip, at, marks }) {
  const top = view.methods.filter((_, i) => inTop(marks[i]));
  element.id = `row-${at}`;
  element.ariaRowIndex = at + 2;
  element.ariaSelected = String(at === view.at);
  strip.ariaLabel = top.length ? `top tenth by ${top.join(", ")}` : "in no method's top tenth";
}

function newRow() {
  const [number, text] = [make("span", { className: "number" }), make("span")];
  const said = make("div", { className: "said", role: "gridcell", dir: "auto" }, number, text);
  const strip = make("div", { className: "strip", role: "gridcell" });
  const element = make("div", { className: "row", role: "row" }, said, strip);
  byId("rows").append(element);
  return { element, number, text, strip, at: -1, marks: "", source: "" };
}

function placeRow(row, at) {
  const [trace, sentence] = view.rows[at];
  const title = sentence === TITLE;
  const { element } = row;
  view.drawn.set(at, row);
  Object.assign(row, { at, marks: "", source: "" });
  element.style.top = `${at * view.height}px`;
  element.hidden = false;
  element.removeAttribute("id");
  element.classList.toggle("title", title);
  element.ariaSelected = String(at === view.at);
  setText(row.number, title ? "" : String(sentence));
  setText(row.text, title ? titleOf(view.traces[trace]) : "");
  if (title) return;
  const core = view.core(trace);
  if (core.value) fillRow(row, core.value, sentence);
  else core.promise.then((value) => {
    if (view.drawn.get(at) !== row) return;
    fillRow(row, value, sentence);
    if (!view.fast) typeset();
  }, complain);
}

function fillRow(row, core, sentence) {
  const text = core.text[sentence].trim().slice(0, LONGEST_LINE);
  setText(row.text, text);
  if (typeof katex !== "undefined" && /[$\\]/.test(text)) row.source = text;
  row.marks = core.marks[sentence] ?? "";
  paint(row.at, row.marks);
}

function typeset() {
  for (const row of view.drawn.values()) {
    if (!row.source) continue;
    row.text.textContent = "";
    write(row.text, row.source, false);
    row.source = "";
  }
}

// Marks are "-" or a letter for the shade, in capitals among the method's top tenth.
function inTop(mark) {
  return mark >= "A" && mark <= "Z";
}

// ---- strips of cells, on canvases: 35 elements a row are too many to move along

function canvasFor(tile) {
  if (view.tiles.has(tile)) return view.tiles.get(tile);
  const found = view.blank.pop() ?? newCanvas();
  found.context.clearRect(0, 0, found.element.width, found.element.height);
  found.element.style.top = `${tile * TILE * view.height}px`;
  found.element.hidden = false;
  view.tiles.set(tile, found);
  return found;
}

function newCanvas() {
  const element = make("canvas", {
    className: "strips", ariaHidden: "true",
    width: Math.round(view.strip.width * devicePixelRatio), height: Math.round(TILE * view.height * devicePixelRatio),
  });
  element.style.left = `${view.strip.left}px`;
  element.style.width = `${view.strip.width}px`;
  element.style.height = `${TILE * view.height}px`;
  byId("rows").append(element);
  return { element, context: element.getContext("2d") };
}

function paint(at, marks) {
  const { context, element } = canvasFor(Math.floor(at / TILE));
  const scale = element.height / (TILE * view.height);
  const top = Math.round(((at % TILE) * view.height + view.strip.top) * scale);
  const height = Math.round(view.strip.height * scale);
  for (let i = 0; i < marks.length; i++) {
    const left = view.edges[i];
    const width = view.edges[i + 1] - left - 1;
    context.fillStyle = view.colours[marks[i]];
    context.fillRect(left, top, width, height);
    if (marks[i] === "-") hatch(context, left, top, width, height);
    if (inTop(marks[i])) dot(context, left + width / 2, top + height / 2, Math.min(width, height) / 5);
  }
}

function dot(context, x, y, radius) {
  context.fillStyle = view.colours.dot;
  context.beginPath();
  context.arc(x, y, radius, 0, 7);
  context.fill();
}

function hatch(context, left, top, width, height) {
  context.save();
  context.strokeStyle = view.colours.line;
  context.beginPath();
  context.rect(left, top, width, height);
  context.clip();
  context.beginPath();
  for (let y = 0; y < height + width; y += width / 2) {
    context.moveTo(left, top + y);
    context.lineTo(left + width, top + y - width);
  }
  context.stroke();
  context.restore();
}

function titleOf(trace) {
  const verdict = trace.correct ? "correct" : "not correct";
  return `${trace.trace_id} · answer ${trace.answer} · ${verdict} · ${trace.labels.length} sentences`;
}

function nameCell(event) {
  const strip = event.target.closest(".strip");
  const at = strip ? Math.floor((event.offsetX / strip.clientWidth) * view.methods.length) : -1;
  if (strip && strip.title !== view.methods[at]) strip.title = view.methods[at] ?? "";
  if (at === view.named) return;
  byId("names").children[view.named]?.classList.remove("on");
  byId("names").children[at]?.classList.add("on");
  view.named = at;
}

// The trace at the top of the list, with its question.
function showCurrent(at) {
  const trace = view.rows[at]?.[0] ?? -1;
  if (trace === view.current) return;
  view.current = trace;
  if (trace < 0) return byId("current").replaceChildren("No sentence passes these filters.");
  view.core(trace).promise.then((core) => {
    if (view.current !== trace) return;
    const gold = core.answer === null ? "" : ` (right answer ${core.answer})`;
    const question = write(make("p", { dir: "auto" }), core.question ?? "", false);
    byId("current").replaceChildren(make("b", {}, titleOf(view.traces[trace]) + gold), question);
  }, complain);
}

function moveBetweenRows(event) {
  const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity };
  if (event.key === "Enter" || event.key === " ") openRow(view.drawn.get(view.at)?.at, true);
  else if (event.key in steps) select(nextSentence(view.at + steps[event.key], Math.sign(steps[event.key])));
  else return;
  event.preventDefault();
}

function nextSentence(wanted, direction) {
  const last = view.rows.length - 1;
  let at = Math.max(0, Math.min(last, wanted));
  if (view.rows[at]?.[1] === TITLE) at += direction > 0 || at === 0 ? 1 : -1;
  return at;
}

function select(at) {
  if (!view.rows[at]) return;
  const list = byId("list");
  const head = list.firstElementChild.offsetHeight;
  const [top, room] = [at * view.height, list.clientHeight - head];
  if (top < list.scrollTop || top + view.height > list.scrollTop + room) {
    list.scrollTop = top - room / 3;
  }
  view.at = at;
  drawRows();
  view.drawn.forEach(describe);
  list.setAttribute("aria-activedescendant", `row-${at}`);
  if (!byId("panel").hidden) openPanel(at);
}

function openRow(at, byKey = false) {
  if (at === undefined || view.rows[at][1] === TITLE) return;
  select(at);
  openPanel(at).then(() => { if (byKey) byId("panel").focus(); });
}

function nextDispute() {
  const at = view.disputes[view.dispute % view.disputes.length];
  view.dispute += 1;
  select(at);
  openPanel(at);
}

// ---- the chosen sentence

async function openPanel(at) {
  const panel = byId("panel");
  const [trace, sentence] = view.rows[at];
  panel.hidden = false;
  try {
    const [core, evidence] = await Promise.all([view.core(trace).promise, view.evidence(trace).promise]);
    if (view.at !== at) return; // another was chosen meanwhile
    panel.replaceChildren(...panelWords(trace, sentence, core, evidence));
    panel.scrollTop = 0;
  } catch (error) {
    panel.replaceChildren(panelHead(sentence), make("p", { className: "bad" }, error.message));
  }
}

function closePanel() {
  if (byId("panel").hidden) return;
  byId("panel").hidden = true;
  byId("list").focus();
}

function panelHead(sentence) {
  const title = make("h3", {}, `Sentence ${sentence}`);
  const step = (label, by) => {
    const button = make("button", { type: "button", ariaLabel: label }, by < 0 ? "↑" : "↓");
    button.addEventListener("click", () => select(nextSentence(view.at + by, by)));
    return button;
  };
  const close = make("button", { type: "button", ariaLabel: "Close" }, "✕");
  close.addEventListener("click", closePanel);
  return make("header", {}, title, step("Sentence before", -1), step("Next sentence", 1), close);
}

function panelWords(trace, sentence, core, evidence) {
  const text = write(make("blockquote", { dir: "auto" }), core.text[sentence].trim(), true);
  const named = ["category", "kind"].map((key) => core[key]?.[sentence]).filter(Boolean);
  const chips = [...new Set(named)]; // where the kind is known it is the category, too
  if (core.planted?.[sentence]) chips.push("planted anchor");
  return [
    panelHead(sentence),
    make("p", { className: "soft" }, titleOf(view.traces[trace])),
    text,
    make("p", {}, ...chips.map((chip) => make("span", { className: "chip" }, chip.replaceAll("_", " ")))),
    ...rolloutWords(evidence.rollouts, sentence),
    ...scoreWords(core, evidence, sentence),
    ...edgeWords(evidence, core, trace, sentence),
    ...tokenWords(evidence.tokens?.[sentence], core.text[sentence]),
  ];
}

function scoreWords(core, evidence, sentence) {
  const rows = view.methods.map((name, i) => {
    const [mark, score] = [core.marks[sentence][i], evidence.scores?.[name]?.[sentence]];
    const bar = make("i");
    bar.style.setProperty("--width", `${(100 * (SHADES.indexOf(mark.toLowerCase()) + 1)) / SHADES.length}%`);
    const told = score === null || score === undefined ? "undefined" : String(score).replace("-", "−");
    const top = mark !== mark.toLowerCase() ? make("b", {}, told) : told;
    return make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, top), make("td", { className: "bar" }, bar));
  });
  const head = make("thead", {}, make("tr", {}, ...["method", "score", "rank in trace"].map((h) => make("th", { scope: "col" }, h))));
  return [make("h4", {}, "What the methods say"), make("table", {}, head, make("tbody", {}, ...rows))];
}

// Shares of the answers before and after the sentence, then what was written in its place.
function rolloutWords(rollouts, sentence) {
  const before = rollouts?.at[sentence];
  if (!before) return [];
  const after = rollouts.at[sentence + 1] ?? [];
  const total = (groups) => groups.reduce((sum, group) => sum + group.n, 0);
  const share = (groups, answer) => total(groups.filter((g) => g.answer === answer)) / (total(groups) || 1);
  const answers = [...before, ...after.filter((g) => before.every((b) => b.answer !== g.answer))];
  const rows = answers.slice(0, 8).map((group) => answerRow(group, share(before, group.answer), share(after, group.answer)));
  const drawn = `${total(before)} rollouts written in its place, ${total(after)} that keep it (${rollouts.arm}); a sample below.`;
  const head = ["answer", "without → with", ""].map((h) => make("th", { scope: "col" }, h));
  return [
    make("h4", {}, "What the model wrote instead"),
    make("p", { className: "soft" }, drawn),
    make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows)),
    ...before.filter((group) => group.said.length).flatMap((group) => alternatives(group, total(before))),
  ];
}

function answerRow(group, without, kept) {
  const percent = (value) => `${Math.round(100 * value)} %`;
  const bars = [["", without], ["after", kept]].map(([className, value]) => {
    const bar = make("i", { className });
    bar.style.setProperty("--width", `${100 * value}%`);
    return bar;
  });
  return make(
    "tr", {}, make("th", { scope: "row", dir: "auto" }, answerName(group)),
    make("td", {}, `${percent(without)} → ${percent(kept)}`), make("td", { className: "bar" }, ...bars),
  );
}

function answerName(group) {
  return `${(group.answer ?? "no answer").slice(0, 80)}${group.correct ? " ✓" : ""}`;
}

function alternatives(group, total) {
  const items = group.said.map(([text, n]) => {
    const item = write(make("li", { dir: "auto" }), text || "(nothing)", false);
    if (n > 1) item.append(make("small", {}, `×${n}`));
    return item;
  });
  const lead = `${group.n} of ${total} led to ${answerName(group)}`;
  return [make("p", { className: group.correct ? "good" : "" }, lead), make("ul", { className: "alternatives" }, ...items)];
}

function edgeWords(evidence, core, trace, sentence) {
  const groups = [
    ...Object.entries(evidence.edges ?? {}).map(([name, edges]) => [`${name}: what it acts on most`, edges[sentence]]),
    ...Object.entries(evidence.known ?? {}).map(([kind, edges]) => [`known to rest on it: ${kind}`, edges[sentence]]),
  ].filter(([, edges]) => edges?.length);
  if (!groups.length) return [];
  const total = core.text.length;
  const lists = groups.flatMap(([title, edges]) => [
    make("p", { className: "soft" }, title), arcs(sentence, edges, total),
    make("div", { className: "edges" }, ...edges.map((edge) => edgeButton(edge, core, trace))),
  ]);
  return [make("h4", {}, "What rests on it"), ...lists];
}

function edgeButton([target, strength], core, trace) {
  const told = strength === undefined ? "" : ` (+${strength})`;
  const button = make("button", { type: "button" }, `→ ${target}${told}  ${core.text[target].trim().slice(0, 200)}`);
  button.addEventListener("click", () => {
    const at = view.rows.findIndex(([t, i]) => t === trace && i === target);
    if (at >= 0) select(at);
  });
  return button;
}

function arcs(source, edges, total) {
  const svg = (tag, attributes) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
    return element;
  };
  const x = (i) => 8 + (584 * i) / Math.max(1, total - 1);
  const targets = new Set(edges.map(([target]) => target));
  const strongest = Math.max(...edges.map(([, strength]) => strength ?? 1));
  const graph = svg("svg", { viewBox: "0 0 600 84", class: "arcs", role: "img", "aria-label": `edges from sentence ${source} to ${[...targets].join(", ")}` });
  for (const [target, strength] of edges) {
    const [from, to] = [x(source), x(target)];
    const height = 76 - Math.min(72, 12 + Math.abs(to - from) / 4);
    const width = 1 + (3 * (strength ?? 1)) / strongest;
    graph.append(svg("path", { d: `M${from} 76 C${from} ${height}, ${to} ${height}, ${to} 76`, "stroke-width": width }));
  }
  for (let i = 0; i < total; i++) {
    const role = i === source ? "from" : targets.has(i) ? "to" : "";
    graph.append(svg("circle", { cx: x(i), cy: 76, r: role ? 4.5 : Math.min(3, 200 / total), class: role }));
  }
  return graph;
}

const MOST_NATS = 3; // deepest colour

function tokenWords(tokens, text) {
  if (!tokens) return [];
  const [lengths, cents, peaks] = tokens;
  const line = make("p", { className: "tokens", dir: "auto" });
  let start = 0;
  lengths.forEach((length, i) => {
    const seen = Object.keys(peaks).filter((method) => peaks[method].includes(i));
    const span = make(seen.length ? "mark" : "span", {}, text.slice(start, start + length));
    start += length;
    const told = seen.length ? [`peak of ${seen.join(", ")}`] : [];
    if (cents[i] !== null) {
      told.unshift(`${(cents[i] / 100).toFixed(2)} nats`);
      span.style.setProperty("--size", Math.min(1, cents[i] / 100 / MOST_NATS));
    }
    if (told.length) span.title = told.join(" · ");
    line.append(span);
  });
  const marked = Object.entries(peaks).map(([method, at]) => `${method} ${at.length}`).join(", ");
  const note = marked && [make("p", { className: "soft" }, `Underlined: peaks (${marked})`)];
  return [make("h4", {}, "Tokens by entropy"), line, ...(note || [])];
}

function complain(error) {
  byId("listed").value = error.message;
}

// ---- the rest of the page

function showFigures(svgs) {
  for (const image of document.querySelectorAll("img[data-figure]")) {
    image.src = URL.createObjectURL(new Blob([svgs[image.dataset.figure]], { type: "image/svg+xml" }));
  }
}

async function start() {
  const { matrix, figures, traces } = payload.dataset;
  document.querySelectorAll("td[data-value]").forEach((cell) => tint(cell, Number(cell.dataset.value)));
  const listed = await read([0, traces]);
  startMatrix(await read([0, matrix]), listed.families);
  startViewer(listed);
  showFigures(await read([0, figures]));
  document.documentElement.dataset.ready = "yes";
}

start();
