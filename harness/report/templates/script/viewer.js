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
  columns: [], // numbers of the methods that are shown, in their order
  hidden: new Set(), // names of those that are not
  texts: null, // of all traces, in small letters, once they were searched
  searched: 0, graph: { method: null, share: 0.5 },
};

function startViewer(data) {
  if (!data.traces.length) return;
  Object.assign(view, data);
  view.core = remembered((trace) => read(data.traces[trace].core), 80);
  view.evidence = remembered((trace) => read(data.traces[trace].evidence), 12);
  byId("viewer").hidden = false;
  fillFilters(data);
  arrange();
  listeners.push(markPair);
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
  const names = new Set(data.traces.flatMap((trace) => [trace.problem_id, trace.trace_id]));
  byId("problems").append(...[...names].map((name) => make("option", { value: name })));
  byId("label").append(...data.labels.map((name, i) => make("option", { value: i }, name.replaceAll("_", " "))));
  byId("label-filter").hidden = !data.labels.length;
  for (const id of ["problem", "correct", "label"]) byId(id).addEventListener("input", filter);
  byId("search").addEventListener("input", filter);
  byId("order").addEventListener("input", rearranged);
  byId("boxes").append(...data.methods.map((name) => {
    const input = make("input", { type: "checkbox", checked: true, value: name });
    input.addEventListener("change", () => show([name], input.checked));
    return make("label", {}, input, ` ${nameOf(name)}`);
  }));
  byId("every").addEventListener("click", () => show(data.methods, true));
  byId("fewest").addEventListener("click", () => show(data.methods, false));
  byId("dispute").addEventListener("click", nextDispute);
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
}

function show(names, wanted) {
  for (const name of names) if (wanted) view.hidden.delete(name); else view.hidden.add(name);
  for (const input of byId("boxes").querySelectorAll("input")) input.checked = !view.hidden.has(input.value);
  rearranged();
}

function rearranged() {
  arrange();
  redraw();
}

// Which methods are shown and in which order: the columns of the list.
function arrange() {
  const order = byId("order").value;
  const shownOnes = view.methods.map((_, i) => i).filter((i) => !view.hidden.has(view.methods[i]));
  const marks = order === "chosen" && view.at >= 0 ? view.core(view.rows[view.at][0]).value?.marks[view.rows[view.at][1]] : null;
  if (order === "name") shownOnes.sort((i, j) => view.methods[i].localeCompare(view.methods[j]));
  if (marks) shownOnes.sort((i, j) => level(marks[j]) - level(marks[i]));
  view.columns = shownOnes;
  byId("list").style.setProperty("--methods", Math.max(1, shownOnes.length));
  byId("names").replaceChildren(...shownOnes.map((i) => make("span", {}, nameOf(view.methods[i]))));
  markPair();
}

// From -1 = undefined to 11 = highest.
function level(mark) {
  return SHADES.indexOf(mark.toLowerCase());
}

function markPair() {
  view.columns.forEach((i, at) => byId("names").children[at].classList.toggle("picked", shown.pair.includes(view.methods[i])));
}

async function texts() {
  view.texts ??= Promise.all(view.traces.map(async (trace) => (await read(trace.core)).text.map((text) => text.toLowerCase())));
  return view.texts;
}

