"""A small form of the campaign: hostile texts on a page are shown and nothing else."""

from pathlib import Path

import pytest

from harness.core import UserError
from tests.browser.opening import launched
from tests.campaign.page import opening as pages
from tests.campaign.page.hostile import EVERY, texts

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_a_hostile_text_is_inert_and_its_row_opens(tmp_path: Path):
    try:
        with launched():
            pass
    except UserError as missing:
        pytest.skip(str(missing))
    found = list(pages.campaign(tmp_path / "<i>run", 12))
    assert found == [pages.GOOD] * 13


def test_there_are_a_hundred_texts_and_few_take_their_share():
    assert len(set(EVERY)) == len(EVERY) >= 100
    assert len(set(texts(100))) == 100
    assert len(set(texts(12))) == 12
