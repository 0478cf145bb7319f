"""The stochastic program that writes the traces: a Markov chain whose every step is a sentence."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Literal

from harness.organism.grammar import DECOYS, SLOTS, Words, wordings
from harness.organism.puzzles import OPERATIONS, Puzzle, apply

Phase = Literal["setup", "plan", "exec", "check", "review", "redo", "final", "done"]
Step = tuple[int, str]  # stage, operation asked for
Choice = tuple[int, str, str]  # stage, operation asked for, operation chosen

P_PLAN_RIGHT, P_BACK_IF_WRONG, P_BACK_IF_RIGHT, P_REDO_RIGHT = 0.6, 0.5, 0.05, 0.9
LOOPS: Mapping[Phase, Mapping[str, float]] = {
    "plan": {"LEXICAL": 0.09, "ENTROPIC": 0.07, "NEUTRAL": 0.06, "STYLE": 0.08},
    "exec": {"LEXICAL": 0.05, "ENTROPIC": 0.03, "NEUTRAL": 0.03, "STYLE": 0.04},
    "check": {"LEXICAL": 0.05, "ENTROPIC": 0.03, "NEUTRAL": 0.03, "STYLE": 0.04},
    "redo": {"LEXICAL": 0.05, "ENTROPIC": 0.03, "NEUTRAL": 0.03, "STYLE": 0.04},
    "final": {"LEXICAL": 0.06, "ENTROPIC": 0.05, "NEUTRAL": 0.04, "STYLE": 0.05, "RECAP": 0.3},
}


@dataclass(frozen=True)
class State:
    """Where a trace stands: `operation` is the current stage's, `first` the one of stage one."""

    phase: Phase
    stage: int
    operation: str
    first: str


START = State("setup", 1, "", "")


@dataclass(frozen=True)
class Decisions:
    """The probabilities on which answers rest, nominal or measured of a model.

    `loop`: a decoy's share where one may stand, by phase and stage. `plan`: the operation chosen.
    `back`: the review sends back. `redo`: the operation it then names.
    """

    loop: Mapping[tuple[str, int], float]
    plan: Mapping[Step, Mapping[str, float]]
    back: Mapping[Choice, float]
    redo: Mapping[Choice, Mapping[str, float]]


def choices() -> Iterator[Choice]:
    """Every stage with every operation asked for and chosen."""
    for stage in (1, 2):
        for asked in OPERATIONS:
            yield from ((stage, asked, chosen) for chosen in OPERATIONS)


def _redo_shares(asked: str, chosen: str) -> dict[str, float]:
    others = [o for o in OPERATIONS if o != chosen]
    if chosen == asked:
        return dict.fromkeys(others, 0.5)
    return {o: P_REDO_RIGHT if o == asked else 1 - P_REDO_RIGHT for o in others}


@lru_cache(maxsize=1)
def nominal() -> Decisions:
    """What the program itself does."""
    wrong = (1 - P_PLAN_RIGHT) / (len(OPERATIONS) - 1)
    return Decisions(
        loop={
            (phase, stage): sum(kinds.values())
            for phase, kinds in LOOPS.items()
            for stage in (1, 2)
            if (phase, stage) != ("final", 1)
        },
        plan={
            (stage, asked): {o: P_PLAN_RIGHT if o == asked else wrong for o in OPERATIONS}
            for stage in (1, 2)
            for asked in OPERATIONS
        },
        back={c: P_BACK_IF_RIGHT if c[1] == c[2] else P_BACK_IF_WRONG for c in choices()},
        redo={c: _redo_shares(c[1], c[2]) for c in choices()},
    )


@dataclass(frozen=True)
class Option:
    """A sentence that may come next: its kind and meaning, its words, where it leads, how likely.

    `operation` is what the sentence names or carries out, or the step a recap is about.
    """

    kind: str
    operation: str
    words: tuple[str, ...]
    after: State
    p: float


