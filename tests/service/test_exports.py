"""Results as files, and what a client is told that has them already; on both databases."""

import csv
import io
import json
import threading

import pyarrow.parquet as pq
import pytest
import vl_convert

from service.queue.results import record
from tests.service import work

STUDIES = "/api/v1/studies"
HEATMAPS = ("json", "csv", "parquet", "svg", "png", "pdf", "vl.json")
TAGGED = (*(f"heatmap.{kind}" for kind in HEATMAPS), "robustness", "curves", "trials.csv")


def score(trial):
    """One cell diverges, and one seed of another."""
    if (trial.learning_rate, trial.weight_decay) == (0.01, 0.1):
        return None
    return 0.9 - 0.01 * trial.seed


@pytest.fixture
def trained(database, sent):
    study_id = sent(name="A & <b>, ünïcode")
    work.train(database, study_id, score)
    return f"{STUDIES}/{study_id}"


def table(client, address):
    answer = client.get(address)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    found = pq.read_table(io.BytesIO(answer.content))
    return found, json.loads(found.schema.metadata[b"lpwd"])


def test_parquet_has_the_cells_of_the_json_with_their_types(client, trained):
    found, about = table(client, f"{trained}/heatmap.parquet?split=validation&tolerance=0.02")
    body = client.get(f"{trained}/heatmap.json?split=validation&tolerance=0.02").json()
    assert about["study"] == trained.rpartition("/")[2]
    assert about["name"] == "A & <b>, ünïcode"
    assert about["metric"] == body["metric"]
    assert about["tolerance"] == 0.02
    assert about["format"] == 1
    assert set(about["versions"]) == {"lpwd", "engine"}
    cells = [(one["optimizer"], cell) for one in body["heatmaps"] for cell in one["cells"]]
    rows = found.to_pylist()
    assert len(rows) == len(cells) == 8
    for row, (optimizer, cell) in zip(rows, cells, strict=True):
        assert row.pop("optimizer") == optimizer
        assert row.pop("finished") == len(cell["scores"])
        assert row == {name: cell[name] for name in row}
    assert str(found.schema.field("mean").type) == "double"
    assert str(found.schema.field("best").type) == "bool"


def test_a_cell_without_a_score_is_null_in_parquet(client, sent):
    found, _ = table(client, f"{STUDIES}/{sent()}/heatmap.parquet")
    assert {row["mean"] for row in found.to_pylist()} == {None}
    assert {row["state"] for row in found.to_pylist()} == {"pending"}


