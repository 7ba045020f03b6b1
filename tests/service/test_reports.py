"""Manifests and reports, on both databases; LaTeX is compiled where there is one."""

import hashlib
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest

from service.db import schema
from service.reports.rendering import latex, markdown
from tests.live import PATIENCE
from tests.service import work

STUDIES = "/api/v1/studies"
HOSTILE = (
    r"""<script>alert("x")</script> \input{/etc/passwd} $x_1^2$ 50% & #1 ~ ^ `id` | [a](x:1) """
    r"""\end{document} {{ 7*7 }} << 7*7 >> <% raw %> é ß 🙂 日本 '"""
)
FORMS = ("html", "md", "tex")


def score(trial):
    return 0.9 - 0.01 * trial.seed - 0.2 * trial.weight_decay


@pytest.fixture
def trained(database, sent):
    study_id = sent(name=HOSTILE, optimizers=["adamw", {"name": "adam-lpwd", "label": "l" * 60}])
    work.train(database, study_id, score)
    return f"{STUDIES}/{study_id}"


def test_a_manifest_has_what_it_takes_to_check_and_to_repeat(client, trained):
    answer = client.get(f"{trained}/manifest")
    assert answer.status_code == 200
    body = answer.json()
    assert body["format"] == 1
    assert body["study"]["id"] == trained.rpartition("/")[2]
    assert body["study"]["state"] == "done"
    versions = body["versions"]
    assert versions["database"] == schema.REVISIONS[-1]
    assert {"lpwd", "torch", "numpy"} <= versions["packages"].keys()
    assert versions["packages"]["torch"]
    assert body["task"]["name"] == "digits-mlp"
    (data_set,) = body["task"]["data_sets"]
    assert (data_set["name"], data_set["here"]) == ("digits", True)
    assert data_set["package_version"]
    assert body["devices"] == [{"device": "cpu (test)", "trained": 16, "seconds": 8.0}]
    assert body["seeds"] == [0, 1]
    assert body["spec"] == body["spec"] | {"task": "digits-mlp", "task_version": 1}
    listed = client.get(f"{trained}/trials").json()["items"]
    trials = body["results"]["trials"]
    assert [one["key"] for one in trials] == [one["key"] for one in listed]
    assert trials[0]["state"] == "done"
    assert trials[0]["device"] == "cpu (test)"


def test_the_request_of_a_manifest_sends_the_same_study(client, trained):
    body = client.get(f"{trained}/manifest").json()
    again = client.post(STUDIES, json=body["repeat"]["request"])
    assert again.status_code == 201
    assert again.json()["missing"] == 0
    assert again.json()["spec"] == body["spec"]


def test_a_manifests_hash_speaks_of_results_alone(client, database, trained):
    body = client.get(f"{trained}/manifest").json()
    lines = sorted(
        " ".join(
            [one["key"], one["state"]]
            + [json.dumps(one[name]) for name in ("epochs_done", "validation_score", "test_score")]
        )
        for one in body["results"]["trials"]
    )
    assert body["results"]["sha256"] == hashlib.sha256("\n".join(lines).encode()).hexdigest()
    assert client.get(f"{trained}/manifest").content == client.get(f"{trained}/manifest").content
    again = client.post(STUDIES, json=body["repeat"]["request"]).json()["study"]["id"]
    other = client.get(f"{STUDIES}/{again}/manifest").json()
    assert other["results"]["sha256"] == body["results"]["sha256"]


def test_a_search_has_a_manifest_and_no_report(client):
    search = {
        "mode": "search",
        "task": "digits-mlp",
        "optimizers": ["adamw"],
        "seeds": 1,
        "budget": {"points": 2, "epochs": 1},
    }
    study_id = client.post(STUDIES, json=search).json()["study"]["id"]
    body = client.get(f"{STUDIES}/{study_id}/manifest").json()
    assert body["results"]["points"] == []
    assert body["repeat"]["request"]["mode"] == "search"
    for form in FORMS:
        assert client.get(f"{STUDIES}/{study_id}/report.{form}").status_code == 409
    assert client.get(f"{STUDIES}/{'f' * 12}/manifest").status_code == 404


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def test_a_report_in_html_is_whole_by_itself_and_nothing_in_it_runs(client, trained):
    answer = client.get(f"{trained}/report.html")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "script-src" not in answer.headers["content-security-policy"]
    page = Page(answer.text)
    names = [tag for tag, _ in page.tags]
    assert names.count("svg") == 2
    assert "script" not in names
    assert "img" not in names
    assert "link" not in names
    assert HOSTILE.strip() in page.text
    assert "does not beat AdamW here" in page.text
    assert "Cells within 1 point" in page.text
    assert "Against AdamW" in page.text


