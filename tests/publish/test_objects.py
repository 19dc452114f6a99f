"""A bucket as the place of feed files, against a real server that speaks S3 (moto's), over HTTP on loopback. Before it
stands a doorkeeper, who writes down what is asked and may answer in the store's stead."""

from __future__ import annotations

import threading
import traceback
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from socket import create_server
from typing import Any

import pytest
from pydantic import SecretStr

from pipeline import config
from pipeline.config.shape import PublishS3
from pipeline.errors import BroadsheetError
from pipeline.publish.places import open_place, with_twins

pytestmark = pytest.mark.services

FEED = {"all/rss.xml": b"<rss/>", "all/atom.xml": b"<feed/>", "all/archive/1/rss.xml": b"old", "index.html": b"page"}
ACCESS, SECRET = "AKIALANTERN", "sesame-sesame-sesame"

Answer = tuple[str, bytes]


def let_in(_method: str, _path: str) -> Answer | None:
    return None


@dataclass
class Door:
    """`asked`: (method, path with query, headers). `instead` may give an answer for the store."""

    store: Callable[..., Iterable[bytes]]
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    instead: Callable[[str, str], Answer | None] = field(default_factory=lambda: let_in)
    address: str = ""

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if environ["QUERY_STRING"]:
            path += f"?{environ['QUERY_STRING']}"
        self.asked.append((method, path, {k[5:].lower(): v for k, v in environ.items() if k.startswith("HTTP_")}))
        answer = self.instead(method, path)
        if answer is None:
            return self.store(environ, start)
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start(answer[0], [("Content-Type", "application/xml"), ("Content-Length", str(len(answer[1])))])
        return [b"" if method == "HEAD" else answer[1]]

    def methods(self) -> list[str]:
        found = [method for method, _, _ in self.asked]
        self.asked.clear()
        return found


