"""Data sets are fetched over HTTP, here from a small server, in the formats of the real ones."""

import fcntl
import gzip
import hashlib
import io
import json
import tarfile
import threading
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.workers.tiny_data import TEST, TRAIN, pack, small
from workers import data
from workers.data import DataSet, Download, Packing, read
from workers.data.fetch import fetch
from workers.errors import FetchError


class Mirror(ThreadingHTTPServer):
    """Serves a folder, with or without ranges; can break off in the middle of a file."""

    def __init__(self, folder, *, ranges=True):
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder, self.ranges = folder, ranges
        self.breaks_after = None
        self.asked = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        wanted = self.headers.get("Range")
        self.server.asked.append((self.path, wanted))
        path = self.server.folder / self.path.lstrip("/")
        if not path.is_file():
            self.send_error(404)
            return
        content = path.read_bytes()
        if wanted and self.server.ranges:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                self.send_error(416)
                return
            content = content[start:]
            self.send_response(206)
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: self.server.breaks_after])

    def log_message(self, *arguments):
        """Say nothing."""


@contextmanager
def serving(folder, **options):
    with Mirror(folder, **options) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def mirror(tmp_path):
    with serving(tmp_path / "mirror") as server:
        yield server


@pytest.fixture
def wanted(mirror):
    """A small CIFAR-10 on the mirror."""
    pack("cifar10", mirror.folder)
    return small("cifar10", mirror.folder)


@pytest.fixture
def here(tmp_path, monkeypatch):
    folder = tmp_path / "here"
    monkeypatch.setenv(data.FOLDER, str(folder))
    return folder


def bring(dataset, folder, mirror=None, progress=lambda *_: None):
    return fetch(dataset, folder, mirror=mirror.url if mirror else None, progress=progress)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "cifar10", "cifar100", "svhn"])
def test_what_is_fetched_can_be_read(name, mirror, here):
    pack(name, mirror.folder)
    dataset = small(name, mirror.folder)
    assert not dataset.here(here)
    assert bring(dataset, here, mirror)
    assert dataset.here(here)
    train, test = read.images(name)
    assert (len(train[1]), len(test[1])) == (TRAIN, TEST)
    left = {path.name for path in (here / name).iterdir()}
    packed = {one.name for one in dataset.downloads if one.packing is not Packing.NONE}
    assert not left & packed
    receipt = json.loads((here / name / "fetched.json").read_text())
    assert receipt["checksums"] == {one.name: one.checksum for one in dataset.downloads}
    asked = len(mirror.asked)
    assert not bring(dataset, here, mirror)
    assert len(mirror.asked) == asked


def test_without_a_mirror_the_source_is_asked(wanted, here, mirror):
    (download,) = wanted.downloads
    source = replace(download, url=f"{mirror.url}/cifar10/{download.name}")
    assert bring(replace(wanted, downloads=(source,)), here)


def test_progress_is_told_up_to_the_end(wanted, here, mirror):
    told = []
    bring(wanted, here, mirror, lambda *said: told.append(said))
    size = wanted.downloads[0].size
    assert told[-1] == (wanted.downloads[0], size, size)
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)


@pytest.mark.parametrize("ranges", [True, False])
def test_what_broke_off_goes_on_where_it_was(tmp_path, here, ranges):
    with serving(tmp_path / "mirror", ranges=ranges) as mirror:
        pack("svhn", mirror.folder)
        dataset = small("svhn", mirror.folder)
        mirror.breaks_after = 50_000
        with pytest.raises(FetchError, match="50,000 bytes of it are kept"):
            bring(dataset, here, mirror)
        assert not dataset.here(here)
        mirror.breaks_after = None
        assert bring(dataset, here, mirror)
        assert [asked for _, asked in mirror.asked] == [None, "bytes=50000-", None]
        assert len(read.images("svhn")[0][1]) == TRAIN


def test_a_part_that_was_complete_is_not_fetched_again(wanted, here, mirror):
    (download,) = wanted.downloads
    (here / "cifar10").mkdir(parents=True)
    content = (mirror.folder / "cifar10" / download.name).read_bytes()
    (here / "cifar10" / f"{download.name}.part").write_bytes(content)
    assert bring(wanted, here, mirror)


def test_another_file_than_wanted_is_refused_and_not_kept(wanted, here, mirror):
    (download,) = wanted.downloads
    path = mirror.folder / "cifar10" / download.name
    path.write_bytes(b"a login page")
    digest = hashlib.md5(b"a login page").hexdigest()
    with pytest.raises(FetchError, match=rf"md5 {digest}, .*should have {download.checksum[4:]}"):
        bring(wanted, here, mirror)
    assert not list((here / "cifar10").glob(f"{download.name}*"))


