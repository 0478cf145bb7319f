"""Texts that would run, call out or break a page, and a run that holds one in every place."""

import json
from collections.abc import Mapping
from itertools import cycle, islice
from pathlib import Path

import polars as pl
import yaml

from tests.harness.evident import add_evidence
from tests.harness.synthetic import write_run

OWN = "window.owned=1"
AWAY = "http://owned.invalid/x"
MARKUP = (
    f"<script>{OWN}</script>", f"</script><script>{OWN}</script>", f'"><img src=x onerror={OWN}>',
    f"'><svg/onload={OWN}>", f"<svg><script>{OWN}</script></svg>", f"<body onload={OWN}>",
    f'<iframe srcdoc="<script>parent.{OWN}</script>"></iframe>', f"<iframe src={AWAY}></iframe>",
    f"<img src={AWAY}.png>", f'<link rel=stylesheet href="{AWAY}.css">', f"<base href={AWAY}>",
    f'<meta http-equiv=refresh content="0;url={AWAY}">', f"<style>@import url({AWAY})</style>",
    f'<div style="background:url({AWAY})">x</div>', f"<a href=javascript:{OWN}>x</a>",
    f"<form action={AWAY}><input autofocus onfocus={OWN}></form>",
    f"<object data={AWAY}></object>", f"<details open ontoggle={OWN}>x</details>",
    f"<video><source onerror={OWN}></video>", f"<marquee onstart={OWN}>x</marquee>",
    f"<math><mtext></form><img src onerror={OWN}></math>",
    f"<template><script>{OWN}</script></template>", f"<noscript><img src=x onerror={OWN}>",
    f"<!--<script>{OWN}//-->", f"--><script>{OWN}</script><!--", f"]]><script>{OWN}</script>",
    f"<scr<script>ipt>{OWN}</scr</script>ipt>", f"&lt;script&gt;{OWN}&lt;/script&gt;",
    f"\\u003cscript\\u003e{OWN}\\u003c/script\\u003e", f"%3Cscript%3E{OWN}%3C/script%3E",
    f"<textarea></textarea><script>{OWN}</script>", f"<title></title><script>{OWN}</script>",
    f"javascript:{OWN}", f"data:text/html,<script>{OWN}</script>",
    f"</style><script>{OWN}</script>", f'"}};{OWN};//', f"';{OWN};'", f"`;{OWN};`",
    f"\\';{OWN};//", f"*/;{OWN};/*",
)  # fmt: skip
FORMULAS = (
    f"$\\href{{javascript:{OWN}}}{{x}}$", f"$\\url{{javascript:{OWN}}}$", f"\\(\\url{{{AWAY}}}\\)",
    f"$\\includegraphics{{{AWAY}.png}}$", f"$\\htmlStyle{{background:url({AWAY})}}{{x}}$",
    f"$\\htmlData{{x=1,onclick={OWN}}}{{x}}$", "$\\def\\a{\\a\\a}\\a$",
    "$\\gdef\\x{\\x\\x}\\x\\x$", "$\\let\\a\\a\\a$", "$\\newcommand{\\b}{\\b\\b\\b}\\b$",
    "$" + "{" * 480 + "}" * 480 + "$", "$" + "{" * 9000 + "}" * 9000 + "$",
    "$" + "\\sqrt{" * 160 + "x" + "}" * 160 + "$", "$" + "x^{" * 300 + "x" + "}" * 300 + "$",
    "$" + "\\left(" * 150 + "\\right)" * 150 + "$", "$\\rule{1e9em}{1e9em}$", "$\\kern{1e9em}x$",
    "$\\frac{1}{$", "$$\\begin{matrix}" + "&" * 900 + "$$", "\\boxed{" * 3000, "$x",
    "\\(\\[\\(\\[", "$\\color{red;background:url(x)}{x}$", "$\\char\"110000$",
    "$\\unicode{x202e}$", f"$<img src=x onerror={OWN}>$", "$\\text{</script>}$",
)  # fmt: skip
CHARACTERS = (
    "\u202eright to left\u202c", "\u2067\u2067\u2066 isolates", "e" + "\u0301" * 3000,
    "\x00\x01\x1b[2J", "\u2028\u2029 separators", "\ufeff\ufffe\uffff",
    "\ufffd half \ufffd a pair", "\U000e0041\U000e0042", "\U0010ffff\ue000",
    "\u200b\u200d\u2060 nothing", "👩‍👩‍👧‍👦" * 500, "א" * 200 + "a" * 200,
)  # fmt: skip
NAMES = (
    "__proto__", "constructor", "toString", "hasOwnProperty", "{{7*7}}", "{% include 'x' %}",
    "${window.owned=1}", "%s%n%x", "../../etc/passwd", "=cmd|' /C calc'!A0", "null", "NaN",
)  # fmt: skip
HUGE = (
    "x" * 200_000, "x " * 50_000, " " * 50_000 + "x", "\n" * 9_000 + "x", "<b>" * 20_000,
    "$" * 9_001, "$a$" * 2_000, "\\(" * 9_000, "&amp;" * 9_000,
)  # fmt: skip
EVERY = (*MARKUP, *FORMULAS, *CHARACTERS, *NAMES, *HUGE)
IDS = (f"<img src=x onerror={OWN}>", "__proto__", f'"{OWN}"\u202e')


