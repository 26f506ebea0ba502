"""The launcher's traffic with an object store (backend/src/v2/objectstore/object_store.go)."""

from pathlib import Path

import boto3


class ObjectStore:
    """Files under `SCHEME://bucket/key` on an S3-compatible server, whatever the scheme."""

    def __init__(self, endpoint: str, key: str, secret: str) -> None:
        self._client = boto3.client(
            "s3",
            endpoint_url=endpoint,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            region_name="us-east-1",
        )

    def make_bucket(self, name: str) -> None:
        """Makes an empty bucket."""
        self._client.create_bucket(Bucket=name)

    def upload(self, path: Path, uri: str) -> None:
        """A file, or all files under a folder; empty folders leave no trace."""
        bucket, key = _split(uri)
        files = [path] if path.is_file() else [file for file in sorted(path.rglob("*")) if file.is_file()]
        for file in files:
            name = key if file == path else f"{key}/{file.relative_to(path)}"
            self._client.upload_file(str(file), bucket, name)

    def download(self, uri: str, path: Path) -> None:
        """The object of that name, or all objects under it; nothing is no error."""
        bucket, key = _split(uri)
        for name in self.keys(uri):
            target = path / name.removeprefix(key).lstrip("/") if name != key else path
            target.parent.mkdir(parents=True, exist_ok=True)
            self._client.download_file(bucket, name, str(target))

    def keys(self, uri: str) -> list[str]:
        """Keys of the object of that name and of those under it."""
        bucket, key = _split(uri)
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key)
        found = [item["Key"] for page in pages for item in page.get("Contents", ())]
        return [name for name in found if name == key or name.startswith(key.rstrip("/") + "/")]

    def read(self, uri: str) -> bytes:
        """The content of an object."""
        bucket, key = _split(uri)
        return self._client.get_object(Bucket=bucket, Key=key)["Body"].read()


def _split(uri: str) -> tuple[str, str]:
    bucket, _, key = uri.partition("://")[2].partition("/")
    return bucket, key