async function filter() {
  const [problem, correct, label] = ["problem", "correct", "label"].map((id) => byId(id).value);
  const wanted = byId("search").value.trim().toLowerCase();
  const turn = ++view.searched;
  if (wanted && !view.texts) byId("listed").value = "reading the texts …";
  const found = wanted ? await texts() : null;
  if (turn !== view.searched) return; // more was typed meanwhile
  view.rows = [];
  view.traces.forEach((trace, t) => {
    if (problem && !trace.problem_id.includes(problem) && !trace.trace_id.includes(problem)) return;
    if (correct && trace.correct !== (correct === "1")) return;
    const kept = trace.labels.map((_, i) => i).filter((i) => (!label || trace.labels[i] === Number(label)) && (!found || found[t][i].includes(wanted)));
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
  if (!byId("list").clientWidth) return; // not on show, as in print
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
  view.colours = { dot: colour("strip dot"), line: colour("strip grid"), "-": colour("strip empty") };
  for (const mark of SHADES) view.colours[mark] = view.colours[mark.toUpperCase()] = colour(`shade ${mark}`);
  const n = Math.max(1, view.columns.length);
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
  nameChosen();
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
  const top = view.columns.filter((i) => inTop(marks[i] ?? "-")).map((i) => view.methods[i]);
  element.id = `row-${at}`;
  element.ariaRowIndex = at + 2;
  element.ariaSelected = String(at === view.at);
  strip.ariaLabel = top.length ? `top tenth by ${top.join(", ")}` : "in no method's top tenth";
}

function newRow() {
  const [number, text] = [make("span", { className: "number" }), make("span")];
  const words = make("div", { className: "words", role: "gridcell", dir: "auto" }, number, text);
  const strip = make("div", { className: "strip", role: "gridcell" });
  const element = make("div", { className: "row", role: "row" }, words, strip);
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
  for (let i = 0; i < view.columns.length; i++) {
    const mark = marks[view.columns[i]];
    const left = view.edges[i];
    const width = view.edges[i + 1] - left - 1;
    context.fillStyle = view.colours[mark];
    context.fillRect(left, top, width, height);
    if (mark === "-") hatch(context, left, top, width, height);
    if (inTop(mark)) dot(context, left + width / 2, top + height / 2, Math.min(width, height) / 5);
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
  const at = strip ? Math.floor((event.offsetX / strip.clientWidth) * view.columns.length) : -1;
  const name = view.methods[view.columns[at]] ?? "";
  if (strip && strip.title !== name) strip.title = name;
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

/* Only a row that is drawn can be named as the chosen one. */
function nameChosen() {
  const list = byId("list");
  const row = document.getElementById(`row-${view.at}`);
  if (row) list.setAttribute("aria-activedescendant", row.id);
  else list.removeAttribute("aria-activedescendant");
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
  nameChosen();
  if (byId("order").value === "chosen") view.core(view.rows[at][0]).promise.then(rearranged, complain);
  if (!byId("panel").hidden) openPanel(at);
}

function openRow(at, byKey = false) {
  if (at === undefined || view.rows[at][1] === TITLE) return;
  select(at);
  openPanel(at).then(() => { if (byKey) byId("panel").focus(); });
}

async function nextDispute() {
  const order = shown.pair.length ? await apart(shown.pair) : view.disputes;
  if (!order.length) return;
  const at = order[view.dispute % order.length];
  view.dispute += 1;
  select(at);
  openPanel(at);
}

// Rows by how far two methods rank them apart, the farthest first.
async function apart(pair) {
  const [i, j] = pair.map((name) => view.methods.indexOf(name));
  const cores = new Map();
  for (const [trace] of view.rows) if (!cores.has(trace)) cores.set(trace, read(view.traces[trace].core));
  const far = await Promise.all(view.rows.map(async ([trace, sentence]) => {
    const marks = sentence === TITLE ? null : (await cores.get(trace)).marks[sentence];
    return marks && marks[i] !== "-" && marks[j] !== "-" ? Math.abs(level(marks[i]) - level(marks[j])) : 0;
  }));
  return far.map((_, at) => at).filter((at) => far[at] > 0).sort((x, y) => far[y] - far[x]);
}

// The trace and sentence of a link, all filters off.
async function goTo({ trace, sentence }) {
  for (const id of ["search", "problem", "correct", "label"]) byId(id).value = "";
  await filter();
  const t = view.traces.findIndex((listed) => listed.trace_id === trace);
  const at = view.rows.findIndex((row) => row[0] === t && row[1] === sentence);
  if (at < 0) return forget();
  select(at);
  await openPanel(at);
  byId("viewer").scrollIntoView({ behavior: "instant" }); // a long page moves on under a slow one
}
