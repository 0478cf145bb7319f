"""What a detector may want of a model's insides, and of another model behind an endpoint."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from harness.core.errors import UserError
from harness.core.want import Want


@dataclass(frozen=True, eq=False)
class Reached:
    """How far each head looks back, and what it looks back to, NaN in a layer without attention.

    `distance` is the mean over the trace's tokens of the weighted mean distance in tokens;
    `windowed` the same a sentence with distances cut at a window; `received` the mean weight that a
    sentence's tokens get from tokens some way behind, NaN where there are none.
    """

    distance: Float[np.ndarray, "layers heads"]
    windowed: Float[np.ndarray, "layers heads sentences"]
    received: Float[np.ndarray, "layers heads sentences"]


@dataclass(frozen=True)
class Reach(Want[Reached]):
    """Wanted: distances of attention by head, from one pass whose weights are written out.

    Distances are cut at `window` tokens; weights count from `near` to `far` tokens behind a token,
    None = up to the end. `checkpoint` names whose attention, as a condition does.
    """

    window: int
    near: int
    far: int | None
    checkpoint: str = ""


@dataclass(frozen=True)
class Lens(Want[Float[np.ndarray, "blocks tokens"]]):
    """Wanted: how far what each block would predict is from what the last one does, token by token.

    Jensen-Shannon divergence in bits, from 0 to 1, between the next-token distributions that the
    model's last norm and head make of the states behind a block and of those behind the last one,
    which is left out. Row t belongs to token t, as in a `Reading`.
    """

    checkpoint: str = ""


@dataclass(frozen=True)
class Gradient(Want[Float[np.ndarray, " tokens"]]):
    """Wanted: input gradient times embedding of each token, for a text forced behind the trace.

    `of` joint: of the mean log p of the text's tokens, less that under noise; kl: of KL(plain ||
    noisy) of the softmax of the mean of the logits that predict them. `noise` is the standard
    deviation of what is added to the embeddings of the trace, drawn with `seed`. NaN behind the
    reasoning. One forward and one backward pass; kl needs a plain one beside them.
    """

    text: str
    append: str
    of: Literal["joint", "kl"]
    noise: float
    seed: int
    checkpoint: str = ""

    @property
    def passes(self) -> int:
        """How many it takes, forward and back."""
        return 3 if self.of == "kl" else 2

    def __post_init__(self) -> None:
        if self.of == "kl" and not self.noise > 0:
            raise UserError("gradient: KL of a pass to itself has no gradient; noise must be > 0")


@dataclass(frozen=True)
class Reply:
    """What an endpoint says, and the tokens it read and wrote; `fault`: why it says nothing."""

    text: str
    tokens: int
    fault: str = ""


@dataclass(frozen=True)
class Ask(Want[Reply]):
    """Wanted: the reply of an OpenAI-compatible endpoint to one message, asked once a run.

    `url` ends before /chat/completions, `key` names the environment variable with the API key, ""
    for none. `most` caps the tokens of the reply; at `budget` tokens, read and written by all
    replies of the run, nothing more is asked. One that fails says so in `fault`.
    """

    url: str
    model: str
    key: str
    message: str
    most: int
    timeout: float
    budget: int
