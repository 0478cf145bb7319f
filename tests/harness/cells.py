"""The cells of the simulation, and what they should show."""

from tests.harness.simulated import Shape, sized

# Without relation, by what the two share, under the control that leaves nothing of it.
NULLS = {
    "plain": (Shape(), "none"),
    "twelve problems": (Shape(problems=12), "none"),
    "three traces a problem": (Shape(traces=3, problems=15), "none"),
    "ties and zeros": (Shape(zeros=0.8), "none"),
    "autocorrelation .9": (Shape(auto=0.9), "none"),
    "trend": (Shape(trend=1.0), "position"),
    "trend, short": (Shape(trend=1.0, sizes=(8, 15)), "position"),
    "trend, zeros": (Shape(trend=1.0, zeros=0.5), "position"),
    "trend, autocorrelation .5": (Shape(trend=1.0, auto=0.5), "position"),
    "words": (Shape(words=1.0), "wording"),
    "grams": (Shape(grams=2.0), "wording"),
    "convergence": (Shape(converges="sharp"), "headroom"),
    "draws": (Shape(noise=(0.7, 0.7)), "none"),
    "shared draws": (Shape(noise=(0.7, 0.7), shared=True), "none"),
    "shared draws and trend": (Shape(noise=(0.7, 0.7), shared=True, trend=1.0), "position"),
}
# The same under structure, sentences x problems; and where that control is known to fail.
STRUCTURE = {
    "iid 13x20": sized(20, 13),
    "slopes by trace 13x20": sized(20, 13, slopes=1.0),
    "slopes by trace 30x20": sized(20, 30, slopes=1.0),
    "uniform ends 13x20": sized(20, 13, ends=2.0),
    "uniform ends 30x20": sized(20, 30, ends=2.0),
    "sharp convergence 30x20": sized(20, 30, converges="sharp"),
    "gradual convergence 30x20": sized(20, 30, converges="gradual"),
    "gradual convergence 60x50": sized(50, 60, converges="gradual"),
    "zeros 30x20": sized(20, 30, zeros=0.8),
    "last four undefined 30x20": sized(20, 30, trend=1.0, missing=4),
    "autocorrelation .5 30x20": sized(20, 30, auto=0.5),
    "dominating problem 30x20": sized(20, 30, slopes=1.0, first=20),
    "steep start 30x20": sized(20, 30, start=2.0),
    "log length 13x20": sized(20, 13, tokens=1.0),
    "slopes, ends, gradual 30x20": sized(20, 30, slopes=1.0, ends=2.0, converges="gradual"),
    "ends in half of the problems 30x20": sized(20, 30, ends=2.0, ends_in=0.5),
}
FAILING = {
    "trend, slopes, ends, length 8-250x30": (
        Shape(trend=1.0, slopes=0.5, ends=1.0, tokens=0.5), "structure",
    ),
    "ends in half of the problems 13x20": (sized(20, 13, ends=2.0, ends_in=0.5), "structure"),
    "step in length 13x20": (sized(20, 13, step=2.0), "structure"),
    "words, trend, length 8-250x30": (Shape(words=1.0, trend=1.0, tokens=1.0), "all"),
}  # fmt: skip
POWER = {"rho .3 13x20": sized(20, 13, rho=0.3), "rho .3 13x10": sized(10, 13, rho=0.3)}

HALF = 1.0  # noise as large as the truth: reliability one half
ONE_TRUTH = {
    f"one truth, {pair}, {truth}, {n} problems": sized(n, 13, rho=1.0, truth=truth, noise=noise)
    for pair, noise in (("deterministic ~ .5", (0.0, HALF)), ("both .5", (HALF, HALF)))
    for truth in ("gaussian", "skewed", "sparse")
    for n in (20, 50)
}
OTHERS = {
    f"{name}, {pair}, {n} problems": sized(n, 13, noise=noise, **given)
    for name, given in {
        "true 0": {"rho": 0.0},
        "true .3": {"rho": 0.3},
        "true .5": {"rho": 0.5},
        "true -.5": {"rho": -0.5},
        "disjoint anchors": {"anchors": "disjoint", "top": 0.15},
    }.items()
    for pair, noise in (("deterministic ~ .5", (0.0, HALF)), ("both .5", (HALF, HALF)))
    for n in (20, 50)
}
ANCHORS = {
    f"{name} anchors, {round(100 * top)} %": sized(40, 30, anchors=name, top=top)
    for name in ("identical", "disjoint")
    for top in (0.1, 1 / 6, 0.23)
}
# With a verdict that is right in nearly all runs.
PLANTED = {
    "same": sized(50, 13, rho=1.0, noise=(0.0, HALF)),
    "overlapping": sized(40, 60, rho=0.5, noise=(0.5, 0.5)),
    "opposed": sized(40, 60, rho=-0.5, noise=(0.5, 0.5)),
    "unrelated": sized(60, 60, rho=0.0),
    "different": sized(50, 30, anchors="disjoint", top=0.2, noise=(0.5, 0.5)),
    "unreliable": sized(40, 30, rho=1.0, noise=(4.0, 4.0)),
    "too few problems": sized(9, 30, rho=1.0, noise=(0.5, 0.5)),
}
