// ---- the chosen sentence

async function openPanel(at) {
  const panel = byId("panel");
  const [trace, sentence] = view.rows[at];
  if (panel.hidden) {
    panel.hidden = false;
    if (wide.matches) redraw(); // the list has become narrower
  }
  Object.assign(place, { trace: view.traces[trace].trace_id, sentence });
  writeLink();
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
  if (wide.matches) redraw();
  forget();
  byId("list").focus();
}

// No sentence is chosen any more.
function forget() {
  Object.assign(place, { trace: null, sentence: null });
  writeLink();
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
  const address = make("a", { href: link() }, "link");
  return make("header", {}, title, address, step("Sentence before", -1), step("Next sentence", 1), close);
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
    ...alongWords(evidence, sentence, core.text.length, trace),
    ...rolloutWords(evidence.rollouts, sentence),
    ...scoreWords(core, evidence, sentence),
    ...edgeWords(evidence, core, trace, sentence),
    ...tokenWords(evidence.tokens?.[sentence], core.text[sentence]),
  ];
}

function scoreWords(core, evidence, sentence) {
  const rows = view.methods.map((name, i) => {
    const [mark, score] = [core.marks[sentence][i], evidence.scores?.[name]?.[sentence]];
    if (view.hidden.has(name)) return "";
    const bar = make("i");
    bar.style.setProperty("--width", `${(100 * (SHADES.indexOf(mark.toLowerCase()) + 1)) / SHADES.length}%`);
    const text = score === null || score === undefined ? "undefined" : String(score).replace("-", "−");
    const top = mark !== mark.toLowerCase() ? make("b", {}, text) : text;
    const className = shown.pair.includes(name) ? "picked" : "";
    return make("tr", { className }, make("th", { scope: "row" }, nameOf(name)), make("td", {}, top), make("td", { className: "bars" }, bar));
  });
  const head = make("thead", {}, make("tr", {}, ...["method", "score", "rank in trace"].map((h) => make("th", { scope: "col" }, h))));
  return [make("h4", {}, "What the methods say"), make("table", {}, head, make("tbody", {}, ...rows))];
}

// Shares of the answers before and after the sentence, then what was written in its place.
function rolloutWords(rollouts, sentence) {
  const before = rollouts?.at[sentence];
  if (!before) return [];
  const total = (groups) => groups.reduce((sum, group) => sum + group.n, 0);
  const [without, kept] = [sentence, sentence + 1].map((at) => answerShares(rollouts, at));
  const share = (groups, answer) => groups.filter((g) => g.answer === answer).reduce((sum, g) => sum + g.share, 0);
  const answers = [...without, ...kept.filter((g) => without.every((b) => b.answer !== g.answer))];
  const rows = answers.slice(0, 8).map((group) => answerRow(group, share(without, group.answer), share(kept, group.answer)));
  const drawn = rollouts.arm === "leave"
    ? `${total(before)} rollouts that write something else in its place; the shares count those that would write it again, too. A sample below.`
    : `${total(before)} rollouts written in its place, ${total(rollouts.at[sentence + 1] ?? [])} that keep it (${rollouts.arm}); a sample below.`;
  const head = ["answer", "without → with", ""].map((h) => make("th", { scope: "col" }, h));
  return [
    make("h4", {}, "What the model wrote instead"),
    make("p", { className: "soft" }, drawn),
    make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows)),
    ...before.filter((group) => group.texts.length).flatMap((group) => alternatives(group, total(before))),
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
    make("td", {}, `${percent(without)} → ${percent(kept)}`), make("td", { className: "bars shares" }, ...bars),
  );
}

function answerName(group) {
  return `${(group.answer ?? "no answer").slice(0, 80)}${group.correct ? " ✓" : ""}`;
}

function alternatives(group, total) {
  const items = group.texts.map(([text, n]) => {
    const item = write(make("li", { dir: "auto" }), text || "(nothing)", false);
    if (n > 1) item.append(make("small", {}, `×${n}`));
    return item;
  });
  const lead = `${group.n} of ${total} led to ${answerName(group)}`;
  return [make("p", { className: group.correct ? "good" : "" }, lead), make("ul", { className: "alternatives" }, ...items)];
}

function goToSentence(trace, sentence) {
  const at = view.rows.findIndex(([t, i]) => t === trace && i === sentence);
  if (at >= 0) select(at);
}

// What rests on the chosen sentence, within the graph of the whole trace.
function edgeWords(evidence, core, trace, sentence) {
  const graphs = [
    ...Object.entries(evidence.edges ?? {}).map(([name, edges]) => [name, `${nameOf(name)}: what it acts on most`, edges]),
    ...Object.entries(evidence.known ?? {}).map(([kind, edges]) => [kind, `known to rest on it: ${kind}`, edges]),
  ];
  if (!graphs.length) return [];
  const choice = make("select", { ariaLabel: "Graph" }, ...graphs.map(([name, title]) => make("option", { value: name }, title)));
  if (graphs.some(([name]) => name === view.graph.method)) choice.value = view.graph.method;
  const body = make("div");
  const draw = () => {
    view.graph.method = choice.value;
    const [, , edges] = graphs.find(([name]) => name === choice.value);
    body.replaceChildren(...graph(edges, core, trace, sentence));
  };
  choice.addEventListener("input", draw);
  draw();
  return [make("h4", {}, "What rests on it"), choice, body];
}

