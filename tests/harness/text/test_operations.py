import pytest

from harness.text.operations import other_operation

RINGS = (("total", "difference"), ("sum", "difference"), ("more", "fewer"))


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("Take the total of both.", "Take the difference of both."),
        ("The difference, then the sum.", "The total, then the difference."),
        ("More apples: how many more?", "Fewer apples: how many fewer?"),
        ("Totally different.", None),
        ("How many?", None),
    ],
)
def test_every_word_gives_way_to_the_next_of_its_first_ring(text: str, made: str | None):
    assert other_operation(text, RINGS) == made


def test_without_rings_there_is_no_other_operation():
    assert other_operation("The total.", ()) is None