def test_the_published_checksum_holds_for_the_published_data(mirror, here):
    pack("mnist", mirror.folder)
    with pytest.raises(FetchError, match="f68b3c2dcbeaaa9fbdd348bbdeb94873"):
        bring(data.get("mnist"), here, mirror)


def test_a_file_put_there_by_hand_is_taken(wanted, here):
    pack("cifar10", here)
    assert bring(wanted, here)
    assert len(read.images("cifar10")[0][1]) == TRAIN


def test_a_wrong_file_put_there_by_hand_is_refused_and_left(wanted, here):
    path = here / "cifar10" / wanted.downloads[0].name
    path.parent.mkdir(parents=True)
    path.write_bytes(b"something else")
    with pytest.raises(FetchError, match=r"remove it and run `lpwd data fetch cifar10`"):
        bring(wanted, here)
    assert path.read_bytes() == b"something else"


def test_without_a_way_to_the_source_it_says_what_else_can_be_done(here):
    dataset = small_unreachable()
    with pytest.raises(FetchError) as error:
        bring(dataset, here)
    assert "http://127.0.0.1:9/one.bin" in str(error.value)
    assert "refused" in str(error.value)
    assert "--mirror" in str(error.value)
    assert f"put one.bin, two.bin into {here / 'far'}" in str(error.value)
    assert "lpwd data fetch far" in str(error.value)


def small_unreachable():
    files = ("one.bin", "two.bin")
    return DataSet(
        "far",
        "Far away",
        "",
        "",
        tuple(Download(f"http://127.0.0.1:9/{f}", 1, "md5:") for f in files),
    )


def test_a_status_is_told(wanted, here, mirror):
    (mirror.folder / "cifar10" / wanted.downloads[0].name).unlink()
    with pytest.raises(FetchError, match="HTTP 404"):
        bring(wanted, here, mirror)


@pytest.mark.parametrize("address", ["nonsense", "ftp://127.0.0.1/x", "http://[::1"])
def test_a_mirror_that_is_no_address_is_told(wanted, here, address):
    with pytest.raises(FetchError, match=r"cannot fetch|no address"):
        fetch(wanted, here, mirror=address, progress=lambda *_: None)


def test_two_do_not_fetch_the_same_at_once(wanted, here, mirror):
    (here / "cifar10").mkdir(parents=True)
    with (here / "cifar10/.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(FetchError, match="another process"):
            bring(wanted, here, mirror)


def test_a_folder_that_is_none_is_told(wanted, tmp_path, mirror):
    (tmp_path / "file").write_text("")
    with pytest.raises(FetchError, match="cannot be kept"):
        bring(wanted, tmp_path / "file", mirror)


def test_an_archive_writes_nowhere_else(here):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        info = tarfile.TarInfo("../../escaped")
        info.size = 1
        archive.addfile(info, io.BytesIO(b"x"))
    dataset = by_hand(here, packed.getvalue(), Packing.TAR)
    with pytest.raises(FetchError, match="outside its folder"):
        bring(dataset, here)
    assert not (here.parent / "escaped").exists()
    assert not dataset.here(here)


CUT_SHORT = gzip.compress(b"x" * 10_000)[:40]


@pytest.mark.parametrize("packing", [Packing.GZIP, Packing.TAR])
@pytest.mark.parametrize("content", [b"not packed", CUT_SHORT], ids=["not packed", "cut short"])
def test_an_archive_that_cannot_be_unpacked_is_told(here, packing, content):
    dataset = by_hand(here, content, packing)
    with pytest.raises(FetchError, match="cannot be kept"):
        bring(dataset, here)
    assert not dataset.here(here)


def by_hand(folder, content, packing):
    root = folder / "hand"
    root.mkdir(parents=True)
    (root / "packed").write_bytes(content)
    checksum = f"sha256:{hashlib.sha256(content).hexdigest()}"
    path = "unpacked" if packing is Packing.GZIP else ""
    download = Download("http://127.0.0.1:9/packed", len(content), checksum, packing, path)
    return DataSet("hand", "By hand", "", "", (download,))


def test_what_is_lost_or_cut_short_is_not_here_and_can_be_fetched_again(wanted, here, mirror):
    bring(wanted, here, mirror)
    batch = here / "cifar10/cifar-10-batches-py/data_batch_3"
    batch.write_bytes(batch.read_bytes()[:100])
    assert not wanted.here(here)
    assert bring(wanted, here, mirror)
    batch.unlink()
    assert not wanted.here(here)
    assert bring(wanted, here, mirror)
    (here / "cifar10/fetched.json").write_text("[]")
    assert not wanted.here(here)


def test_what_comes_with_a_package_is_not_fetched(here):
    assert not bring(data.get("digits"), here)
    absent = replace(data.get("digits"), module="no_such_module")
    with pytest.raises(FetchError, match="comes with scikit-learn"):
        bring(absent, here)
