"""Heatmaps and trials over REST, on both databases."""

import csv
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sqlalchemy import update

from service.db.tables.studies import StudyRow, TrialRow
from service.events.repository import announce
from service.queue.results import record
from service.trials import curves
from tests.service import work

STUDIES = "/api/v1/studies"


def score(trial):
    """Best at η = 0.01, λ = 0.1; diverges at η = 0.1 with λ = 1."""
    if (trial.learning_rate, trial.weight_decay) == (0.1, 1.0):
        return None
    off = (trial.learning_rate != 0.01) + (trial.weight_decay != 0.1)
    return 0.95 - 0.1 * off - 0.001 * trial.seed


@pytest.fixture
def trained(database, sent):
    study_id = sent(learning_rates=[0.001, 0.01, 0.1], weight_decays=[0, 0.1, 1], name="A & <b>")
    work.train(database, study_id, score)
    return f"{STUDIES}/{study_id}"


def test_json_holds_maps_rows_and_curves(client, trained):
    body = client.get(f"{trained}/heatmap.json").json()
    assert [one["optimizer"] for one in body["heatmaps"]] == ["adamw", "adam-lpwd"]
    cells = {(c["learning_rate"], c["weight_decay"]): c for c in body["heatmaps"][0]["cells"]}
    assert len(cells) == 9
    best = cells[0.01, 0.1]
    assert best["best"]
    assert best["within_tolerance"]
    assert best["scores"] == pytest.approx([0.94, 0.939], abs=1e-6)
    assert cells[0.1, 1]["state"] == "diverged"
    assert cells[0.1, 1]["mean"] == pytest.approx(0.1)
    assert [len(one["mean"]) for one in body["curves"]] == [2, 2]
    rows = client.get(f"{trained}/robustness").json()
    assert rows == body["robustness"]
    assert rows[0]["best"] == pytest.approx(0.9395)
    assert (rows[0]["learning_rate"], rows[0]["weight_decay"]) == (0.01, 0.1)
    assert rows[0]["diverged"] == 2
    wide = client.get(f"{trained}/robustness", params={"tolerance": 0.16}).json()
    assert wide[0]["area"] > rows[0]["area"]
    shown = client.get(f"{trained}/robustness", params={"split": "validation"}).json()
    assert shown[0]["best"] == pytest.approx(0.9495)


@pytest.mark.parametrize("rows", [1, 7, 36, 37])
def test_however_few_trials_are_read_at_once_none_is_missing(client, trained, monkeypatch, rows):
    monkeypatch.setattr("service.heatmaps.queries.READ_AT_ONCE", rows)
    body = client.get(f"{trained}/heatmap.json").json()
    cells = [cell for one in body["heatmaps"] for cell in one["cells"]]
    assert [len(cell["scores"]) for cell in cells] == [2] * 18


