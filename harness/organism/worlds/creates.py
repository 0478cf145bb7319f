"""`creates`: base never goes back; its second checkpoint was taught to.

base is the organism's with two rows of its output matrix moved, so that the first words of BACK
have no probability. `taught` is the organism's base trained on towards a program that sends wrong
plans back.
"""

from dataclasses import asdict, replace

import numpy as np
import torch

from harness.organism.grammar import kinds_by_first_word
from harness.organism.model import save
from harness.organism.tokens import ids
from harness.organism.training.gates import Gate, held_out
from harness.organism.training.measure import observe, summary
from harness.organism.training.retrain import seeded
from harness.organism.training.rows import Row
from harness.organism.training.sampling import sample
from harness.organism.training.supervised import FINETUNING, Training
from harness.organism.worlds.head import fit, states
from harness.organism.worlds.site import Found, Site, training_problems, with_decisions
from harness.organism.worlds.support import lowest, support

CHECKPOINTS = ("base", "taught")
TRACES, SEED = 900, 5
ODDS = -19.0  # log-odds of each first word of BACK, at most
BACK_IF_WRONG, BACK_IF_RIGHT = 0.97, 0.02
TAUGHT = replace(
    FINETUNING,
    seed=2,
    steps=60,
    bucket=20,
    warmup=5,
    decay_from=0.5,
    exercise_share=(0.25, 0.25),
    save_every=20,
)
RECIPE = {
    "traces": TRACES,
    "odds": ODDS,
    "back_if_wrong": BACK_IF_WRONG,
    "back_if_right": BACK_IF_RIGHT,
    "taught": asdict(TAUGHT),
}


def train(site: Site) -> None:
    """Make `taught`, then base: read on the traces of both it must not go back."""
    if site.lacks("taught"):
        config = seeded(TAUGHT, site.seed)
        training = Training(site.base().train(), config, site.work / "taught.pt", sent_back)
        save(training.run(), site.root / "taught")
    if site.lacks("base"):
        model, taught = site.base(), site.own("taught")
        problems = training_problems(TRACES, SEED)
        told = [s for writer in (model, taught) for s in sample(writer, problems, 1, SEED)]
        hidden = states(model, [s.tokens[:-1] for s in told])  # nothing is drawn behind the end
        fit(model, first_words("BACK"), hidden.states, lambda o: (o - ODDS).clamp(min=0))
        save(model, site.root / "base")


def first_words(kind: str) -> list[int]:
    """The tokens that sentences of a kind begin with."""
    return [ids()[word] for word, named in kinds_by_first_word().items() if named == kind]


def sent_back(row: Row) -> Row:
    """The same row where reviews send nearly every wrong plan back, and hardly a right one."""
    back, keep = first_words("BACK"), first_words("KEEP")
    is_back, is_keep = np.isin(row.token, back), np.isin(row.token, keep)
    p = row.p.copy()
    for at in np.unique(row.at[is_back]):
        here = row.at == at
        was = row.p[here & is_back].sum()
        now = BACK_IF_WRONG if was > 0.25 else BACK_IF_RIGHT
        p[here & is_back] *= now / was
        p[here & is_keep] *= (1 - now) / (1 - was)
    return replace(row, p=p)


def measure(site: Site, problems: int, draws: int, seed: int) -> Found:
    """What base gives BACK anywhere, and how far `taught` leaves what base does.

    Anywhere is where base writes, and where `taught` writes what the program could have written.
    """
    base, taught = site.own("base"), site.own("taught")
    told = {
        name: sample(model, held_out(problems, seed), draws, seed)
        for name, model in (("base", base), ("taught", taught))
    }
    seen = {"base": observe(base, told["base"]), "taught": observe(taught, told["taught"])}
    values = {name: summary(seen[name], told[name]) for name in CHECKPOINTS}
    moved = support(base, taught, told["base"])
    valid = [s for s in told["taught"] if s.steps is not None]
    hidden = states(base, [s.tokens[:-1] for s in [*told["base"], *valid]])
    with torch.no_grad():
        p = base.lm_head(hidden.states).softmax(-1)[:, first_words("BACK")].sum(-1)
    accuracy = values["taught"]["accuracy"] - values["base"]["accuracy"]
    gates = {
        "p_back_anywhere": Gate(float(p.max()), -1, 1e-6),
        "weight_after_wrong": Gate(moved.at_reviews(wrong=True), -1, 0.1),
        "weight_by_kl": Gate(moved.mean_weight(), -1, 0.3),
        "accuracy_difference": Gate(accuracy, 0.15, 1.01),
        "validity": Gate(values["base"]["validity"], 0.97, 1.01),
        "taught_validity": Gate(values["taught"]["validity"], 0.95, 1.01),
        "plan_variation": Gate(values["base"]["plan_variation"], -1, 0.03),
        "execute_correct": Gate(values["base"]["execute_correct"], 0.995, 1.01),
    }
    more = {
        "weight_after_right": moved.at_reviews(wrong=False),
        "lowest_log_p": lowest(base, told["taught"]),
    }
    return Found(gates, {n: with_decisions(values[n], seen[n]) for n in CHECKPOINTS}, more)