def texts(n: int) -> tuple[str, ...]:
    """Of all, so many and evenly spread; those that would be empty on a page are not among them."""
    return tuple(EVERY[i * len(EVERY) // n % len(EVERY)] for i in range(n))


def hostile_run(run: Path, n: int) -> Path:
    """A synthetic run: n sentences at least are hostile, and so is every name in it."""
    write_run(run, n_problems=max(1, -(-n // 30)))
    frame = pl.read_parquet(run / "sentences.parquet")
    shown = list(islice(cycle(texts(n)), len(frame)))
    frame.with_columns(text=pl.Series(shown)).write_parquet(run / "sentences.parquet")
    problems = pl.read_parquet(run / "problems.parquet")["problem_id"].to_list()
    named = {p: IDS[i] if i < len(IDS) else f"{p}{OWN}" for i, p in enumerate(problems)}
    traces = [f"{p}-{t}" for p in problems for t in (0, 1)]
    named |= {t: t.replace(t.rpartition("-")[0], named[t.rpartition("-")[0]]) for t in traces}
    renamed(run, named)
    add_evidence(run, draws=3)
    methods = {"mi": "__proto__", "attention": f"<img src=x onerror={OWN}>", "rl_entropy": "$\\x$"}
    other = {"toy": f"</script><script>{OWN}</script>", "13": f"<svg onload={OWN}>"}
    renamed(run, methods | other | {"active_computation": f"<b onclick={OWN}>"})
    for old, new in methods.items():
        for path in [*run.glob(f"*/{old}.*"), *run.glob(f"*/{old}")]:
            path.rename(path.with_name(new + path.suffix))
        status = run / "status" / f"{new}.json"
        error = {"error": f"<script>{OWN}</script> \ud800", "method": new}
        status.write_text(json.dumps(json.loads(status.read_text()) | error))
    values = {text: {"x": f"<b onload={OWN}>"} for text in EVERY[:80]}
    (run / "run.yaml").write_text(yaml.safe_dump(values | {"model": {"name": EVERY[1]}}))
    skipped = dict.fromkeys((*IDS, "\ud800"), EVERY[1] + "\udfff")
    (run / "skipped.json").write_text(json.dumps(skipped))
    (run / "plots").mkdir()
    return run


def renamed(run: Path, named: Mapping[str, str]) -> None:
    """The tables of a run with some texts in the place of others."""
    for path in sorted(run.glob("**/*.parquet")):
        frame = pl.read_parquet(path)
        frame.with_columns(pl.col(pl.String).replace(named)).write_parquet(path)
