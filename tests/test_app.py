"""The dashboard's server from outside: what is locked stays locked, and results come out whole."""

from __future__ import annotations

import http.client
import io
import json
import os
import secrets
import time
import zipfile

import psutil
import pytest
from fakes.page_server import PageServer

from sparc_fuse_core.errors import FuseError
from sparcfuse_widgets.download import result_path, zip_parts

SECRET = b"the secret of another folder"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    home = tmp_path_factory.mktemp("server")
    (home / "data-folder" / "primary").mkdir(parents=True)
    with PageServer(home, str(home / "data-folder")) as running:
        yield running


def ask(server, path, *, token=False, method="GET", **headers):
    """Status, headers and body of one request, its path sent as it is."""
    if token:
        headers["Authorization"] = f"token {server.token}"
    line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        line.putrequest(method, path, skip_host="Host" in headers)
        for name, value in headers.items():
            line.putheader(name, value)
        line.endheaders()
        answer = line.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        line.close()


def log_in(server):
    """The cookies that a page gets for the token in its address."""
    line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    line.request("GET", f"/?token={server.token}")
    given = line.getresponse().msg.get_all("Set-Cookie")
    line.close()
    return "; ".join(cookie.split(";")[0] for cookie in given)


def job(jobs, output, *places):
    """A finished job that says it wrote these places."""
    folder = jobs / f"{time.time_ns():020d}-{secrets.token_urlsafe(16)}"
    folder.mkdir(parents=True)
    records = [{"rel_path": "x", "status": "ok", "std_path": str(place)} for place in places]
    (folder / "request.json").write_text(json.dumps({"output_dir": str(output)}))
    (folder / "report.json").write_text(json.dumps(records))
    return folder.name


def make_store(folder):
    """A folder that looks like a store, with a link out of it."""
    (folder / "c" / "0").mkdir(parents=True)
    (folder / "zarr.json").write_text("{}")
    (folder / "c" / "0" / "1").write_bytes(os.urandom(3_000_000))
    (folder.parent.parent / "secret").write_bytes(SECRET)
    (folder / "link").symlink_to(folder.parent.parent / "secret")
    return folder


def test_nothing_but_the_login_is_to_be_had_without_the_token(server):
    kernel = "/api/kernels/01234567-0123-0123-0123-0123456789ab"
    for path in (
        "/",
        kernel,
        f"{kernel}/channels",
        "/voila/api/shutdown/x",
        "/fuse/result/x/0",
        "/?token=wrong",
    ):
        status, headers, body = ask(server, path)
        assert status in (302, 403, 404, 405), path
        assert status != 302 or headers["Location"].startswith("/login")
        assert server.token.encode() not in body
    assert ask(server, "/fuse/result/x/0")[0] == 403
    assert ask(server, "/fuse/result/x/0", Cookie="username-127-0-0-1=x; _xsrf=1")[0] == 403


@pytest.mark.parametrize("token", [False, True])
@pytest.mark.parametrize(
    "path",
    [
        "/static/etc/passwd",
        "/static/../../etc/passwd",
        "/voila/static/../../../../../../etc/passwd",
        "/voila/static/..%2f..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/voila/static//etc/passwd",
        "/voila/static/%2fetc%2fpasswd",
        "/voila/templates/fuse/static/..%2f..%2f..%2fapp.py",
        "/voila/templates/..%2f..%2fstatic/x",
        "/voila/templates/x",
        "/voila/labextensions/..%2f..%2f..%2fetc/passwd",
        "/voila/files/SPARC%20FUSE.ipynb",
        "/voila/files/..%2f..%2fetc/passwd",
        "/voila/tree",
        "/voila/render/SPARC%20FUSE.ipynb",
        "/files/etc/passwd",
        "/api/contents/",
        "/fuse/result/..%2f..%2fetc/0",
    ],
)
def test_no_path_leads_to_files(server, path, token):
    status, _, body = ask(server, path, token=token)
    assert status in (400, 403, 404), path
    assert b"root:" not in body and b"nbformat" not in body


def test_other_names_for_this_machine_are_refused(server):
    for host in ("evil.example", "localhost.evil.example", "169.254.1.1"):
        assert ask(server, "/", token=True, Host=host)[0] == 403
        assert ask(server, "/fuse/result/x/0", token=True, Host=host)[0] == 403


def test_only_our_own_page_can_end_a_kernel(server):
    path, cookie = "/voila/api/shutdown/01234567-0123-0123-0123-0123456789ab", log_in(server)
    here = f"http://127.0.0.1:{server.port}"
    for origin in ({}, {"Origin": "null"}, {"Origin": "https://evil.example"}, {"Origin": f"{here}0"}):
        assert ask(server, path, method="POST", Cookie=cookie, **origin)[0] in (403, 404), origin
    known = ask(server, path, method="POST", Cookie=cookie, Origin=here)
    assert known[0] != 403 and b"Kernel does not exist" in known[2]


