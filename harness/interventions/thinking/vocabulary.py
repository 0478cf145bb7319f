"""The words of a tokenizer."""

from collections.abc import Callable, Sequence

Spell = Callable[[str], tuple[int, ...]]


def one_word(text: str, spelled: Spell) -> bool:
    """Whether a text is one token and holds a letter."""
    return any(map(str.isalpha, text)) and len(spelled(text)) == 1


def vocabulary(
    size: int, spelled: Spell, written: Callable[[Sequence[int]], str]
) -> tuple[str, ...]:
    """Every text that is one of the first `size` tokens, exactly, and holds a letter."""
    every = ((token, written([token])) for token in range(size))
    return tuple(
        text for token, text in every if one_word(text, spelled) and token in spelled(text)
    )
