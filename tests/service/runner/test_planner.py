"""What a runner plans while its study grows."""

from service.runner.checkpoints import Checkpoints
from service.runner.planner import Planner
from service.runner.sizing import PackSizes
from service.studies import actions, repository
from service.studies.action_schemas import StudyExtension
from service.studies.extension import extended
from tests.service import work


def test_trials_added_in_training_are_planned_with_their_labels(database, sent, tmp_path):
    study_id = sent(seeds=1)
    held = work.lease(database)
    sizes = PackSizes(ceiling=4, memory_share=0.5)
    planner = Planner(database, held, sizes, Checkpoints(tmp_path, most_bytes=10**6))
    planner.learn(None)
    assert planner.plan(1) is None
    first = set()
    while (run := planner.next()) is not None:
        first |= set(run.keys)
        work.record(database, held, results=[work.result(key) for key in run.keys])
    assert len(first) == 8
    with database.write() as session:
        study = repository.row(session, study_id)
        before, spec = study.spec, repository.load_spec(session, study_id)
        wider = StudyExtension.model_validate({"seeds": 2, "optimizers": ["adam-l2"]})
        found = extended(spec, wider, max_trials=1000)
        assert actions.extend(session, study_id, before, found)
    planner.plan(1)
    planner.learn(None)  # of the optimizers that it has now
    assert planner.plan(1) is None
    labels, keys = set(), set()
    while (run := planner.next()) is not None:
        labels |= {planner.label(trial) for trial in run.pack.trials}
        keys |= set(run.keys)
        work.record(database, held, results=[work.result(key) for key in run.keys])
    assert labels == {"adamw", "adam-lpwd", "adam-l2"}
    assert len(keys) == 16
    assert not keys & first
    assert not planner.outdated()
    with database.write() as session:
        assert held.finish(session) == "done"
