"""Optimizers against a reference, over REST and on the page, on both databases."""

import csv
import io

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from tests.service import work

STUDIES = "/api/v1/studies"
FORMS = ("json", "csv", "svg", "png", "pdf", "vl.json")


def scored(ahead):
    """LPWD is `ahead` of AdamW in every cell, but for a wobble of the seeds."""

    def score(trial):
        base = 0.8 - 0.2 * (trial.weight_decay == 0.1) - 0.001 * trial.seed
        extra = ahead + 0.002 * ((trial.seed * 7) % 3) if trial.optimizer == "adam-lpwd" else 0.0
        return base + extra

    return score


def trained(database, sent, ahead, **changes):
    study_id = sent(name="A & <b>", **changes)
    work.train(database, study_id, scored(ahead))
    return f"{STUDIES}/{study_id}"


def test_differences_are_paired_over_seeds(client, database, sent):
    address = trained(database, sent, 0.05, seeds=3)
    body = client.get(f"{address}/comparison").json()
    assert (body["reference"], body["reference_title"], body["seeds"]) == ("adamw", "AdamW", 3)
    (one,) = body["optimizers"]
    assert one["optimizer"] == "adam-lpwd"
    differences = np.array([0.05, 0.052, 0.054])
    expected = ttest_1samp(differences, 0).confidence_interval()
    assert len(one["cells"]) == 4
    for cell in one["cells"]:
        assert cell["difference"] == pytest.approx(0.052, abs=1e-6)
        assert cell["low"] == pytest.approx(expected.low, abs=1e-6)
        assert cell["high"] == pytest.approx(expected.high, abs=1e-6)
        assert (cell["seeds"], cell["better"], cell["significant"]) == (3, True, False)
        assert cell["p"] == 0.25
    best, width, area = one["measures"]
    assert (best["measure"], width["measure"], area["measure"]) == ("best", "width", "area")
    assert best["difference"] == pytest.approx(0.052, abs=1e-6)
    assert not best["significant"]
    assert area["difference"] == 0
    back = client.get(f"{address}/comparison?reference=adam-lpwd").json()["optimizers"][0]
    assert back["optimizer"] == "adamw"
    assert [c["difference"] for c in back["cells"]] == [-c["difference"] for c in one["cells"]]
    assert not back["cells"][0]["better"]


def test_significance_needs_seeds_and_survives_the_number_of_comparisons(client, database, sent):
    few = trained(database, sent, 0.05, seeds=5, weight_decays=[0.0], learning_rates=[0.01])
    cell = client.get(f"{few}/comparison").json()["optimizers"][0]["cells"][0]
    assert cell["low"] > 0
    assert not cell["significant"]
    many = trained(database, sent, 0.05, seeds=8, weight_decays=[0.0], learning_rates=[0.01])
    one = client.get(f"{many}/comparison").json()["optimizers"][0]
    assert one["cells"][0]["p"] == 2 / 256
    assert one["cells"][0]["significant"]
    assert one["measures"][0]["significant"]
    wide = trained(database, sent, 0.05, seeds=8, learning_rates=[0.001, 0.003, 0.01, 0.1])
    cells = client.get(f"{wide}/comparison").json()["optimizers"][0]["cells"]
    assert {cell["p_adjusted"] for cell in cells} == {8 * 2 / 256}
    assert not any(cell["significant"] for cell in cells)


def test_what_is_not_finished_is_not_compared(client, database, sent):
    study_id = sent()
    body = client.get(f"{STUDIES}/{study_id}/comparison").json()
    (one,) = body["optimizers"]
    assert {cell["difference"] for cell in one["cells"]} == {None}
    assert {measure["reason"] for measure in one["measures"]} == {
        "not every trial of both has a result"
    }
    assert client.get(f"{STUDIES}/{study_id}/difference.svg").status_code == 200
    assert 'id="difference"' not in client.get(f"/studies/{study_id}").text


def test_the_map_comes_in_every_form(client, database, sent):
    address = trained(database, sent, -0.05)
    body = client.get(f"{address}/comparison").json()
    for form in FORMS:
        answer = client.get(f"{address}/difference.{form}")
        assert answer.status_code == 200
        same = client.get(
            f"{address}/difference.{form}", headers={"If-None-Match": answer.headers["etag"]}
        )
        assert same.status_code == 304
        other = client.get(f"{address}/difference.{form}?reference=adam-lpwd")
        assert other.headers["etag"] != answer.headers["etag"]
    assert client.get(f"{address}/difference.json").json() == body
    text = client.get(f"{address}/difference.csv").text
    lines = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [float(one["difference"]) for one in lines] == [
        cell["difference"] for cell in body["optimizers"][0]["cells"]
    ]
    svg = client.get(f"{address}/difference.svg").text
    assert "A &amp; &lt;b&gt;" in svg
    assert client.get(f"{address}/difference.svg?theme=dark").text != svg
    assert client.get(f"{address}/difference.pdf").content.startswith(b"%PDF-")


def test_what_cannot_be_compared_is_refused(client, database, sent):
    alone = sent(optimizers=["adamw"])
    answer = client.get(f"{STUDIES}/{alone}/comparison")
    assert answer.status_code == 422
    assert "nothing to compare" in answer.json()["detail"]
    unknown = client.get(f"{STUDIES}/{sent()}/difference.png?reference=nobody")
    assert unknown.status_code == 422
    assert "it has adamw, adam-lpwd" in unknown.json()["detail"]
    assert unknown.json()["errors"][0]["field"] == "reference"
    assert client.get(f"{STUDIES}/{'f' * 12}/comparison").status_code == 404


def test_the_page_compares_and_says_when_lpwd_does_not_win(client, database, sent):
    address = trained(database, sent, -0.05).removeprefix("/api/v1")
    page = client.get(address).text
    assert "Against AdamW" in page
    assert "Adam + LPWD does not beat AdamW here: best score −" in page
    assert "2 seeds: too few to call any difference from AdamW significant" in page
    assert '<option value="adamw" selected>AdamW</option>' in page
    other = client.get(f"{address}?reference=adam-lpwd").text
    assert "Against Adam + LPWD" in other
    assert client.get(f"{address}?reference=nobody").status_code == 422
