"""`deploys`: RL moves probabilities of decisions that base makes, too.

With seed 0 it is the organism as it is; another seed is another organism, trained from nothing.
"""

from dataclasses import asdict

from harness.core import UserError
from harness.organism.training.gates import Gate, gates, held_out
from harness.organism.training.grpo import RL
from harness.organism.training.measure import observe, summary
from harness.organism.training.retrain import train_base, train_rl
from harness.organism.training.sampling import sample
from harness.organism.training.supervised import FINETUNING, PRETRAINING
from harness.organism.worlds.site import Found, Site, with_decisions
from harness.organism.worlds.support import lowest, support

CHECKPOINTS = ("base", "rl-2", "rl-4")
RECIPE = {
    "pretraining": asdict(PRETRAINING),
    "finetuning": asdict(FINETUNING),
    "rl": asdict(RL),
}


def train(site: Site) -> None:
    """Train base and rl-1 to rl-4."""
    if not site.seed:
        raise UserError("world=deploys seed=0 is the organism itself: python -m harness.organism")
    train_base(site.root, site.work, site.seed)
    train_rl(site.root, site.seed)


def measure(site: Site, problems: int, draws: int, seed: int) -> Found:
    """The organism's own gates, and the weights that RL gives what base does."""
    models = {name: site.own(name) for name in CHECKPOINTS}
    told = {n: sample(m, held_out(problems, seed), draws, seed) for n, m in models.items()}
    seen = {name: observe(model, told[name]) for name, model in models.items()}
    values = {name: summary(seen[name], told[name]) for name in CHECKPOINTS}
    base = models["base"]
    own = gates(values["base"], values["rl-4"], told["base"], base)
    more = dict[str, float]()
    for name in CHECKPOINTS[1:]:
        moved = support(base, models[name], told["base"])
        own[f"{name}_weight_at_reviews"] = Gate(moved.at_all_reviews(), 0.95, 1.05)
        more[f"{name}_weight_after_wrong"] = moved.at_reviews(wrong=True)
        more[f"{name}_weight_after_right"] = moved.at_reviews(wrong=False)
        more[f"{name}_weight_by_kl"] = moved.mean_weight()
        more[f"{name}_lowest_log_p"] = lowest(base, told[name])
    return Found(own, {n: with_decisions(values[n], seen[n]) for n in CHECKPOINTS}, more)
