"""A second checkpoint of the tiny model."""

from pathlib import Path

import torch

from harness.models.model import Subject


def other_weights(subject: Subject, folder: Path) -> Path:
    """A folder with the subject's weights, noise added, and its tokenizer."""
    place = folder / "trained"
    subject.tokenizer.save_pretrained(place)
    kept = {name: value.clone() for name, value in subject.model.state_dict().items()}
    noise = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for value in subject.model.parameters():
            value.add_(0.1 * torch.randn(value.shape, generator=noise))
        subject.model.save_pretrained(place)
        subject.model.load_state_dict(kept)
    return place
