// ---- intervals on lines, and the figures that the switch moves

// An interval from low to high on a line from -span to span, over the zones of both verdicts.
function intervalLine({ low, effect, high, above, below, span, open, ceiling, bare }) {
  const [width, height, middle] = [240, bare ? 20 : 26, 9];
  const x = (value) => 6 + ((Math.max(-span, Math.min(span, value)) + span) / (2 * span)) * (width - 12);
  const drawn = svg("svg", { viewBox: `0 0 ${width} ${height}` });
  if (below !== undefined) {
    drawn.append(svg("rect", { class: "zone down", x: x(-span), y: 1, width: x(below) - x(-span), height: 16 }));
    drawn.append(svg("rect", { class: "zone up", x: x(above), y: 1, width: x(span) - x(above), height: 16 }));
  }
  drawn.append(svg("path", { class: "axis", d: `M${x(-span)} ${middle}H${x(span)}` }), svg("path", { class: "zero", d: `M${x(0)} 1V17` }));
  for (const end of bare ? [] : [-span, 0, span]) {
    drawn.append(svg("text", { x: x(end), y: 26, "text-anchor": end < 0 ? "start" : end ? "end" : "middle" }, String(end).replace("-", "−")));
  }
  if (Number.isFinite(low) && Number.isFinite(high)) drawn.append(svg("path", { class: open ? "faint" : "strong", d: `M${x(low)} ${middle}H${x(high)}` }));
  if (Number.isFinite(ceiling)) drawn.append(svg("path", { class: "tick", d: `M${x(ceiling)} 4V14` }));
  if (Number.isFinite(effect)) drawn.append(svg("circle", { class: open ? "open" : "point", cx: x(effect), cy: middle, r: 3.6 }));
  return drawn;
}

const numeric = (text) => (text === undefined || text === "None" ? undefined : Number(text));

function drawLines() {
  for (const line of document.querySelectorAll(".line")) {
    const ends = Object.fromEntries(["low", "effect", "high", "above", "below", "span"].map((key) => [key, numeric(line.dataset[key])]));
    line.replaceChildren(intervalLine(ends));
  }
}

function startCharts() {
  if (frame.names.method.filter(isDetector).length < 2) return;
  byId("charts").hidden = false;
  listeners.push(drawForest, drawMoved, drawTree);
}

const drawing = (id) => byId(id).querySelector(".drawing");
const MOST_PAIRS = 30;

// The pairs that are known best, strongest first: raw above, under the control below.
function drawForest() {
  const { rows } = frame;
  const width = ({ at }) => (rows.low[at] === null ? Infinity : rows.high[at] - rows.low[at]);
  const every = detectorPairs();
  const kept = new Set([...every].sort((x, y) => width(x) - width(y)).slice(0, MOST_PAIRS));
  const ends = (at) => ({ low: rows.low[at] ?? NaN, effect: rows.value[at] ?? NaN, high: rows.high[at] ?? NaN, span: 1 });
  const raw = controlUsed() === "none";
  const drawn = every.filter((pair) => kept.has(pair)).map(({ a, b, at, raw: before }, i) => {
    const line = intervalLine({ ...ends(at), ceiling: rows.ceiling?.[at] ?? NaN, bare: i < kept.size - 1 });
    if (!raw && before >= 0) {
      const open = intervalLine({ ...ends(before), open: true });
      for (const part of open.querySelectorAll(".faint, .open")) {
        part.setAttribute("transform", "translate(0 5)");
        line.append(part);
      }
    }
    return make("div", { className: "pair" }, make("span", {}, `${nameOf(a)} ~ ${nameOf(b)}`), line);
  });
  const left = every.length - drawn.length;
  const note = left ? [make("p", { className: "soft" }, `The ${MOST_PAIRS} of ${every.length} pairs with the narrowest intervals.`)] : [];
  const scale = make("p", { className: "unit" }, `${word(nowShown("statistic"))} within a trace, ${word(controlUsed())}, from −1 to 1`);
  drawing("forest").replaceChildren(scale, ...drawn, ...note);
}

