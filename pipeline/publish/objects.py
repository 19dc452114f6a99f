"""Feed files in a bucket of an object store that speaks S3, Amazon's or another one: the only file that knows boto3."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import boto3.session
from botocore import exceptions as s3_errors
from botocore.config import Config as S3Config

from pipeline.config.shape import PublishS3
from pipeline.errors import BroadsheetError
from pipeline.model.feeds import MEDIA_TYPES, plain_name
from pipeline.publish.write import parts

CONNECT_TIMEOUT_S = 10
READ_TIMEOUT_S = 30
ATTEMPTS = 3
BATCH = 1000
"""Names that one request may remove; more is refused by the protocol."""

MINUTES = "public, max-age=300"
DAY = "public, max-age=86400"


class Bucket:
    """A `Place` in a bucket. The connection is made when it is first needed. One object is replaced at once or not at
    all, which is the store's promise."""

    def __init__(self, where: str, settings: PublishS3) -> None:
        self.where = where
        bucket, _, prefix = where.removeprefix("s3://").partition("/")
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._settings = settings

    def put(self, files: Mapping[str, bytes]) -> list[str]:
        """An object whose bytes and headers are the same is not written. Where the store names objects otherwise than
        by their MD5 (it does where it encrypts with keys of the customer), all are."""
        written = []
        keys = {name: self._key(name) for name in files}
        for name, data in files.items():
            digest = hashlib.md5(data, usedforsecurity=False)
            headers = headers_of(name)
            with self._translated(name):
                if not self._lies_there(keys[name], f'"{digest.hexdigest()}"', headers):
                    self._client.put_object(
                        Bucket=self._bucket, Key=keys[name], Body=data,
                        ContentMD5=base64.b64encode(digest.digest()).decode(), **headers)
                    written.append(name)
        return written

    def read(self, name: str) -> bytes | None:
        key = self._key(name)
        with self._translated(name):
            try:
                data: bytes = self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
            except s3_errors.ClientError as error:
                if _code(error) == "NoSuchKey":
                    return None
                raise
        return data

    def names(self, below: str) -> list[str]:
        folder = f"{self._key(below.removesuffix('/'))}/" if below else self._prefix
        found = []
        with self._translated(below):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=folder):
                found += [one["Key"].removeprefix(self._prefix) for one in page.get("Contents", ())]
        return sorted(filter(_is_name, found))

    def remove(self, names: Iterable[str]) -> list[str]:
        keys = {name: self._key(name) for name in names}
        removed = []
        for name, key in keys.items():
            with self._translated(name):
                if self._found(key) is not None:
                    removed.append(name)
        for start in range(0, len(removed), BATCH):
            batch = removed[start : start + BATCH]
            with self._translated(batch[0]):
                self._remove([keys[name] for name in batch])
        return removed

    def differing(self, sizes: Mapping[str, int]) -> list[str]:
        """Nothing is asked: a thousand questions at each run would cost more than they find."""
        return []

    @cached_property
    def _client(self) -> Any:
        settings = self._settings
        # what the newest boto3 would send along on its own, many stores refuse; Content-MD5 is known to all of them
        config = S3Config(
            connect_timeout=CONNECT_TIMEOUT_S, read_timeout=READ_TIMEOUT_S,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            request_checksum_calculation="when_required", response_checksum_validation="when_required",
            # bucket.host needs a name for each bucket in DNS, which stores of one's own seldom have
            s3={"addressing_style": "path"} if settings.endpoint else None,
        )
        try:
            return boto3.session.Session().client(
                "s3", config=config, endpoint_url=settings.endpoint or None, region_name=settings.region or None,
                aws_access_key_id=settings.access_key.get_secret_value() or None,
                aws_secret_access_key=settings.secret_key.get_secret_value() or None,
            )
        except ValueError as error:  # botocore's own check of addresses: it knows no "_"
            raise BroadsheetError(self.where, "boto3 can't use the endpoint or the region",
                                  hint="correct them in [publish.s3]") from error

    def _key(self, name: str) -> str:
        return self._prefix + "/".join(parts(name))

    def _lies_there(self, key: str, etag: str, headers: Mapping[str, str]) -> bool:
        found = self._found(key) or {}
        return found.get("ETag") == etag and all(found.get(name, "") == headers.get(name, "") for name in _HEADERS)

    def _found(self, key: str) -> Mapping[str, Any] | None:
        """What the store says of an object; None where there is none, and {} where it won't say: without the permission
        to list, what is missing is forbidden too."""
        try:
            found: Mapping[str, Any] = self._client.head_object(Bucket=self._bucket, Key=key)
        except s3_errors.ClientError as error:
            if _status(error) == 404:
                return None
            if _status(error) == 403:
                return {}
            raise
        return found

    def _remove(self, keys: list[str]) -> None:
        batch = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
        try:
            answer = self._client.delete_objects(Bucket=self._bucket, Delete=batch)
        except s3_errors.ClientError as error:
            if _status(error) not in _NOT_IN_BATCHES:
                raise
            for key in keys:
                self._client.delete_object(Bucket=self._bucket, Key=key)
            return
        for one in answer.get("Errors", ()):
            raise BroadsheetError(
                f"{self.where}/{one.get('Key', '').removeprefix(self._prefix)}",
                f"the object store would not remove it ({_plain(one.get('Code', ''))})", permanent=False)

    @contextmanager
    def _translated(self, name: str) -> Iterator[None]:
        """Without the library's own error, which may quote what a server says, down to our key."""
        try:
            yield
        except s3_errors.ClientError as error:
            raise _refused(f"{self.where}/{name}".rstrip("/"), error) from None
        except s3_errors.BotoCoreError as error:
            raise _failed(f"{self.where}/{name}".rstrip("/"), error) from None