def test_a_report_in_markdown_escapes_and_points_to_pictures(client, trained):
    answer = client.get(f"{trained}/report.md")
    assert answer.headers["content-type"] == "text/markdown; charset=utf-8"
    text = answer.text
    assert r"\<script\>" in text
    assert r"\[a\]" in text
    assert "49" not in text.splitlines()[0]
    assert f"(http://testserver{trained}/heatmap.png)" in text
    assert f"(http://testserver{trained}/difference.png?reference=adamw)" in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    widths = {len(re.findall(r"(?<!\\)\|", line)) for line in tables[:4]}
    assert widths == {10}


def test_a_report_in_markdown_names_the_service_as_it_was_asked(client, trained):
    tags = set()
    for host in ("localhost:8000", "testserver", "localhost:8000"):
        answer = client.get(f"{trained}/report.md", headers={"Host": host})
        assert f"(http://{host}{trained}/heatmap.png)" in answer.text
        tags.add(answer.headers["etag"])
    assert len(tags) == 2


def test_a_report_in_latex_compiles(client, trained, tmp_path):
    answer = client.get(f"{trained}/report.tex")
    text = answer.text
    assert r"\input{" not in text
    assert text.count(r"\end{document}") == 1
    assert r"\toprule" in text
    command = shutil.which("pdflatex")
    if command is None:
        pytest.skip("no pdflatex here")
    (tmp_path / "report.tex").write_text(text, encoding="utf-8")
    (tmp_path / "heatmap.pdf").write_bytes(client.get(f"{trained}/heatmap.pdf").content)
    done = subprocess.run(
        [command, "-interaction=nonstopmode", "-halt-on-error", "report.tex"],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")


def test_every_latin_character_and_sign_is_set_or_replaced(tmp_path):
    text = latex("".join(map(chr, range(1, 0x250))) + "β₁≥−🙂")
    assert "\\" not in re.sub(r"\\[A-Za-z]+\{[^}]*\}?\}?|\\[{}$&%#_]", "", text)
    command = shutil.which("pdflatex")
    if command is None:
        pytest.skip("no pdflatex here")
    source = (
        r"\documentclass{article}\usepackage[T1]{fontenc}\usepackage[utf8]{inputenc}"
        r"\usepackage{textcomp}\begin{document}" + text + r"\end{document}"
    )
    (tmp_path / "all.tex").write_text(source, encoding="utf-8")
    done = subprocess.run(
        [command, "-interaction=nonstopmode", "-halt-on-error", "all.tex"],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stdout[-2000:]


def test_markdown_is_one_line_without_meaning():
    assert markdown("a\nb\t*c*") == r"a b \*c\*"
    assert markdown("- 1") == r"\- 1"
    assert markdown("3e-3") == "3e-3"
    assert markdown("<b> & |") == r"\<b\> &amp; \|"


def test_reports_have_tags_and_take_a_reference(client, trained):
    for form in FORMS:
        address = f"{trained}/report.{form}"
        first = client.get(address)
        same = client.get(address, headers={"If-None-Match": first.headers["etag"]})
        assert same.status_code == 304
        other = client.get(f"{address}?reference={'l' * 60}")
        assert other.headers["etag"] != first.headers["etag"]
        assert client.get(f"{address}?reference=nobody").status_code == 422


def test_a_study_that_has_not_begun_has_a_report(client, sent):
    study_id = sent(optimizers=["adamw"])
    for form in FORMS:
        answer = client.get(f"{STUDIES}/{study_id}/report.{form}")
        assert answer.status_code == 200
        assert "Nothing has finished yet." in answer.text
