// ---- the right answer along a trace: forced at once, and redrawn

const ALONG = { width: 420, height: 132, left: 30, right: 390, top: 12, bottom: 108 };

// The answers of all rollouts from a boundary with their shares. Of those that leave the sentence a
// count is no share: it is said beside them, or nothing is known.
function answerShares(rollouts, boundary) {
  const groups = rollouts?.at[boundary] ?? [];
  if (rollouts?.arm === "leave") return groups.filter((group) => group.share !== undefined);
  const total = groups.reduce((sum, group) => sum + group.n, 0);
  return groups.map((group) => ({ ...group, share: group.n / total }));
}

// The lines by class: what is known at each boundary, its share of the height, what it is called.
function alongLines(evidence, total) {
  const [redrawn, spread] = [{}, {}];
  for (const i of Object.keys(evidence.rollouts?.at ?? {})) {
    const groups = answerShares(evidence.rollouts, i);
    if (!groups.length) continue;
    redrawn[i] = groups.reduce((sum, { correct, share }) => sum + (correct ? share : 0), 0);
    spread[i] = groups.reduce((sum, { share }) => sum - (share ? share * Math.log(share) : 0), 0);
  }
  const kept = evidence.rollouts ? redrawn : evidence.redrawn ?? {};
  const arm = evidence.rollouts ? ` (${evidence.rollouts.arm})` : "";
  const most = Math.max(Math.log(2), ...Object.values(spread));
  const lines = [
    { name: "redrawn", at: kept, most: 1, title: `P(correct), redrawn: of the rollouts${arm}` },
    { name: "forced", at: evidence.forced ?? {}, most: 1, title: "P(right answer), forced: were it asked for at once" },
    { name: "spread", at: spread, most, title: "entropy of the rollouts’ answers, nats (right axis)" },
  ];
  const within = (at) => Object.keys(at).filter((i) => i <= total);
  return lines.map((line) => ({ ...line, places: within(line.at).map(Number).sort((a, b) => a - b) })).filter((line) => line.places.length > 1);
}

function alongWords(evidence, sentence, total, trace) {
  const lines = alongLines(evidence, total);
  if (!lines.length) return [];
  const { width, height, left, right, top, bottom } = ALONG;
  const x = (i) => left + ((right - left) * i) / total;
  const y = (share) => bottom - (bottom - top) * share;
  const path = ({ at, most, places }) => places.map((i, k) => `${k && i === places[k - 1] + 1 ? "L" : "M"}${x(i)} ${y(at[i] / most)}`).join("");
  const drawn = svg("svg", { viewBox: `0 0 ${width} ${height}`, class: "along", role: "img", "aria-label": `along the trace: ${lines.map((line) => line.title).join("; ")}` });
  drawn.append(
    svg("rect", { class: "here", x: x(sentence), y: top - 2, width: x(1) - x(0), height: bottom - top + 4 }),
    svg("path", { class: "axis", d: `M${left} ${top}V${bottom}H${right}V${top}` }),
    ...[...lines].reverse().map((line) => svg("path", { class: line.name, d: path(line) })),
    ...[1, 0].map((end) => svg("text", { x: left - 4, y: y(end) + 4, "text-anchor": "end" }, String(end))),
    ...lines.filter((line) => line.name === "spread").flatMap(({ most }) => [most, 0].map((end) => svg("text", { x: right + 4, y: y(end / most) + 4 }, end ? end.toFixed(1) : "0"))),
    svg("text", { x: (left + right) / 2, y: height - 2, "text-anchor": "middle" }, "boundary before sentence"),
    ...[0, Math.floor(total / 2), total].map((i) => svg("text", { x: x(i), y: bottom + 13, "text-anchor": "middle" }, String(i))),
  );
  drawn.addEventListener("click", (event) => {
    const box = drawn.getBoundingClientRect();
    const at = Math.floor(((((event.clientX - box.left) / box.width) * width - left) / (right - left)) * total);
    goToSentence(trace, Math.max(0, Math.min(total - 1, at)));
  });
  return [make("h4", {}, "Along the trace"), drawn, alongKey(lines, sentence), ...alongNote(lines)];
}

// What each line is, and from where to where it goes over the chosen sentence.
function alongKey(lines, sentence) {
  return make("ul", { className: "along-key" }, ...lines.map(({ name, at, title }) => {
    const sample = svg("svg", { viewBox: "0 0 28 8", class: "along", "aria-hidden": "true" }, svg("path", { class: name, d: "M1 4H27" }));
    const [before, after] = [at[sentence], at[sentence + 1]];
    const moved = before === undefined || after === undefined ? "" : `${decimal(before)} → ${decimal(after)}`;
    return make("li", {}, sample, make("span", {}, title), make("b", {}, moved));
  }));
}

function alongNote(lines) {
  if (!lines.some((line) => line.name === "forced") || !lines.some((line) => line.name === "redrawn")) return [];
  return [make("p", { className: "soft unit" }, "Forcing asks for the answer before the rest is worked out, redrawing lets the model work it out: a high solid line over a low dotted one is an answer that is decided, and cannot be read yet.")];
}
