"""Load: what a kind of work asks of a model, in tokens."""

from dataclasses import astuple, dataclass


@dataclass(frozen=True)
class Load:
    """Work of one kind, in tokens: `prefix` as if no request shared any, `written`, and `read`.

    `shared` is what stays of `prefix` where what is common is computed once. `behind` sums, over
    what is written, the prefix before each token, and `attended` all that stands before it. `read`
    is what the teacher-forced passes read, embeddings of texts aside.
    """

    requests: int = 0
    rollouts: int = 0
    prefix: int = 0
    shared: int = 0
    written: float = 0.0
    behind: float = 0.0
    attended: float = 0.0
    passes: int = 0
    read: float = 0.0

    def __add__(self, other: "Load") -> "Load":
        """Both together."""
        return Load(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    @property
    def before(self) -> float:
        """Mean prefix of a token that is written."""
        return self.behind / self.written

    @property
    def context(self) -> float:
        """Mean number of tokens before one that is written."""
        return self.attended / self.written
