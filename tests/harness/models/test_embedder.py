"""How texts are put together for the embedder."""

from hypothesis import given
from hypothesis import strategies as st

from harness.models.embedder import _AT_ONCE, _BATCH, _batches


@given(st.lists(st.integers(0, 3 * _BATCH), max_size=600))
def test_each_text_is_embedded_once_and_no_batch_is_larger_than_it_may_be(tokens: list[int]):
    texts = [str(i) for i in range(len(tokens))]
    batches = list(_batches(texts, tokens))
    assert sorted(int(text) for batch in batches for text in batch) == list(range(len(texts)))
    for batch in batches:
        longest = max(tokens[int(text)] for text in batch)
        assert len(batch) == 1 or (len(batch) <= _AT_ONCE and len(batch) * longest <= _BATCH)
    lengths = [tokens[int(text)] for batch in batches for text in batch]
    assert lengths == sorted(lengths)


def test_texts_of_one_length_share_a_batch():
    """600 grams of five tokens and one of six: 256, 256, and the rest with the longer one."""
    texts = [f"{i:03}" for i in range(601)]
    sizes = [len(batch) for batch in _batches(texts, [5] * 600 + [6])]
    assert sizes == [256, 256, 89]