@cache
def options(state: State, asked: tuple[str, str]) -> tuple[Option, ...]:
    """Every sentence the program may write next; `asked` are the problem's two operations."""
    loops = LOOPS.get(state.phase, {})
    stay = [
        option
        for kind, p in loops.items()
        for source in (("one", "two") if kind == "RECAP" else ("",))
        for option in _worded(_decoy_wordings(kind, source, state), kind, source, state, p)
    ]
    go = 1 - sum(loops.values())
    moves = [
        option
        for kind, operation, after, p in _moves(state, asked)
        for option in _worded(
            _move_wordings(kind, operation, state, asked), kind, operation, after, go * p
        )
    ]
    share = 0.5 if loops.get("RECAP") else 1.0
    return tuple(replace(o, p=o.p * (share if o.kind == "RECAP" else 1)) for o in (*stay, *moves))


def _worded(
    forms: tuple[Words, ...], kind: str, operation: str, after: State, p: float
) -> Iterator[Option]:
    return (Option(kind, operation, w.words, after, p * w.share) for w in forms)


def _decoy_wordings(kind: str, source: str, state: State) -> tuple[Words, ...]:
    if kind != "RECAP":
        return wordings(kind)
    step, operation = (1, state.first) if source == "one" else (2, state.operation)
    return wordings(kind, step=step, operation=operation)


def _move_wordings(
    kind: str, operation: str, state: State, asked: tuple[str, str]
) -> tuple[Words, ...]:
    if kind in {"SETUP", "KEEP", "RESULT"}:
        return wordings(kind)
    cue = asked[state.stage - 1] if kind in {"PLAN", "CHECK"} else ""
    return wordings(kind, step=state.stage, cue=cue, operation=operation)


def _moves(state: State, asked: tuple[str, str]) -> Iterator[tuple[str, str, State, float]]:
    """Kind, operation, next state and probability of what moves the trace on."""
    wanted = asked[state.stage - 1]
    match state.phase:
        case "plan":
            for o, p in nominal().plan[state.stage, wanted].items():
                yield "PLAN", o, replace(state, phase="exec", operation=o), p
        case "review":
            choice = (state.stage, wanted, state.operation)
            back = nominal().back[choice]
            yield "KEEP", "", onward(state), 1 - back
            for o, p in nominal().redo[choice].items():
                yield "BACK", o, replace(state, phase="redo", operation=o), back * p
        case "done":
            return
        case phase:
            kind = {"setup": "SETUP", "check": "CHECK", "final": "RESULT"}.get(phase, "EXEC")
            operation = state.operation if kind in {"EXEC", "CHECK"} else ""
            yield kind, operation, onward(state), 1.0


def onward(state: State) -> State:
    """The state after the sentence that has no alternative, or after a review that keeps."""
    following: dict[str, Phase] = {
        "setup": "plan",
        "exec": "check",
        "check": "review",
        "final": "done",
    }
    if state.phase in following:
        return replace(state, phase=following[state.phase])
    if state.stage == 1:
        return State("plan", 2, "", state.operation)
    return replace(state, phase="final")


def results(puzzle: Puzzle, state: State) -> tuple[int | None, int | None]:
    """The results of step one and of step two as far as the state's operations fix them."""
    a, b, c = puzzle.counts
    first = state.first if state.stage == 2 else state.operation
    one = apply(first, a, b) if first else None
    two = state.stage == 2 and state.operation and one is not None
    return one, apply(state.operation, one, c) if two and one is not None else None


def fill(puzzle: Puzzle, state: State) -> dict[str, str]:
    """What stands in the slots of a sentence that leads to `state`."""
    one, two = results(puzzle, state)
    values = zip(SLOTS, (*puzzle.counts, one, two), strict=True)
    return {slot: f" {value}" for slot, value in values if value is not None}


def write(option: Option, puzzle: Puzzle) -> str:
    """A sentence as text, with the space before its first word."""
    slots = fill(puzzle, option.after)
    return "".join(slots[w.strip()] if "{" in w else w for w in option.words)


def is_decoy(kind: str) -> bool:
    """Whether sentences of a kind carry nothing."""
    return kind in DECOYS
