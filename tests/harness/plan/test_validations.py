"""What a plan says that validations will take, counted by hand."""

import pytest

from harness.cli.checks import composed_jobs
from harness.plan.estimate import worked
from harness.plan.forecast import forecast
from harness.plan.validations import Priced, validations

pytestmark = pytest.mark.slow

LINE = (
    "problems.limit=4", "problems.reference=5", "sampling.draws=4", "sampling.chunk=3",
    "plan.tokens=100", "plan.sentences=10", "run=r", "validate.sceptic.draws=2",
    "validate.recycle.words.given=[so]", "validate.recycle.draws=2",
    "validate.deletion.sentences=[1]", "validate.deletion.shares=[0.5]",
    "validate.deletion.draws=2",
)  # fmt: skip


@pytest.fixture(scope="module")
def priced(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Priced]:
    """Those of a run that was never made: four traces of ten sentences of ten tokens."""
    results = tmp_path_factory.mktemp("priced")
    chosen = "+validate=[sceptic,recycle,deletion,scale,stability,replica]"
    line = ["method=[resampling_plain,attention]", *LINE, chosen, f"results={results}"]
    (job,) = composed_jobs(line).jobs
    work, _ = worked(job)
    found = {one.name: one for one in validations(job, work, forecast(work))}
    assert list(results.iterdir()) == []  # nothing is written
    return found


def test_what_learns_is_asked_as_if_it_had_learnt(priced: dict[str, Priced]):
    again = priced["recycle"].loads["rollouts"]  # once, at thinking words, at others
    assert (again.requests, again.rollouts, again.written) == (4 * 3, 4 * 3 * 2, 4 * 3 * 2 * 100)


def test_what_the_run_draws_itself_is_not_counted_again(priced: dict[str, Priced]):
    # behind the whole trace, the traces of up to two others and the fillers that can be spelled; of
    # sentences that are all alike there is one order, and none has a number to mistake
    loads = priced["sceptic"].loads
    assert 4 * 2 * (1 + 1) <= loads["rollouts"].rollouts <= 4 * 2 * (1 + 2 + 2)
    assert loads["texts behind boundaries"].passes >= 4
    # the other checkpoint draws anew what resampling draws: 11 boundaries, 4 of 4 draws
    assert priced["stability"].loads["rollouts"].rollouts == 4 * 11 * 4


def test_a_replica_draws_a_share_of_the_traces_again(priced: dict[str, Priced]):
    rollouts = priced["replica"].loads["rollouts"]  # two traces, 11 boundaries, 4 in chunks of 3
    assert (rollouts.requests, rollouts.rollouts) == (2 * 11 * 2, 2 * 11 * 4)


def test_a_set_of_sentences_is_read_from_the_first_that_is_gone(priced: dict[str, Priced]):
    (load,) = priced["deletion"].loads.values()
    assert load.requests == load.rollouts == 0
    # a plain pass of each trace and at least one that packs; of each set no more than the trace
    assert load.passes >= 4 + 4
    assert 4 * 100 < load.read < 4 * 400 * 100


def test_why_one_cannot_be_had_is_said(priced: dict[str, Priced]):
    assert priced["scale"].loads == {}
    assert "needs the peaks of method=[mi]" in priced["scale"].reason
