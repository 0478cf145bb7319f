"""The methods section of a paper on this run, and the papers to cite."""

import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from string import Formatter
from typing import Any

# A sentence is left out where the run does not say what it states.
SENTENCES = (
    "{counts.detectors} scored every sentence of {counts.traces} reasoning traces "
    "({counts.sentences} sentences, {counts.problems} problems of {problems.name}) "
    "written by {model.name}.",
    "The weights were revision {revision}, read in {model.dtype}.",
    "Traces were sampled at temperature {sampling.temperature} with top-p {sampling.top_p}, "
    "at most {sampling.max_tokens} tokens each, with seed {sampling.seed}.",
    "They were cut into sentences once, by the rule “{segmentation.function}”; pieces below "
    "{segmentation.min_chars} characters joined a neighbour.",
    "Detectors that resample drew {sampling.draws} continuations at each boundary between "
    "sentences.",
    "Detectors that learn from other traces were fitted in {calibration.folds} folds over problems "
    "and scored only the problems that they had not seen.",
    "Agreement is measured on ranks within a trace, averaged over the traces of a problem and then "
    "over problems ({agreement.statistics}), raw and controlled for {counts.controls}.",
    "Intervals are at level {agreement.confidence} over problems: bias-corrected bootstrap with "
    "{agreement.draws} draws from {agreement.min_problems_bca} problems up, the t interval from "
    "{agreement.min_problems_interval} up, none below.",
    "Top sentences are the best {agreement.top_fraction} of a trace.",
    "All of it was made with anchor-harness {versions.anchor-harness} (commit {git}), torch "
    "{versions.torch} and transformers {versions.transformers}.",
)
PAPER = re.compile(r"arXiv (\d{4}\.\d{4,5})")


def methods_text(values: Mapping[str, Any], counts: Mapping[str, Any]) -> str:
    """What was done, with the run's own settings."""
    known = flat({**values, "counts": counts})
    return " ".join(said for sentence in SENTENCES if (said := stated(sentence, known)))


def stated(sentence: str, known: Mapping[str, str]) -> str:
    """A sentence filled in, empty unless all it states is known."""
    fields = [(text, key) for text, key, _, _ in Formatter().parse(sentence)]
    if any(key and key not in known for _, key in fields):
        return ""
    return "".join(text + (known[key] if key else "") for text, key in fields)


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Dotted keys to values in words; nothing for None."""
    found: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}.")
        elif isinstance(value, list | tuple):
            found[prefix + key] = ", ".join(map(str, value))
        elif value is not None:
            found[prefix + key] = str(value)
    return found


def bibliography(texts: Iterable[str]) -> str:
    """BibTeX of every arXiv paper that these docstrings name, in the order they are named."""
    named = dict.fromkeys(paper for text in texts for paper in PAPER.findall(text))
    known = library()
    return "\n\n".join(known.get(paper, minimal(paper)) for paper in named)


def library() -> dict[str, str]:
    """The entries of references.bib by arXiv id."""
    entries = (files("harness") / "report" / "templates" / "references.bib").read_text(
        encoding="utf-8"
    )
    found = {re.search(r"eprint = \{(.+?)\}", entry): entry for entry in split(entries)}
    return {match[1]: entry for match, entry in found.items() if match}


def split(entries: str) -> Sequence[str]:
    """The entries of a BibTeX file, apart."""
    return [entry.strip() for entry in re.split(r"\n\n(?=@)", entries) if entry.strip()]


def minimal(paper: str) -> str:
    """What can be said of a paper known by its number alone."""
    lines = f"  eprint = {{{paper}}},\n  archivePrefix = {{arXiv}}"
    return f"@misc{{arxiv{paper},\n  title = {{arXiv {paper}}},\n{lines}\n}}"