@pytest.fixture(scope="module")
def running(need: Any) -> Iterator[Door]:
    try:
        import boto3  # noqa: F401
        from moto.server import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import WSGIRequestHandler, make_server
    except ImportError:
        need(None, "boto3 and moto's server are not installed: sh .ci/setup requirements-ci.txt")

    class Quiet(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"

        def log(self, *_message: object) -> None:
            pass

    door = Door(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, door, threaded=True, request_handler=Quiet)
    door.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield door
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def door(running: Door, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Door]:
    """The store, and a machine that has no keys and no proxies of its own."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ENDPOINT_URL",
                 "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    running.asked.clear()
    yield running
    running.instead = let_in


numbers = count()


@pytest.fixture
def bucket(door: Door) -> str:
    """A bucket of this test's own."""
    name = f"lantern-{next(numbers)}"
    with urllib.request.urlopen(urllib.request.Request(f"{door.address}/{name}", method="PUT")) as answer:
        assert answer.status == 200
    door.asked.clear()
    return name


@pytest.fixture
def make(door: Door, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`make("s3://bucket/prefix")` is a Bucket that asks once; `attempts` lets it ask again."""
    from pipeline.publish import objects

    def make(where: str, *, attempts: int = 1, **settings: Any) -> objects.Bucket:
        monkeypatch.setattr(objects, "ATTEMPTS", attempts)
        keys = {"access_key": SecretStr(ACCESS), "secret_key": SecretStr(SECRET)}
        return objects.Bucket(where, PublishS3(**{"endpoint": door.address} | keys | settings))

    return make


@pytest.fixture
def place(make: Callable[..., Any], bucket: str) -> Any:
    return make(f"s3://{bucket}/news/feeds")


def fetch(place: Any, name: str) -> Any:
    """The headers that a browser gets."""
    key = place._key(name)
    address = place._client.generate_presigned_url("get_object", Params={"Bucket": place._bucket, "Key": key})
    with urllib.request.urlopen(address) as answer:
        return answer.headers


def refuse(status: str, code: str, message: str = "No.", only: str = "") -> Callable[[str, str], Answer | None]:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
    return lambda method, _path: (status, body) if not only or method == only else None


# --- what a place does ---


def test_only_what_is_other_is_written_and_in_the_order_given(place: Any, door: Door, bucket: str) -> None:
    assert place.put(FEED) == list(FEED)
    assert [path for method, path, _ in door.asked if method == "PUT"] == [
        f"/{bucket}/news/feeds/{name}" for name in FEED]
    door.asked.clear()
    assert place.put(FEED) == []
    assert door.methods() == ["HEAD"] * 4
    back = dict(reversed(FEED.items()))
    assert place.put(back | {"all/atom.xml": b"<FEED/>", "all/rss.xml": b"<rss />"}) == ["all/atom.xml", "all/rss.xml"]
    assert place.read("all/atom.xml") == b"<FEED/>"
    assert place.put({}) == []


def test_what_is_sent_is_what_every_store_understands(place: Any, door: Door) -> None:
    place.put({"all/rss.xml": b"<rss/>"})
    _, _, headers = door.asked[-1]
    assert headers["content_md5"] == "Xxo1V4KBJ4196LelQk/tDg=="
    assert not [name for name in headers if "checksum" in name or "trailer" in name]
    assert "chunked" not in headers.get("content_encoding", "") + headers.get("transfer_encoding", "")
    assert ACCESS in headers["authorization"]


def test_an_endpoint_needs_no_name_in_dns_for_each_bucket(
    make: Callable[..., Any], door: Door, bucket: str, tmp_path: Path
) -> None:
    """Whatever this machine's settings for Amazon's store are. An address in numbers would be asked so in any case."""
    (tmp_path / "none").write_text("[default]\ns3 =\n  addressing_style = virtual\n")
    make(f"s3://{bucket}", endpoint=door.address.replace("127.0.0.1", "localhost")).put({"rss.xml": b"<rss/>"})
    assert [path for _, path, _ in door.asked] == [f"/{bucket}/rss.xml"] * 2


@pytest.mark.parametrize(
    ("name", "kind", "cache", "encoding"),
    [
        ("all/rss.xml", "application/rss+xml; charset=utf-8", 300, None),
        ("all/topic/city/atom.xml", "application/atom+xml; charset=utf-8", 300, None),
        ("all/feed.json.br", "application/feed+json", 300, "br"),
        ("all/archive/3/rss.xml", "application/rss+xml; charset=utf-8", 86_400, None),
        ("all/topic/city/archive/3-17/feed.json.gz", "application/feed+json", 86_400, "gzip"),
        ("archive/rss.xml", "application/rss+xml; charset=utf-8", 300, None),
        ("all/topic/archive/rss.xml", "application/rss+xml; charset=utf-8", 300, None),
        ("archive/topic/city/rss.xml", "application/rss+xml; charset=utf-8", 300, None),
        ("index.html.gz", "text/html; charset=utf-8", 300, "gzip"),
        ("sitemaps/1.xml", "text/xml; charset=utf-8", 300, None),
        ("feeds.opml", "text/xml; charset=utf-8", 300, None),
        ("robots.txt", "text/plain; charset=utf-8", 300, None),
        ("logo", "application/octet-stream", 300, None),
    ],
)
def test_each_file_is_served_as_what_it_is(place: Any, name: str, kind: str, cache: int, encoding: str | None) -> None:
    place.put({name: b"some bytes"})
    headers = fetch(place, name)
    assert (headers["Content-Type"], headers["Cache-Control"], headers["Content-Encoding"]) == (
        kind, f"public, max-age={cache}", encoding)


def test_an_object_with_other_headers_is_written_again(place: Any, bucket: str) -> None:
    place._client.put_object(Bucket=bucket, Key="news/feeds/all/rss.xml", Body=FEED["all/rss.xml"])
    assert place.put({"all/rss.xml": FEED["all/rss.xml"]}) == ["all/rss.xml"]
    assert fetch(place, "all/rss.xml")["Content-Type"] == "application/rss+xml; charset=utf-8"


def test_what_is_not_there(place: Any) -> None:
    assert place.read("all/rss.xml") is None
    assert place.names("") == place.names("all") == place.remove(["all/rss.xml"]) == []


def test_names_and_removal_keep_to_their_folder(make: Callable[..., Any], place: Any, bucket: str) -> None:
    whole = make(f"s3://{bucket}")
    whole.put({"news/other.xml": b"", "news/feeds-old/rss.xml": b""})
    place.put(FEED | {"all/archive/1-17/rss.xml": b"open", "all-else/rss.xml": b""})
    whole._client.put_object(Bucket=bucket, Key="news/feeds/all/", Body=b"")  # as browsers of buckets do
    assert place.names("all/archive/1") == place.names("all/archive/1/") == ["all/archive/1/rss.xml"]
    assert place.names("all") == ["all/archive/1-17/rss.xml", "all/archive/1/rss.xml", "all/atom.xml", "all/rss.xml"]
    assert place.names("") == sorted([*FEED, "all/archive/1-17/rss.xml", "all-else/rss.xml"])
    assert place.remove(["all/rss.xml", "none.xml", "index.html", "all/rss.xml"]) == ["all/rss.xml", "index.html"]
    assert place.read("all/rss.xml") is None
    assert place.read("all/atom.xml") == b"<feed/>"
    assert whole.names("news/feeds-old") == ["news/feeds-old/rss.xml"]


def test_more_than_a_page_of_names_and_more_than_a_batch(place: Any, door: Door, bucket: str) -> None:
    from moto.s3.models import s3_backends  # a thousand requests less

    files = sorted(f"all/archive/{n}/rss.xml" for n in range(1_005))
    for name in files:
        s3_backends["123456789012"]["aws"].put_object(bucket, f"news/feeds/{name}", b"")
    assert place.names("all") == files
    assert door.methods() == ["GET", "GET"]
    assert place.remove(files) == files
    assert door.methods().count("POST") == 2
    assert place.names("") == []


def test_nothing_is_asked_about_sizes(place: Any, door: Door) -> None:
    assert place.differing({"all/rss.xml": 17}) == []
    assert door.asked == []


@pytest.mark.parametrize("name", ["", "/rss.xml", "../rss.xml", "all/../../rss.xml", "all//rss.xml", "all/", "a\0b"])
def test_a_name_that_could_lead_elsewhere_is_never_asked_for(place: Any, door: Door, name: str) -> None:
    for call in (lambda: place.put({"fine.xml": b"", name: b""}), lambda: place.read(name),
                 lambda: place.remove(["fine.xml", name]), lambda: place.names(f"{name}/rss.xml")):
        with pytest.raises(ValueError, match="can't be the name"):
            call()
    assert door.asked == []


def test_twins_lie_beside_their_files(place: Any) -> None:
    files = with_twins({"all/rss.xml": b"<rss>" * 100}, ["gzip", "br"])
    assert place.put(files) == list(files)
    assert place.remove(["all/rss.xml.gz"]) == ["all/rss.xml.gz"]
    assert place.put(files) == ["all/rss.xml.gz"]
    assert fetch(place, "all/rss.xml.gz")["Content-Type"] == "application/rss+xml; charset=utf-8"


def test_a_config_opens_its_bucket(door: Door, bucket: str, tmp_path: Path) -> None:
    text = (f'config_version = 1\n[site]\ntitle = "T"\npublic_url = "https://t.example"\n[paths]\n'
            f'feeds = "s3://{bucket}/news/feeds/"\n[publish.s3]\nendpoint = "{door.address}"\nregion = "eu-north-1"\n'
            'access_key = "${KEY}"\nsecret_key = "${SECRET}"\n')
    place = open_place(config.load_text(text, tmp_path / "config.toml", env={"KEY": ACCESS, "SECRET": SECRET}))
    assert door.asked == []
    assert place.where == f"s3://{bucket}/news/feeds"
    place.put({"all/rss.xml": b"<rss/>"})
    assert "/eu-north-1/s3/" in door.asked[-1][2]["authorization"]


# --- what goes wrong ---


def told(call: Callable[[], object]) -> BroadsheetError:
    """The error, after a look whether a key is anywhere in it."""
    with pytest.raises(BroadsheetError) as caught:
        call()
    said = "".join(traceback.format_exception(caught.value)) + repr(caught.value.__dict__)
    assert SECRET not in said
    assert ACCESS not in said
    return caught.value


def test_a_bucket_that_is_not_there(make: Callable[..., Any]) -> None:
    place = make("s3://no-such-lantern/feeds")
    for call in (lambda: place.put(FEED), lambda: place.read("all/rss.xml"), lambda: place.names("")):
        error = told(call)
        assert "there is no such bucket (make it, or correct [paths] feeds)" in str(error)
        assert error.permanent
    assert told(lambda: place.put(FEED)).subject == "s3://no-such-lantern/feeds/all/rss.xml"


def test_a_refusal_quotes_no_key(place: Any, door: Door) -> None:
    door.instead = refuse("403 Forbidden", "SignatureDoesNotMatch", f"{ACCESS} {SECRET} is wrong")
    for call in (lambda: place.put(FEED), lambda: place.read("all/rss.xml"), lambda: place.names("all")):
        error = told(call)
        assert "(SignatureDoesNotMatch)" in error.cause
        assert "[publish.s3]" in error.hint
        assert error.permanent
    door.instead = refuse("403 Forbidden", SECRET)
    assert "(no code)" in told(lambda: place.put(FEED)).cause


def test_without_the_permission_to_list_what_is_missing_is_forbidden(place: Any, door: Door) -> None:
    door.instead = refuse("403 Forbidden", "AccessDenied", only="HEAD")
    assert place.put(FEED) == list(FEED)
    assert place.remove(["all/rss.xml"]) == ["all/rss.xml"]
    assert place.read("all/rss.xml") is None


@pytest.mark.parametrize(
    ("status", "code", "permanent"),
    [("503 Slow", "SlowDown", False), ("500 Oh", "InternalError", False), ("429 Wait", "TooManyRequests", False),
     ("400 No", "RequestTimeout", False), ("403 No", "RequestTimeTooSkewed", False), ("400 No", "EntityTooLarge", True),
     ("507 Full", "XMinioStorageFull", False)],
)
def test_whether_trying_again_may_help(place: Any, door: Door, status: str, code: str, permanent: bool) -> None:
    door.instead = refuse(status, code, only="PUT")
    error = told(lambda: place.put(FEED))
    assert error.permanent is permanent
    assert code in error.cause or code == "RequestTimeTooSkewed"


def test_a_store_that_is_busy_for_a_moment_is_asked_again(make: Callable[..., Any], bucket: str, door: Door) -> None:
    answers = iter([("503 Slow down", b"")])
    door.instead = lambda _method, _path: next(answers, None)
    assert make(f"s3://{bucket}", attempts=2).put({"rss.xml": b""}) == ["rss.xml"]
    assert door.methods() == ["HEAD", "HEAD", "PUT"]


def test_what_was_written_before_a_failure_is_not_written_again(place: Any, door: Door) -> None:
    door.instead = lambda method, path: ("500 Oh", b"") if method == "PUT" and "/archive/" in path else None
    assert told(lambda: place.put(FEED)).subject.endswith("/all/archive/1/rss.xml")
    door.instead = let_in
    assert place.put(FEED) == ["all/archive/1/rss.xml", "index.html"]


def test_a_store_that_is_down(make: Callable[..., Any]) -> None:
    with closing(create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
    error = told(lambda: make("s3://news/feeds", endpoint=f"http://127.0.0.1:{port}").put(FEED))
    assert "can't be reached (EndpointConnectionError)" in error.cause
    assert "endpoint in [publish.s3]" in error.hint
    assert not error.permanent


def test_a_store_that_does_not_answer(
    make: Callable[..., Any], bucket: str, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.publish import objects

    monkeypatch.setattr(objects, "READ_TIMEOUT_S", 0.2)
    given_up = threading.Event()
    door.instead = lambda _method, _path: ("200 OK", b"") if given_up.wait(20) else None
    error = told(lambda: make(f"s3://{bucket}").read("rss.xml"))
    given_up.set()
    assert "(ReadTimeoutError)" in error.cause
    assert not error.permanent


def test_a_store_that_removes_one_at_a_time(place: Any, door: Door) -> None:
    place.put(FEED)
    door.methods()
    door.instead = refuse("400 Bad Request", "MissingContentMD5", only="POST")
    assert place.remove(FEED) == list(FEED)
    assert door.methods() == ["HEAD"] * 4 + ["POST"] + ["DELETE"] * 4
    door.instead = let_in
    assert place.names("") == []


def test_a_batch_of_which_one_is_kept(place: Any, door: Door) -> None:
    place.put(FEED)
    body = (b"<DeleteResult><Error><Key>news/feeds/index.html</Key><Code>AccessDenied</Code>"
            b"<Message>No.</Message></Error></DeleteResult>")
    door.instead = lambda method, _path: ("200 OK", body) if method == "POST" else None
    error = told(lambda: place.remove(FEED))
    assert error.subject.endswith("/news/feeds/index.html")
    assert "AccessDenied" in error.cause


@pytest.mark.parametrize("keys", [{"access_key": "", "secret_key": ""}, {"secret_key": ""}])
def test_keys_that_are_missing(make: Callable[..., Any], bucket: str, keys: dict[str, str]) -> None:
    place = make(f"s3://{bucket}", **{name: SecretStr(value) for name, value in keys.items()})
    error = told(lambda: place.put(FEED))
    assert "AWS_ACCESS_KEY_ID" in error.hint
    assert error.permanent


def test_keys_of_the_environment(make: Callable[..., Any], bucket: str, door: Door, monkeypatch: Any) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAENVIRONMENT")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "open")
    make(f"s3://{bucket}", access_key=SecretStr(""), secret_key=SecretStr("")).put({"rss.xml": b""})
    assert "AKIAENVIRONMENT" in door.asked[-1][2]["authorization"]


@pytest.mark.parametrize("settings", [{"endpoint": "http://my_store:9000"}, {"region": "no region!"}])
def test_an_endpoint_that_boto3_does_not_take(make: Callable[..., Any], settings: dict[str, str]) -> None:
    error = told(lambda: make("s3://news/feeds", **settings).put(FEED))
    assert "[publish.s3]" in error.hint
    assert error.permanent
