// ---- the tables that the switch moves

function startTables() {
  document.querySelectorAll("td[data-value]").forEach((cell) => tint(cell, Number(cell.dataset.value)));
  listeners.push(markColumns, chooseParts, drawBeside);
}

// The column or entry of the chosen control stands out.
function markColumns() {
  const control = controlUsed();
  for (const cell of document.querySelectorAll("th[data-control], td[data-control], div.counts > [data-control], dl [data-control]")) {
    cell.classList.toggle("chosen", cell.dataset.control === control);
  }
}

// Of tables and rows that are made for each control, the chosen one, else the raw one.
function chooseParts() {
  const [control, statistic] = [nowShown("control"), nowShown("statistic")];
  const groups = new Map();
  for (const part of document.querySelectorAll("#overall tbody tr, #categories .scroll, #correctness tbody tr")) {
    part.hidden = (part.dataset.statistic ?? statistic) !== statistic;
    if (part.hidden) continue;
    const key = part.dataset.measure ?? "categories";
    groups.set(key, [...(groups.get(key) ?? []), part]);
  }
  for (const parts of groups.values()) {
    const wanted = parts.some((part) => part.dataset.control === control) ? control : parts[0].dataset.control;
    for (const part of parts) part.hidden = part.dataset.control !== wanted;
  }
}

// Detectors beside baselines, under the chosen control.
function drawBeside() {
  const table = byId("beside");
  if (!table) return;
  const { names, rows } = frame;
  const baselines = names.method.filter((name) => frame.families[name] === "baseline");
  const head = make("tr", {}, make("th", { scope: "col" }, "detector"), ...baselines.map((name) => make("th", { scope: "col" }, name)));
  const body = names.method.filter(isDetector).map((a) => make("tr", {}, make("th", { scope: "row" }, nameOf(a)), ...baselines.map((b) => {
    const at = rowOf(a, b);
    if (at < 0 || rows.value[at] === null) return make("td", { className: "none" });
    const cell = make("td", {}, decimal(rows.value[at]), make("small", {}, interval(rows.low[at], rows.high[at])));
    cell.dataset.value = rows.value[at];
    tint(cell, rows.value[at]);
    return cell;
  })));
  table.replaceChildren(make("thead", {}, head), make("tbody", {}, ...body));
}

// ---- figures as files

function startFigures(svgs) {
  const large = byId("enlarged");
  for (const image of document.querySelectorAll("img[data-figure]")) {
    image.src = URL.createObjectURL(new Blob([svgs[image.dataset.figure]], { type: "image/svg+xml" }));
    image.closest("button").addEventListener("click", () => {
      Object.assign(large.firstElementChild, { src: image.src, alt: image.alt });
      large.showModal();
    });
  }
  large.addEventListener("click", () => large.close());
}

// A link to a folded section opens it.
function openTarget() {
  const target = location.hash.includes("=") ? null : document.getElementById(location.hash.slice(1));
  if (target?.matches("details")) {
    target.open = true;
    target.scrollIntoView();
  }
}
