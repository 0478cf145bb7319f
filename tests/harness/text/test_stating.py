import pytest

from harness.text.stating import states


@pytest.mark.parametrize(
    ("text", "answer", "found"),
    [
        ("So it is 72.", "72", True),
        ("So it is $72.00 in all.", "72", True),
        ("That makes 1,200 apples.", "1200", True),
        ("There are 172 or 7 of them.", "72", False),
        ("It is 7.2, not more.", "72", False),
        ("Half of it: 3/4.", "0.75", True),
        ("The colour is red.", "Red", True),
        ("They are coloured.", "red", False),
        ("So it is 72.", "<none>", False),
        ("Nothing here.", "", False),
    ],
)
def test_a_number_counts_by_value_and_words_as_they_are(text: str, answer: str, found: bool):
    assert states(text, answer) is found
