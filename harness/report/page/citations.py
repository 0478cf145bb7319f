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
    "over problems ({agreement.statistics}), raw and controlled for {counts.controls}; structure "
    "is position, length and headroom at once, all is structure and wording.",
    "Two methods are the same where the disattenuated Spearman correlation lies above "
    "{agreement.verdict.same_spearman} and the topdown correlation (Iman and Conover 1987) above "
    "{agreement.verdict.same_topdown}, both under structure; they name different sentences where "
    "the topdown correlation lies below {agreement.verdict.different}.",
    "Intervals are at level {agreement.confidence} over problems: bias-corrected bootstrap with "
    "{agreement.draws} draws from {agreement.min_problems_bca} problems up, the t interval from "
    "{agreement.min_problems_interval} up, none below.",
    "Top sentences are the best {agreement.top_fraction} of a trace, at "
    "least {agreement.top_least} of them and at most one in {agreement.top_part}.",
    "All of it was made with anchor-harness {versions.anchor-harness} (commit {git}), torch "
    "{versions.torch} and transformers {versions.transformers}.",
)
PAPER = re.compile(r"arXiv (\d{4}\.\d{4,5})")


def methods_text(values: Mapping[str, Any], counts: Mapping[str, Any]) -> str:
    """What was done, with the run's own settings."""
    known = flat({**values, "counts": counts})
    found = (stated(sentence, known) for sentence in SENTENCES)
    return " ".join(sentence for sentence in found if sentence)


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
    """BibTeX of every arXiv paper that these texts name, in their order, then of the statistics."""
    named = dict.fromkeys(paper for text in texts for paper in PAPER.findall(text))
    known, statistics = library()
    return "\n\n".join([*(known.get(paper, minimal(paper)) for paper in named), *statistics])


def library() -> tuple[dict[str, str], list[str]]:
    """The entries of references.bib by arXiv id, and those without: the statistics of any run."""
    path = files("harness") / "report" / "templates" / "references.bib"
    entries = split(path.read_text(encoding="utf-8"))
    found = {entry: re.search(r"eprint = \{(.+?)\}", entry) for entry in entries}
    return (
        {match[1]: entry for entry, match in found.items() if match},
        [entry for entry, match in found.items() if not match],
    )


def split(entries: str) -> Sequence[str]:
    """The entries of a BibTeX file, apart."""
    return [entry.strip() for entry in re.split(r"\n\n(?=@)", entries) if entry.strip()]


def minimal(paper: str) -> str:
    """What is known of a paper known by its number alone."""
    lines = f"  eprint = {{{paper}}},\n  archivePrefix = {{arXiv}}"
    return f"@misc{{arxiv{paper},\n  title = {{arXiv {paper}}},\n{lines}\n}}"
