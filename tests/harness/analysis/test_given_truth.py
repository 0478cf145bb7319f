from harness.analysis.given_truth import given_truth

LEXICON = {"rl_entropy": {"lexicon": ["so I will add"]}}


def test_a_lexicon_is_the_truth_only_where_the_truth_is_known():
    assert list(given_truth({"method": LEXICON}, known=True)) == ["rl_entropy"]
    assert given_truth({"method": LEXICON}, known=False) == {}


def test_options_of_later_jobs_count_and_those_of_the_method_come_first():
    mined = {"rl_entropy": {"lexicon": None}}
    assert list(given_truth({"options": LEXICON}, known=True)) == ["rl_entropy"]
    assert given_truth({"options": LEXICON, "method": mined}, known=True) == {}


def test_how_to_undo_it_is_an_override():
    told = given_truth({"method": LEXICON}, known=True)
    assert told["rl_entropy"].startswith("options.rl_entropy.lexicon=null")


def test_a_run_without_methods_has_none():
    assert given_truth({}, known=True) == given_truth({"method": None}, known=True) == {}