def headers_of(name: str) -> dict[str, str]:
    """What a file is served with, by its name."""
    original, encoding = plain_name(name)
    folders, _, file = original.rpartition("/")
    kind = MEDIA_TYPES.get(file) or _TYPES.get(file[file.rfind("."):], "application/octet-stream")
    archive = folders.count("/") >= 2 and folders.split("/")[-2] == "archive"   # <feed>/archive/<n>
    headers = {"ContentType": kind if kind.endswith(("json", "octet-stream")) else f"{kind}; charset=utf-8",
               "CacheControl": DAY if archive else MINUTES}
    return headers | ({"ContentEncoding": encoding} if encoding else {})


def _is_name(name: str) -> bool:
    """Not so "all/", which browsers of buckets leave as a folder."""
    try:
        return bool(parts(name))
    except ValueError:
        return False


def _refused(subject: str, error: s3_errors.ClientError) -> BroadsheetError:
    code, status = _code(error), _status(error)
    if code == "NoSuchBucket":
        return BroadsheetError(subject, "there is no such bucket", hint="make it, or correct [paths] feeds")
    if code == "RequestTimeTooSkewed":
        return BroadsheetError(subject, "the object store's clock is another than ours", permanent=False,
                               hint="set this machine's clock")
    if status in (401, 403):
        return BroadsheetError(subject, f"the object store refuses it ({code})",
                               hint="see to the keys in [publish.s3], and to what they may do in this bucket")
    passing = status >= 500 or status in (0, 408, 409, 429) or code in ("RequestTimeout", "SlowDown")
    return BroadsheetError(subject, f"the object store answers {status} ({code})", permanent=not passing)


def _failed(subject: str, error: s3_errors.BotoCoreError) -> BroadsheetError:
    kind = type(error).__name__
    if isinstance(error, s3_errors.NoCredentialsError | s3_errors.PartialCredentialsError):
        return BroadsheetError(
            subject, "there are no keys for the object store, or only one of two",
            hint="set access_key and secret_key in [publish.s3], or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    if isinstance(error, s3_errors.HTTPClientError | s3_errors.ConnectionError):
        return BroadsheetError(subject, f"the object store can't be reached ({kind})", permanent=False,
                               hint="is it up, and is endpoint in [publish.s3] its address?")
    return BroadsheetError(subject, f"boto3 could not ask the object store ({kind})", permanent=False,
                           hint="see to [publish.s3], and to what AWS_… variables and ~/.aws say")


def _code(error: s3_errors.ClientError) -> str:
    return _plain(error.response.get("Error", {}).get("Code", ""))


def _plain(code: str) -> str:
    """A server's word for what is wrong, never more than a word."""
    return code if re.fullmatch(r"[A-Za-z0-9.]{1,64}", code) else "no code"


def _status(error: s3_errors.ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


_HEADERS = ("ContentType", "ContentEncoding", "CacheControl")
_TYPES = {".xml": "text/xml", ".opml": "text/xml", ".json": "application/json", ".html": "text/html",
          ".txt": "text/plain"}
_NOT_IN_BATCHES = (400, 405, 411, 501)
"""What stores answer that remove only one at a time, or want another checksum with a batch than boto3 makes."""
