from dataclasses import replace

from dashboards.parts import all_parts, changed_parts
from service.heatmaps.model import CellState
from tests.dashboards import samples

STUDY = samples.summary()


def finish_a_cell(results, optimizer=1):
    heatmap = results.heatmaps[optimizer]
    key, cell = next(item for item in heatmap.cells.items() if item[1].state is CellState.PENDING)
    changed = replace(heatmap, cells={**heatmap.cells, key: replace(cell, state=CellState.RUNNING)})
    heatmaps = (*results.heatmaps[:optimizer], changed, *results.heatmaps[optimizer + 1 :])
    return replace(results, heatmaps=heatmaps)


def test_without_a_before_all_changed():
    results = samples.complete()
    assert changed_parts(None, (STUDY, results)) == all_parts(results)
    assert "panel:adam-lpwd" in all_parts(results)


def test_nothing_changed():
    assert changed_parts((STUDY, samples.partial()), (STUDY, samples.partial())) == ()


def test_a_cell_changes_its_own_panel_only():
    before = samples.partial()
    after = finish_a_cell(before)
    assert changed_parts((STUDY, before), (STUDY, after)) == ("panel:adam-l2",)


def test_a_new_domain_changes_every_panel_and_the_legend():
    before = samples.partial()
    after = replace(before, domain=(0.5, 0.6))
    panels = {f"panel:{optimizer}" for optimizer in samples.TITLES}
    assert set(changed_parts((STUDY, before), (STUDY, after))) == panels | {"legend"}


def test_the_first_cell_in_training_adds_to_the_legend():
    before = samples.empty()
    assert "legend" in changed_parts((STUDY, before), (STUDY, finish_a_cell(before)))


def test_progress_changes_the_header_only():
    results = samples.partial()
    moved = replace(STUDY, progress=0.7, finished=320)
    assert changed_parts((STUDY, results), (moved, results)) == ("header",)


def test_an_end_changes_the_facts_too():
    results = samples.partial()
    ended = replace(STUDY, finished_at=samples.NOW)
    assert changed_parts((STUDY, results), (ended, results)) == ("header", "facts")


def test_rows_and_curves():
    before = samples.complete()
    after = replace(before, robustness=before.robustness[:1], curves=before.curves[:1])
    assert changed_parts((STUDY, before), (STUDY, after)) == ("robustness", "curves")