function drawMoved() {
  const { rows, families } = frame;
  if (controlUsed() === "none") {
    return drawing("moved").replaceChildren(make("p", { className: "note" }, "Nothing is controlled for: choose a control above."));
  }
  const [x, y] = [(v) => 150 + 120 * v, (v) => 150 - 120 * v];
  const drawn = svg("svg", { viewBox: "0 0 300 300", role: "img", "aria-label": "agreement raw and controlled" });
  drawn.append(svg("path", { class: "axis", d: "M30 30H270V270H30Z" }), svg("path", { class: "zero", d: "M150 30V270M30 150H270" }), svg("path", { class: "faint", d: "M30 270L270 30" }));
  for (const { a, b, at, raw } of detectorPairs()) {
    if (raw < 0 || rows.value[raw] === null) continue;
    const [left, top] = [x(rows.value[raw]), y(rows.value[at])];
    const mark = families[a] === families[b]
      ? svg("circle", { class: "point", cx: left, cy: top, r: 3.2, opacity: 0.7 })
      : svg("path", { class: "point", d: `M${left - 3.6} ${top + 3}h7.2l-3.6 -6.4Z`, opacity: 0.7 });
    mark.append(svg("title", {}, `${nameOf(a)} ~ ${nameOf(b)}: ${decimal(rows.value[raw])} raw, ${decimal(rows.value[at])}`));
    drawn.append(mark);
  }
  for (const [value, text] of [[-1, "−1"], [0, "0"], [1, "1"]]) {
    drawn.append(svg("text", { x: x(value), y: 283, "text-anchor": "middle" }, text), svg("text", { x: 25, y: y(value) + 3, "text-anchor": "end" }, text));
  }
  drawn.append(svg("text", { x: 150, y: 297, "text-anchor": "middle" }, `${word(nowShown("statistic"))}, raw`));
  drawn.append(svg("text", { transform: "translate(9 150) rotate(-90)", "text-anchor": "middle" }, word(controlUsed())));
  drawing("moved").replaceChildren(drawn);
}

// Average linkage; detectors of which some pair is undefined are left out, the worst first.
function linked() {
  const { rows } = frame;
  let names = frame.names.method.filter(isDetector);
  const far = (a, b) => {
    const at = rowOf(a, b);
    return at < 0 || rows.value[at] === null ? NaN : 1 - rows.value[at];
  };
  const undefinedOf = (a) => names.filter((b) => b !== a && Number.isNaN(far(a, b))).length;
  while (names.some(undefinedOf)) {
    const worst = names.reduce((x, y) => (undefinedOf(y) > undefinedOf(x) ? y : x));
    names = names.filter((name) => name !== worst);
  }
  let groups = names.map((name) => ({ names: [name], height: 0, parts: [] }));
  const between = (x, y) => x.names.flatMap((a) => y.names.map((b) => far(a, b))).reduce((s, d) => s + d, 0) / (x.names.length * y.names.length);
  while (groups.length > 1) {
    let best = null;
    groups.forEach((x, i) => groups.slice(i + 1).forEach((y) => {
      const height = between(x, y);
      if (!best || height < best.height) best = { names: [...x.names, ...y.names], height, parts: [x, y] };
    }));
    groups = [...groups.filter((group) => !best.parts.includes(group)), best];
  }
  return groups[0];
}

function drawTree() {
  const root = linked();
  if (!root || root.names.length < 2) return drawing("tree").replaceChildren(make("p", { className: "note" }, "Too few detectors are comparable with one another."));
  const [row, left, right] = [15, 130, 290];
  const height = row * root.names.length;
  const most = Math.max(1.05, 1.05 * root.height);
  const x = (distance) => left + ((right - left) * distance) / most;
  const drawn = svg("svg", { viewBox: `0 0 300 ${height + 28}`, role: "img", "aria-label": "detectors by how alike they are" });
  const y = new Map(root.names.map((name, i) => [name, row * (i + 0.6)]));
  for (const [name, at] of y) drawn.append(svg("text", { x: left - 6, y: at + 3, "text-anchor": "end" }, nameOf(name)));
  drawn.append(svg("path", { class: "axis", d: `M${x(1)} 0V${height}` }));
  const middle = (group) => {
    if (!group.parts.length) return y.get(group.names[0]);
    const [upper, lower] = group.parts.map(middle);
    const [from, to] = group.parts.map((part) => x(part.height));
    drawn.append(svg("path", { class: "tick", d: `M${from} ${upper}H${x(group.height)}V${lower}H${to}` }));
    return (upper + lower) / 2;
  };
  middle(root);
  for (const at of [0, 0.5, 1].filter((value) => value <= most)) {
    drawn.append(svg("text", { x: x(at), y: height + 12, "text-anchor": "middle" }, decimal(at).replace(/^\.00$/, "0")));
  }
  drawn.append(svg("text", { x: (left + right) / 2, y: height + 25, "text-anchor": "middle" }, `1 − ${word(nowShown("statistic"))}, ${word(controlUsed())}`));
  drawing("tree").replaceChildren(drawn);
}
