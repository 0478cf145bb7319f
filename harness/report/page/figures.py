"""The figures of a run, with what they show in words."""

from pathlib import Path

CAPTIONS = {
    "agreement": "Agreement of every two methods: rank correlation within a trace, averaged over "
    "the traces of a problem, then over problems. Hatched: compared, but undefined.",
    "agreement_all": "The same with every variant of every detector.",
    "forest": "Agreement of pairs with its interval over problems, raw and controlled.",
    "dendrogram": "Detectors by how alike they rank sentences, average linkage.",
    "by_k": "How much the top sentences of two detectors overlap, by how many are taken.",
    "control": "Agreement before and after the controls: below the diagonal, the controls explain "
    "part of it.",
    "reliability": "How far each detector agrees with itself over halves of its own draws.",
    "enrichment": "Which kinds of sentence each detector puts among its top tenth, beside their "
    "share of all sentences.",
    "peaks": "Peaks along one trace.",
    "matrix": "What each sentence (column) does to each later one (row), in one trace.",
    "position": "Where in a trace each method puts its anchors: mean rank by tenth of the trace. "
    "Two methods with the same slope agree for that reason alone.",
    "trace": "One trace, sentence by sentence, darker = ranked higher by the method.",
    "selftest": "How well each method finds planted anchors, and which decoys fool it.",
}


def figures(run: Path) -> list[tuple[str, str, str]]:
    """Name, caption and SVG of every figure there is, in the order of the captions."""
    files = {path.stem: path for path in sorted(run.glob("plots/*.svg"))}
    order = [*(name for name in CAPTIONS if name in files), *(files.keys() - CAPTIONS.keys())]
    return [
        (name, CAPTIONS.get(name, name.replace("_", " ")), files[name].read_text(encoding="utf-8"))
        for name in order
    ]
