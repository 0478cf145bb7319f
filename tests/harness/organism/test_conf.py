from hydra import compose, initialize_config_module

from harness.core.config import build, target
from harness.evidence.sampling import Sampling
from harness.models.model import Model
from harness.organism import Organism


def test_the_model_brings_its_problems_and_its_temperature():
    with initialize_config_module("conf", version_base=None):
        config = compose("config", overrides=["model=organism"])
    problems = target(config.problems, "problems")
    assert isinstance(problems, Organism)
    sampling = build(Sampling, config.sampling, "sampling")
    assert (sampling.temperature, sampling.top_p) == (1.0, 1.0)
    model = build(Model, config.model, "model")
    assert model.name == "organism"
    assert config.run == "organism-organism"