def test_trials_have_a_row_each_in_csv_and_parquet(client, trained):
    answer = client.get(f"{trained}/trials.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    lines = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    found, about = table(client, f"{trained}/trials.parquet")
    assert about["name"] == "A & <b>, ünïcode"
    rows = found.to_pylist()
    listed = client.get(f"{trained}/trials").json()["items"]
    assert len(lines) == len(rows) == len(listed) == 16
    for line, row, trial in zip(lines, rows, listed, strict=True):
        assert line["key"] == row["key"] == trial["key"]
        assert row["label"] == trial["optimizer"]
        assert json.loads(row["hyperparameters"]) == trial["hyperparameters"]
        assert row["finished_at"].isoformat() == line["finished_at"]
        for name in ("learning_rate", "test_score", "state", "reason", "seconds", "device"):
            assert row[name] == trial[name]
            assert line[name] == ("" if trial[name] is None else str(trial[name]))


def test_pdf_and_vega_lite_are_the_figure(client, trained):
    pdf = client.get(f"{trained}/heatmap.pdf")
    assert pdf.headers["content-type"] == "application/pdf"
    assert pdf.content.startswith(b"%PDF-")
    light, dark = (
        client.get(f"{trained}/heatmap.vl.json", params={"theme": theme})
        for theme in ("light", "dark")
    )
    assert light.headers["content-type"] == "application/vnd.vegalite.v5+json"
    spec = light.json()
    assert spec["$schema"] == "https://vega.github.io/schema/vega-lite/v5.json"
    assert "A & <b>, ünïcode" in spec["title"]["text"]
    assert "url" not in light.text.replace("$schema", "")  # nothing is fetched from elsewhere
    assert vl_convert.vegalite_to_svg(light.text, vl_version="5.20").startswith("<svg")
    assert dark.json()["background"] != spec["background"]


def test_who_has_an_answer_is_told_that_it_holds_until_the_study_changes(client, database, sent):
    study_id = sent()
    seen = {}
    for name in TAGGED:
        address = f"{STUDIES}/{study_id}/{name}"
        first = seen[address] = client.get(address)
        etag = first.headers["etag"]
        assert etag.startswith('"')
        assert first.headers["cache-control"] == "private, no-cache"
        assert client.get(address).content == first.content
        again = client.get(address, headers={"If-None-Match": f'"other", W/{etag}'})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == etag
        assert again.headers["cache-control"] == "private, no-cache"
        assert client.get(address, headers={"If-None-Match": "*"}).status_code == 304
        assert client.get(address, headers={"If-None-Match": '"other"'}).status_code == 200
    assert len({first.headers["etag"] for first in seen.values()}) == len(TAGGED)
    work.train(database, study_id)
    for address, first in seen.items():
        changed = client.get(address, headers={"If-None-Match": first.headers["etag"]})
        assert changed.status_code == 200
        assert changed.headers["etag"] != first.headers["etag"]
        assert changed.content != first.content


def test_other_parameters_have_another_tag(client, trained):
    tags = [
        client.get(f"{trained}/heatmap.{wanted}").headers["etag"].strip('"').removesuffix("-gzip")
        for wanted in (
            "json", "json?split=validation", "json?tolerance=0.02", "csv", "svg", "svg?theme=dark",
            "png", "png?scale=1", "vl.json", "vl.json?theme=dark",
        )
    ]  # fmt: skip
    assert len(set(tags)) == len(tags)


def test_compressed_and_plain_forms_have_tags_of_their_own(client, trained):
    address = f"{trained}/heatmap.json"
    plain = client.get(address, headers={"Accept-Encoding": "identity"})
    zipped = client.get(address, headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert zipped.headers["content-encoding"] == "gzip"
    assert plain.json() == zipped.json()
    assert plain.headers["etag"] != zipped.headers["etag"]
    assert plain.headers["vary"] == zipped.headers["vary"] == "Accept-Encoding"
    for one in (plain, zipped):
        same = client.get(address, headers={"If-None-Match": one.headers["etag"]})
        assert (same.status_code, same.headers["etag"]) == (304, one.headers["etag"])
    for kind in ("png", "pdf", "parquet"):
        answer = client.get(f"{trained}/heatmap.{kind}", headers={"Accept-Encoding": "gzip"})
        assert "content-encoding" not in answer.headers


def test_every_answer_is_as_new_as_its_question(client, database, sent):
    study_id = sent()
    held = work.lease(database)
    keys = work.to_do(database, study_id)
    work.take(database, held, keys)
    for count, key in enumerate(keys, 1):
        record(database, held, results=[work.result(key)])
        rows = client.get(f"{STUDIES}/{study_id}/heatmap.json").json()["heatmaps"]
        assert sum(len(cell["scores"]) for one in rows for cell in one["cells"]) == count


def test_many_at_once_get_the_same(client, trained):
    found = []

    def ask():
        found.append(client.get(f"{trained}/heatmap.json").content)

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 12
    assert len(set(found)) == 1


def test_an_unknown_study_has_no_files(client):
    for name in (*TAGGED, "trials.parquet"):
        for study_id in ("f" * 12, "no-such"):
            answer = client.get(f"{STUDIES}/{study_id}/{name}", headers={"If-None-Match": "*"})
            assert answer.status_code == 404
            assert answer.json()["type"] == "urn:lpwd:problem:not-found"


def test_a_deleted_study_is_gone_although_its_answers_were_kept(client, trained):
    assert client.get(f"{trained}/heatmap.json").status_code == 200
    client.delete(trained)
    assert client.get(f"{trained}/heatmap.json").status_code == 404


def test_trials_of_a_search_have_no_label(client, database, study):
    search = {
        "mode": "search",
        "task": "digits-mlp",
        "optimizers": ["adamw"],
        "seeds": 1,
        "budget": {"points": 2, "epochs": 1},
    }
    study_id = client.post(STUDIES, json=search).json()["study"]["id"]
    answer = client.get(f"{STUDIES}/{study_id}/trials.csv")
    assert len(answer.text.splitlines()) == 1
    refused = client.get(f"{STUDIES}/{study_id}/heatmap.parquet")
    assert refused.status_code == 409
    assert "is a search" in refused.json()["detail"]


def test_a_trial_has_a_tag_that_changes_with_it(client, database, sent):
    study_id = sent()
    address = f"/api/v1/trials/{work.to_do(database, study_id)[0]}"
    first = client.get(address)
    etag = first.headers["etag"]
    assert client.get(address, headers={"If-None-Match": etag}).status_code == 304
    work.train(database, study_id)
    after = client.get(address, headers={"If-None-Match": etag})
    assert after.status_code == 200
    assert after.json()["state"] == "done"
