"""The figures of a run, with what they show in words."""

from pathlib import Path

CAPTIONS = {
    "by_k": "How much the top sentences of two detectors overlap, by how many are taken.",
    "reliability": "How far each detector agrees with itself over halves of its own draws.",
    "position": "Where in a trace each method puts its anchors: mean rank by tenth of the trace. "
    "Two methods with the same slope agree for that reason alone.",
    "trace": "One trace, sentence by sentence.",
    "peaks": "Peaks along one trace.",
    "matrix": "What each sentence (column) does to each later one (row), in one trace.",
    "validations": "What interventions on the same traces found: means over problems with their "
    "intervals.",
    "sceptic": "P(correct) behind the trace and behind what is put in its place, forced and "
    "redrawn.",
    "deletion": "What the own answer loses while each method's highest sentences are masked, "
    "beside matched ones. It shows what the answer is read from, and ranks no method.",
    "dynamics": "What changes along the series of checkpoints.",
    "hybrid": "One checkpoint writes, and another takes over where a router says so: how much of "
    "the difference between their P(correct) comes back, by the share of the tokens it writes.",
    "selftest": "How well each method finds planted anchors, and which decoys fool it.",
}
ELSEWHERE = {  # what the page draws itself, for every control
    *("agreement", "agreement_all", "forest", "dendrogram", "control", "enrichment"),
}


def figures(run: Path) -> list[tuple[str, str, str]]:
    """Name, caption and SVG of every figure shown, in the order of the captions."""
    files = {path.stem: path for path in sorted(run.glob("plots/*.svg"))}
    rest = sorted(files.keys() - CAPTIONS.keys() - ELSEWHERE)
    order = [*(name for name in CAPTIONS if name in files), *rest]
    return [
        (name, CAPTIONS.get(name, name.replace("_", " ")), files[name].read_text(encoding="utf-8"))
        for name in order
    ]