// Edges at least as strong as the threshold; known ones have no strength and are all shown.
function graph(edges, core, trace, sentence) {
  const every = Object.entries(edges).flatMap(([from, list]) => list.map(([to, strength]) => ({ from: Number(from), to, strength })));
  const strengths = every.map((edge) => edge.strength).filter((strength) => strength !== undefined).sort((x, y) => x - y);
  const [drawn, list, output] = [make("div"), make("div", { className: "edges" }), make("output")];
  const slider = make("input", { type: "range", min: 0, max: 1, step: 0.01, value: view.graph.share, ariaLabel: "Threshold of strength" });
  const draw = () => {
    view.graph.share = Number(slider.value);
    const least = strengths[Math.floor(view.graph.share * (strengths.length - 1))] ?? -Infinity;
    const kept = every.filter((edge) => edge.strength === undefined || edge.strength >= least);
    output.value = `at least ${least}: ${kept.length} of ${every.length} edges`;
    drawn.replaceChildren(arcs(kept, sentence, core.text.length, trace));
    list.replaceChildren(...kept.filter((edge) => edge.from === sentence).map((edge) => edgeButton(edge, core, trace)));
  };
  slider.addEventListener("input", draw);
  draw();
  return [...(strengths.length ? [make("label", { className: "dragged" }, "strength", slider, output)] : []), drawn, list];
}

function edgeButton({ to, strength }, core, trace) {
  const size = strength === undefined ? "" : ` (+${strength})`;
  const button = make("button", { type: "button" }, `→ ${to}${size}  ${core.text[to].trim().slice(0, 200)}`);
  button.addEventListener("click", () => goToSentence(trace, to));
  return button;
}

function arcs(edges, sentence, total, trace) {
  const x = (i) => 8 + (584 * i) / Math.max(1, total - 1);
  const targets = new Set(edges.filter((edge) => edge.from === sentence).map((edge) => edge.to));
  const strongest = Math.max(...edges.map((edge) => edge.strength ?? 1));
  const drawn = svg("svg", { viewBox: "0 0 600 84", class: "arcs", role: "img", "aria-label": `edges from sentence ${sentence} to ${[...targets].join(", ") || "none"}` });
  for (const { from, to, strength } of edges) {
    const [left, right] = [x(from), x(to)];
    const height = 76 - Math.min(72, 12 + Math.abs(right - left) / 4);
    const line = svg("path", { d: `M${left} 76 C${left} ${height}, ${right} ${height}, ${right} 76`, "stroke-width": 1 + (3 * (strength ?? 1)) / strongest });
    if (from === sentence) line.setAttribute("class", "on");
    drawn.append(line);
  }
  for (let i = 0; i < total; i++) {
    const role = i === sentence ? "from" : targets.has(i) ? "to" : "";
    const node = svg("circle", { cx: x(i), cy: 76, r: role ? 4.5 : Math.min(3, 200 / total), class: role }, svg("title", {}, `sentence ${i}`));
    node.addEventListener("click", () => goToSentence(trace, i));
    drawn.append(node);
  }
  return drawn;
}

const MOST_NATS = 3; // deepest colour
const MOST_TOKENS = 4000; // boxes in one word, whose layout takes time with their square

function tokenWords(tokens, text) {
  if (!tokens) return [];
  const [lengths, cents, peaks] = tokens;
  const sets = Object.entries(peaks).map(([method, at]) => [method, new Set(at)]);
  const line = make("p", { className: "tokens", dir: "auto" });
  let start = 0;
  lengths.slice(0, MOST_TOKENS).forEach((length, i) => {
    const seen = sets.filter(([, at]) => at.has(i)).map(([method]) => method);
    const span = make(seen.length ? "mark" : "span", {}, text.slice(start, start + length));
    start += length;
    const notes = seen.length ? [`peak of ${seen.join(", ")}`] : [];
    if (cents[i] !== null) {
      notes.unshift(`${(cents[i] / 100).toFixed(2)} nats`);
      span.style.setProperty("--size", Math.min(1, cents[i] / 100 / MOST_NATS));
    }
    if (notes.length) span.title = notes.join(" · ");
    line.append(span);
  });
  const left = lengths.length - MOST_TOKENS;
  if (left > 0) line.append(make("small", {}, ` … and ${left.toLocaleString("en")} more tokens`));
  const marked = Object.entries(peaks).map(([method, at]) => `${method} ${at.length}`).join(", ");
  const note = marked && [make("p", { className: "soft" }, `Underlined: peaks (${marked})`)];
  return [make("h4", {}, "Tokens by entropy"), line, ...(note || [])];
}

function complain(error) {
  byId("listed").value = error.message;
}
