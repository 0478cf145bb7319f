// ---- the agreement matrix, and what stands beside it of one pair

function startMatrix() {
  const { names } = frame;
  if (!names.method.length) return;
  byId("matrix").hidden = false;
  byId("matrix").style.setProperty("--methods", names.method.length);
  const cells = byId("cells");
  cells.addEventListener("keydown", moveBetweenCells);
  cells.addEventListener("mouseover", (event) => showPair(event.target));
  cells.addEventListener("focusin", (event) => showPair(event.target));
  cells.addEventListener("click", (event) => {
    const at = Number(event.target.dataset?.at ?? NaN);
    if (!Number.isNaN(at)) pickPair(names.method[frame.rows.a[at]], names.method[frame.rows.b[at]]);
  });
  for (const leave of ["mouseleave", "focusout"]) cells.addEventListener(leave, hidePair);
  listeners.push(drawMatrix);
}

function drawMatrix() {
  const { names, families } = frame;
  const valued = (a) => names.method.some((b) => a !== b && rowOf(a, b) >= 0 && frame.rows.value[rowOf(a, b)] !== null);
  const there = names.method.filter((a) => valued(a) || (isDetector(a) && names.method.some((b) => a !== b && rowOf(a, b) >= 0)));
  const gap = (at) => at > 0 && families[there[at]] !== families[there[at - 1]];
  const head = make("tr", { role: "row" }, make("td", { className: "self" }));
  there.forEach((name, at) => head.append(make("th", { scope: "col", className: gap(at) ? "gap" : "" }, make("span", {}, nameOf(name)))));
  const body = there.map((a, down) => {
    const row = make("tr", { role: "row", className: gap(down) ? "gap" : "" }, make("th", { scope: "row" }, nameOf(a)));
    there.forEach((b, across) => {
      const cell = pairCell(a, b);
      cell.classList.toggle("gap", gap(across));
      row.append(cell);
    });
    return row;
  });
  byId("cells").replaceChildren(make("thead", {}, head), make("tbody", {}, ...body));
  byId("cells").ariaLabel = `Agreement, ${word(nowShown("statistic"))}, ${word(controlUsed())}`;
  byId("scale").textContent = `${word(nowShown("statistic"))} within a trace, ${word(controlUsed())}`;
  const first = byId("cells").querySelector("td[data-at]");
  if (first) first.tabIndex = 0;
  hidePair();
}

function pairCell(a, b) {
  const { rows } = frame;
  const cell = make("td", { role: "gridcell" });
  const at = a === b ? -1 : rowOf(a, b);
  if (at < 0) {
    cell.className = "self";
    return cell;
  }
  const value = rows.value[at];
  const [low, high] = [rows.low[at], rows.high[at]];
  cell.dataset.at = at;
  cell.tabIndex = -1;
  cell.ariaLabel = `${a} and ${b}: ${decimal(value)}, ${interval(low, high)}`;
  if (value === null) cell.classList.add("none");
  else tint(cell, value);
  cell.classList.toggle("sure", low !== null && high !== null && low * high > 0);
  cell.classList.toggle("picked", shown.pair.includes(a) && shown.pair.includes(b));
  cell.append(value === null ? "" : decimal(value));
  return cell;
}

function moveBetweenCells(event) {
  const steps = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };
  if (event.key === "Escape") hidePair();
  if (event.key === "Enter") event.target.click();
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

const wide = matchMedia("(min-width: 80rem)");

// Nothing pointed at: the pair that was kept, if any; else, beside the matrix, what to do.
function hidePair() {
  const card = byId("pair");
  const at = shown.pair.length ? rowOf(...shown.pair) : -1;
  card.hidden = !wide.matches;
  if (at >= 0) card.replaceChildren(...pairWords(at));
  else card.replaceChildren(make("p", { className: "soft" }, "Point at a cell for its pair; click to keep it."));
}

function showPair(cell) {
  const at = Number(cell.dataset?.at ?? NaN);
  if (Number.isNaN(at)) return hidePair();
  const card = byId("pair");
  card.replaceChildren(...pairWords(at));
  card.hidden = false;
  card.style.left = card.style.top = "";
  if (!wide.matches) beside(card, cell);
}

function beside(card, cell) {
  const [box, frameBox] = [cell.getBoundingClientRect(), byId("matrix").getBoundingClientRect()];
  const left = Math.min(box.right + 10, document.documentElement.clientWidth - card.offsetWidth - 8);
  const below = box.bottom + 10 + card.offsetHeight < window.innerHeight;
  const top = below ? box.bottom + 8 : Math.max(8, box.top - card.offsetHeight - 8);
  card.style.left = `${Math.max(8, left) - frameBox.left}px`;
  card.style.top = `${top - frameBox.top}px`;
}

function pairWords(at) {
  const { names, rows } = frame;
  const [a, b] = [names.method[rows.a[at]], names.method[rows.b[at]]];
  const same = ["a", "b", "model", "statistic"];
  const under = rows.value.map((_, i) => i).filter((i) => same.every((key) => rows[key][i] === rows[key][at]));
  const table = make("table", {}, ...under.map((i) => make(
    "tr", { className: i === at ? "on" : "" },
    make("th", { scope: "row" }, word(names.control[rows.control[i]])),
    make("td", {}, decimal(rows.value[i])),
    make("td", {}, interval(rows.low[i], rows.high[i])),
  )));
  const share = rows.share?.[at] == null ? "" : ` (${Math.round(100 * rows.share[at])} % of those both score)`;
  const counts = `${rows.n_problems[at]} problems, ${rows.n_traces[at]} traces, ${rows.n_sentences[at]} sentences${share}`;
  const words = [make("h4", {}, `${nameOf(a)} ~ ${nameOf(b)}`), ...verdictWords(under, at), table];
  for (const sentence of [noiseWords(at), counts]) if (sentence) words.push(make("p", {}, sentence));
  words.push(make("p", {}, make("a", { href: link({ pair: `${a}~${b}` }) }, "Link to this pair")));
  return words;
}

// What is left of noise, with the row's own ceiling: not the one that a verdict rests on.
function noiseWords(at) {
  const { rows } = frame;
  const parts = [];
  if (rows.disattenuated?.[at] != null) parts.push(`freed of noise ${decimal(rows.disattenuated[at])}`);
  if (rows.disattenuated_low?.[at] != null) parts.push(interval(rows.disattenuated_low[at], rows.disattenuated_high[at]));
  if (rows.ceiling?.[at] != null) parts.push(`ceiling of this statistic and control ${decimal(rows.ceiling[at])}`);
  return parts.join(", ");
}

// The verdict with the ceiling that decided it, and the one beyond wording.
function verdictWords(under, at) {
  const { names, rows } = frame;
  const judge = ["structure", "all"].map((name) => names.control.indexOf(name));
  const row = judge.map((control) => under.find((i) => rows.control[i] === control && rows.verdict[i] >= 0)).find((i) => i !== undefined) ?? at;
  if (rows.verdict[row] < 0) return [];
  const needed = rows.n_problems_needed?.[row];
  const ceiling = rows.verdict_ceiling?.[row];
  const more = [ceiling == null ? "" : `, its ceiling ${decimal(ceiling)}`, needed ? `, ${needed} problems would decide` : ""];
  const words = [make("p", {}, `Verdict: ${names.verdict[rows.verdict[row]]}${more.join("")}`)];
  const beyond = rows.verdict_beyond_wording?.[row] ?? -1;
  if (beyond >= 0) words.push(make("p", {}, `Beyond wording: ${names.verdict_beyond_wording[beyond]}`));
  return words;
}