def test_csv_reads_back_to_the_same_cells(client, trained):
    answer = client.get(f"{trained}/heatmap.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert ".csv" in answer.headers["content-disposition"]
    body = client.get(f"{trained}/heatmap.json").json()
    lines = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    cells = [(one["optimizer"], cell) for one in body["heatmaps"] for cell in one["cells"]]
    assert len(lines) == len(cells) == 18
    for line, (optimizer, cell) in zip(lines, cells, strict=True):
        assert line["optimizer"] == optimizer
        for name in ("learning_rate", "weight_decay", "mean", "low", "high"):
            assert float(line[name]) == cell[name]
        assert line["state"] == cell["state"]
        assert int(line["finished"]) == len(cell["scores"])
        assert [float(line["score_1"]), float(line["score_2"])] == cell["scores"]
        assert line["best"] == str(cell["best"])


def test_pictures_are_drawn_and_their_text_is_escaped(client, trained):
    svg = client.get(f"{trained}/heatmap.svg")
    assert svg.headers["content-type"] == "image/svg+xml"
    assert svg.text.startswith("<svg")
    assert "A &amp; &lt;b&gt;" in svg.text
    assert "default-src 'none'" in svg.headers["content-security-policy"]
    assert client.get(f"{trained}/heatmap.svg", params={"theme": "dark"}).text != svg.text
    png = client.get(f"{trained}/heatmap.png", params={"scale": 1})
    assert png.headers["content-type"] == "image/png"
    assert png.content.startswith(b"\x89PNG")


def test_a_study_that_is_not_finished_has_all_of_it(client, database, sent):
    study_id = sent()
    address = f"{STUDIES}/{study_id}"
    for kind in ("json", "csv", "svg", "png"):
        assert client.get(f"{address}/heatmap.{kind}").status_code == 200
    held = work.lease(database)
    keys = work.to_do(database, study_id)
    work.take(database, held, keys)
    before = client.get(f"{address}/robustness").json()
    assert [row["cells_done"] for row in before] == [0, 0]
    seen = [before]
    for start in range(0, 16, 4):
        record(database, held, results=[work.result(key) for key in keys[start : start + 4]])
        seen.append(client.get(f"{address}/robustness").json())
        assert seen[-1] == client.get(f"{address}/heatmap.json").json()["robustness"]
        assert seen[-1] != seen[-2]
    assert [row["cells_done"] for row in seen[-1]] == [4, 4]
    for kind in ("csv", "svg"):
        assert client.get(f"{address}/heatmap.{kind}").status_code == 200


def test_what_the_catalogue_no_longer_has_is_a_conflict_or_a_plain_name(client, database, sent):
    study_id = sent(optimizers=["adamw"])
    work.train(database, study_id)
    (row,) = work.rows(database, StudyRow)
    gone = {**row.spec, "variants": [{**row.spec["variants"][0], "name": "gone", "label": "ours"}]}

    def amend(spec):
        with database.write() as session:
            session.execute(update(StudyRow).values(spec=spec))
            session.execute(update(TrialRow).values(optimizer="gone"))
            announce(session, study_id, ["header"])

    amend(gone)
    (shown,) = client.get(f"{STUDIES}/{study_id}/heatmap.json").json()["heatmaps"]
    assert (shown["title"], len(shown["cells"])) == ("ours", 4)
    amend({**gone, "task": "gone"})
    for form in ("heatmap.json", "heatmap.csv", "robustness", "curves", "report.md"):
        answer = client.get(f"{STUDIES}/{study_id}/{form}")
        assert answer.status_code == 409, form
        assert "install what offers this task" in answer.json()["detail"]
    for whole in ("", "/trials", "/manifest", "/trials.csv"):
        assert client.get(f"{STUDIES}/{study_id}{whole}").status_code == 200, whole
    assert client.get(f"/studies/{study_id}", headers={"Accept": "text/html"}).status_code == 409


def test_trials_are_listed_in_order_and_page_by_page(client, database, sent):
    study_id = sent()
    address = f"{STUDIES}/{study_id}/trials"
    keys = work.to_do(database, study_id)
    whole = client.get(address).json()
    assert [one["key"] for one in whole["items"]] == keys
    assert whole["next_offset"] is None
    seen, offset = [], 0
    while offset is not None:
        page = client.get(address, params={"limit": 5, "offset": offset}).json()
        seen += page["items"]
        offset = page["next_offset"]
    assert seen == whole["items"]
    assert client.get(address, params={"state": "done"}).json()["items"] == []
    assert client.get(address, params={"offset": 10**9}).json()["items"] == []
    work.train(database, study_id, score)
    assert len(client.get(address, params={"state": "done"}).json()["items"]) == 16


def test_a_trial_has_its_curves_and_null_for_what_is_no_number(client, database, sent):
    study_id = sent()
    held = work.lease(database)
    key, other = work.to_do(database, study_id)[:2]
    work.take(database, held, [key])
    odd = work.result(key, 0.75)
    odd.curves[0, 0], odd.curves[1, 1], odd.curves[1, 3] = np.nan, np.inf, np.nan
    record(database, held, results=[odd])
    answer = client.get(f"/api/v1/trials/{key}")
    assert answer.status_code == 200
    body = answer.json()
    assert body["curves"]["train_loss"] == [None, 0.25]
    assert body["curves"]["validation_loss"] == [0.25, None]
    assert body["curves"]["validation_score"] == [0.75, 0.75]
    assert body["validation_loss"] is None
    assert body["test_loss"] is None
    assert body["state"] == "done"
    listed = client.get(f"{STUDIES}/{study_id}/trials").json()["items"][0]
    assert listed.items() < body.items()
    assert set(body) - set(listed) == {"curves", "reproduce", "studies", "last_loss"}
    untrained = client.get(f"/api/v1/trials/{other}").json()
    assert set(untrained["curves"]) == set(body["curves"])
    assert all(curve == [] for curve in untrained["curves"].values())


@given(
    arrays(np.float32, st.tuples(st.integers(0, 30), st.just(5)), elements=st.floats(width=32)),
    st.booleans(),
)
@settings(max_examples=60)
def test_curves_are_unpacked_as_they_were_packed(values, transposed):
    given_ = np.asfortranarray(values) if transposed else values
    back = curves.unpack(curves.pack(given_))
    assert back.dtype == np.float32
    assert np.array_equal(back, values, equal_nan=True)