def test_only_this_machine_can_connect(server):
    process = psutil.Process(server.process.pid)
    held = [c for p in (process, *process.children(recursive=True)) for c in p.net_connections("inet")]
    listening = {c.laddr.ip for c in held if c.status == psutil.CONN_LISTEN}
    assert listening == {"127.0.0.1"}


def test_the_page_is_a_proper_document_that_loads_nothing_from_elsewhere(server):
    status, headers, body = ask(server, "/", token=True)
    text = body.decode()
    assert (
        status == 200
        and '<html lang="en">' in text
        and "<title>SPARC FUSE</title>" in text
        and "<main" in text
    )
    foreign = [part for part in text.split('"') if part.startswith(("http:", "https:", "//"))]
    assert foreign in ([], ["http://www.w3.org/2000/svg"]), "addresses of other servers"
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_a_store_comes_as_a_zip_and_a_file_as_it_is(server):
    store = make_store(server.output / "deep" / "a_std.zarr")
    (server.output / "ä b.npz").write_bytes(b"numbers")
    outside = server.home / "outside.npz"
    outside.write_bytes(SECRET)
    id = job(
        server.jobs,
        server.output,
        store,
        server.output / "ä b.npz",
        outside,
        server.output,
        "/etc",
    )
    status, headers, body = ask(server, f"/fuse/result/{id}/0", token=True)
    assert (status, headers["Content-Type"]) == (200, "application/zip") and "a_std.zarr.zip" in str(headers)
    with zipfile.ZipFile(io.BytesIO(body)) as held:
        assert held.testzip() is None
        assert sorted(held.namelist()) == ["a_std.zarr/c/0/1", "a_std.zarr/zarr.json"]
        assert held.read("a_std.zarr/c/0/1") == (store / "c" / "0" / "1").read_bytes()
    assert SECRET not in body
    assert ask(server, f"/fuse/result/{id}/1", token=True)[2] == b"numbers"
    for number in (2, 3, 4, 5, 99):
        status, _, body = ask(server, f"/fuse/result/{id}/{number}", token=True)
        assert status == 404 and SECRET not in body
    assert ask(server, "/fuse/result/none/0", token=True)[0] == 404
    assert ask(server, f"/fuse/result/{id}/0")[0] == 403


def test_a_large_result_is_not_held_in_memory(server):
    big = server.output / "big.mat"
    big.parent.mkdir(exist_ok=True)
    with big.open("wb") as out:
        out.truncate(600 << 20)
    folder = server.output / "big_std.zarr"
    folder.mkdir()
    os.link(big, folder / "c")
    id = job(server.jobs, server.output, big, folder)
    process = psutil.Process(server.process.pid)
    before = process.memory_info().rss
    for number, extra in ((0, 0), (1, 1)):
        line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        line.request("GET", f"/fuse/result/{id}/{number}", headers={"Authorization": f"token {server.token}"})
        answer, got, most = line.getresponse(), 0, 0
        while part := answer.read(1 << 22):
            got += len(part)
            most = max(most, process.memory_info().rss - before)
        line.close()
        assert got - (600 << 20) >= extra and most < 100 << 20
    assert ask(server, "/fuse/result/none/0", token=True)[0] == 404, "the server still answers"


def test_results_of_a_job_stay_below_its_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARC_FUSE_JOBS", str(tmp_path / "jobs"))
    output = tmp_path / "out"
    store = make_store(output / "s_std.zarr")
    (output / "way").symlink_to(tmp_path)
    id = job(tmp_path / "jobs", output, store, output / "way" / "jobs", output / ".." / "jobs", "")
    assert result_path(id, 0) == store
    assert [result_path(id, n) for n in (1, 2, 3, -1, 4)] == [None] * 5
    assert result_path("..", 0) is None
    assert b"".join(zip_parts(store)).startswith(b"PK")


def test_a_taken_port_is_explained(server, monkeypatch, tmp_path):
    from sparcfuse_widgets import app

    monkeypatch.setenv("SPARC_FUSE_JOBS", str(tmp_path / "jobs"))
    for name in ("SPARC_FUSE_APP", "SPARC_FUSE_CATALOGUE", "JUPYTER_PATH"):
        monkeypatch.setenv(name, "")
    with pytest.raises(FuseError, match=str(server.port)) as caught:
        app.serve(server.port, False)
    assert "--port" in caught.value.hint
