"""The whole stage into a bucket of a real server that speaks S3, and from there to readers by our own web server."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from typing import Any

import pytest

from pipeline import config
from pipeline.jobs.steps import publish_all
from pipeline.store import changes
from pipeline.store.schema import articles as rows
from pipeline.web.app import bind, server

pytestmark = pytest.mark.services

BUCKET = """
[paths]
feeds = "s3://lantern/news"
[publish]
compress = ["gzip"]
[publish.s3]
endpoint = "{}"
region = "us-east-1"
access_key = "${{S3_KEY}}"
secret_key = "${{S3_SECRET}}"
"""
SECRET = "sesame-sesame-sesame"


@pytest.fixture
def store(need: Callable) -> Iterator[tuple[str, Any]]:
    """The address of a server with one empty bucket, and a client of it."""
    try:
        import boto3
        from moto.server import ThreadedMotoServer
    except ImportError:
        need(None, "boto3 and moto's server are not installed: sh .ci/setup requirements-ci.txt")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    client = boto3.client("s3", endpoint_url=address, region_name="us-east-1", aws_access_key_id="key",
                          aws_secret_access_key=SECRET)
    client.create_bucket(Bucket="lantern")
    yield address, client
    client.close()
    server.stop()


@pytest.fixture
def site(store: tuple[str, Any], make_site: Callable, basic_config: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A site whose feeds go there; the secret comes from the environment, as it must."""
    load = config.load
    monkeypatch.setattr(config, "load", lambda path, **_: load(path, {"S3_KEY": "key", "S3_SECRET": SECRET}))
    return make_site(basic_config + BUCKET.format(store[0]) + '[web]\nlisten = "127.0.0.1:0"\n')


def test_feeds_in_a_bucket(store: tuple[str, Any], site: Any, capfd: pytest.CaptureFixture[str]) -> None:
    def lying(name: str) -> Any:
        return store[1].get_object(Bucket="lantern", Key=f"news/{name}")

    site.accept([f"Article {number}" for number in range(1, 13)])
    done = publish_all(site.app)
    assert (done.failed, done.where) == ({}, "s3://lantern/news")
    assert "all/rss.xml" in map(str, done.written)
    found = lying("all/rss.xml")
    rss = found["Body"].read()
    assert found["ContentType"].startswith("application/rss+xml")
    assert rss.count(b"<item>") == 12
    assert gzip.decompress(lying("all/rss.xml.gz")["Body"].read()) == rss
    again = publish_all(site.app, everything=True)
    assert (again.written, again.removed) == ([], []), "what is the same is not written"
    with site.app.store.write() as connection:
        connection.execute(rows.update().where(rows.c.id == 3).values(status="withdrawn", withdrawn_at=site.now))
        changes.touch(connection, [3])
    publish_all(site.app)
    assert b"Article 3<" not in lying("all/rss.xml")["Body"].read()
    assert b"/a/3<" not in lying("sitemaps/articles-1.xml")["Body"].read()
    assert SECRET not in "".join(capfd.readouterr())


def test_readers_get_what_lies_in_the_bucket(site: Any) -> None:
    site.accept(["Article 1"])
    publish_all(site.app)
    ready = threading.Event()
    running = server(site.app, on_ready=ready.set)
    with bind(site.app.config.web) as listener:
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
        thread.start()
        assert ready.wait(30)
        reader = HTTPConnection("127.0.0.1", listener.getsockname()[1], timeout=30)
        reader.request("GET", "/feeds/all/rss.xml")
        answer = reader.getresponse()
        body = answer.read()
        reader.request("GET", "/feeds/all/rss.xml", headers={"if-none-match": answer.headers["etag"]})
        kept = reader.getresponse()
        kept.read()
        reader.close()
        running.should_exit = True
        thread.join(30)
    assert (answer.status, kept.status) == (200, 304)
    assert b"<title>Article 1</title>" in body
