// ---- what the page shows: model, statistic, control and pair, for all figures and tables at once

const LEGENDS = { model: "Model", statistic: "Agreement", control: "Controlled for" };
const WORDS = {
  none: "raw", all: "beyond wording", spearman: "ranking (Spearman)", topdown: "top sentences (topdown)",
  weighted_tau: "weighted tau", rbo: "RBO", topk: "top k", top1: "top one",
};
// Numbers of names; `pair` holds two methods by name, or nothing.
const shown = { model: 0, statistic: 0, control: 0, pair: [] };
const frame = { names: null, rows: null, families: {}, givenTruth: new Set() };
const listeners = [];

const word = (name) => WORDS[name] ?? name.replaceAll("_", " ");
const nameOf = (method) => (frame.givenTruth.has(method) ? `${method}†` : method);
const isDetector = (method) => !["baseline", "truth"].includes(frame.families[method]);
const nowShown = (key) => frame.names[key][shown[key]];

function startControl({ names, rows }, { families, given_truth: givenTruth }) {
  Object.assign(frame, { names, rows, families, givenTruth: new Set(givenTruth) });
  for (const key of ["statistic", "control"]) {
    shown[key] = Math.max(0, names[key].indexOf(payload.dataset[key]));
  }
  const bar = byId("switches");
  bar.addEventListener("submit", (event) => event.preventDefault());
  for (const key of ["control", "statistic", "model"]) {
    if (names[key].length > 1) bar.append(switchOf(key, names[key]));
  }
  bar.append(make("span", { id: "computed", className: "note", hidden: true }));
  bar.hidden = !names.method.length;
}

// Few choices as buttons; statistics, of which two matter most, as a list.
function switchOf(key, values) {
  if (key === "statistic") {
    const select = make("select", { name: key }, ...values.map((name, number) => make("option", { value: number }, word(name))));
    select.addEventListener("input", () => { shown[key] = Number(select.value); changed(); });
    return make("label", {}, `${LEGENDS[key]} `, select);
  }
  const field = make("fieldset", {}, make("legend", {}, LEGENDS[key]));
  values.forEach((name, number) => {
    const input = make("input", { type: "radio", name: key, value: number });
    input.addEventListener("change", () => { shown[key] = number; changed(); });
    field.append(make("label", {}, input, word(name)));
  });
  return field;
}

function changed() {
  for (const key of ["control", "statistic", "model"]) {
    const field = byId("switches").elements[key];
    if (field?.tagName === "SELECT") field.value = shown[key];
    else if (field) field[shown[key]].checked = true;
  }
  const used = word(controlUsed());
  byId("computed").hidden = controlUsed() === nowShown("control");
  byId("computed").textContent = `${word(nowShown("statistic"))} is computed ${used} alone`;
  listeners.forEach((listener) => listener());
  writeLink();
}

// The chosen control, or raw where the statistic is not computed under it.
function controlUsed() {
  const { names, rows } = frame;
  const there = rows.value.some((_, i) => rows.statistic[i] === shown.statistic && rows.control[i] === shown.control);
  return there ? nowShown("control") : "none";
}

// Row of the frame for two methods under a control, by default the one that is shown; -1 = none.
function rowOf(a, b, control = controlUsed()) {
  if (!frame.index) indexRows();
  const [i, j, c] = [frame.names.method.indexOf(a), frame.names.method.indexOf(b), frame.names.control.indexOf(control)];
  return frame.index.get([shown.model, shown.statistic, c, Math.min(i, j), Math.max(i, j)].join()) ?? -1;
}

function indexRows() {
  const { rows } = frame;
  frame.index = new Map(rows.value.map((_, i) => [
    [rows.model[i], rows.statistic[i], rows.control[i], Math.min(rows.a[i], rows.b[i]), Math.max(rows.a[i], rows.b[i])].join(), i,
  ]));
}

// Pairs of detectors that have a value, with both their rows; the strongest first.
function detectorPairs() {
  const { names, rows } = frame;
  const found = [];
  const detectors = names.method.filter(isDetector);
  detectors.forEach((a, i) => detectors.slice(i + 1).forEach((b) => {
    const [at, raw] = [rowOf(a, b), rowOf(a, b, "none")];
    if (at >= 0 && rows.value[at] !== null) found.push({ a, b, at, raw });
  }));
  return found.sort((x, y) => rows.value[y.at] - rows.value[x.at]);
}

function pickPair(a, b) {
  const same = shown.pair.includes(a) && shown.pair.includes(b);
  shown.pair = same ? [] : [a, b];
  changed();
}

// ---- the address: pair, control, statistic, model, trace and sentence, so that a link shows the same

const place = { trace: null, sentence: null };

function link(more = {}) {
  const parts = { control: nowShown("control"), statistic: nowShown("statistic") };
  if (frame.names.model.length > 1) parts.model = nowShown("model");
  if (shown.pair.length) parts.pair = shown.pair.join("~");
  if (place.trace !== null) Object.assign(parts, place);
  return `#${new URLSearchParams({ ...parts, ...more })}`;
}

function writeLink() {
  if (frame.started) history.replaceState(null, "", link());
}

// What an address says; nothing where it only names a section.
function readLink() {
  const parts = new URLSearchParams(location.hash.slice(1));
  if (!location.hash.includes("=")) return null;
  for (const key of ["model", "statistic", "control"]) {
    const at = frame.names[key].indexOf(parts.get(key));
    if (at >= 0) shown[key] = at;
  }
  const pair = (parts.get("pair") ?? "").split("~").filter((name) => frame.names.method.includes(name));
  shown.pair = pair.length === 2 ? pair : [];
  const known = parts.has("trace");
  Object.assign(place, { trace: parts.get("trace"), sentence: known ? Number(parts.get("sentence")) : null });
  return known ? { ...place } : null;
}
