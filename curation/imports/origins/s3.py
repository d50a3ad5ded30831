"""Imports from an S3 bucket: the files below a prefix. Every request goes through the guard of outbound addresses."""

import os
import re
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError

from atelier import secrets
from atelier.network import outbound
from curation.formats import LIMITS

ADDRESS = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?")
PRIVATE_SETTING = "ATELIER_IMPORT_PRIVATE_HOSTS"
SECONDS = 900  # an address is signed for so long
CAPS = outbound.Caps(max_bytes=LIMITS.unpacked, seconds=3600.0, idle_seconds=20.0)
PAGES = 20  # of a listing, a thousand names each


def check(values: dict[str, str]) -> None:
    """Raise ValidationError for what no job could download."""
    match = ADDRESS.fullmatch(values["address"])
    if not match:
        raise ValidationError("Write the location as s3://bucket/prefix.")
    if bool(values["access_key"]) != bool(values["secret_key"]):
        raise ValidationError("Enter both the access key and the secret key, or neither.")
    if not values["access_key"] and not _from_environment(match[1]):
        raise ValidationError(
            f"Enter an access key and a secret key, or allow the installation's own keys for {match[1]} "
            "(ATELIER_IMPORT_BUCKETS)."
        )
    if not re.fullmatch(r"[a-z0-9-]{0,40}", values["region"]):
        raise ValidationError("Write the region like eu-central-1.")
    if values["endpoint"]:
        try:
            outbound.Gate(settings.IMPORT_PRIVATE_HOSTS, CAPS.ports, PRIVATE_SETTING).check_url(values["endpoint"])
        except outbound.OutboundRefused as error:
            raise ValidationError(str(error)) from error


def _from_environment(bucket: str) -> bool:
    """Return whether the keys of the process may be used.

    Otherwise anyone who may import could read all that the server may.
    """
    allowed = settings.IMPORT_BUCKETS
    return bool(os.environ.get("AWS_ACCESS_KEY_ID")) and (bucket in allowed or "*" in allowed)


def fetch(origin: dict[str, Any], folder: Path, say: Callable[[str], None]) -> list[tuple[str, Path]]:
    """Download the files below the prefix, by their names in the order of the bucket.

    Raises ValidationError with a sentence.
    """
    match = ADDRESS.fullmatch(origin["address"])
    if not match:
        raise ValidationError("Write the location as s3://bucket/prefix.")
    bucket, prefix = match[1], match[2] or ""
    client = _client(origin, bucket)
    files: list[tuple[str, Path]] = []
    size = 0
    for entry in _listed(client, bucket, prefix, folder):
        key = entry["Key"]
        size += int(entry.get("Size", 0))
        if len(files) >= LIMITS.entries or size > LIMITS.unpacked:
            limit = f"{LIMITS.entries:,} files and {LIMITS.unpacked >> 30} GB"
            raise ValidationError(f"There is more than {limit} below {origin['address']}. Enter a longer prefix.")
        say(f"Downloading {key[-200:]}")
        # The name of the file is ours: a key may hold anything.
        path = folder / f"object-{len(files)}"
        url = client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=SECONDS)
        _get(url, path, {403: f"These keys can list {bucket}, but not read {key[-200:]}.",
                         404: f"{key[-200:]} is no longer in {bucket}. Try again."})  # fmt: skip
        files.append((key.removeprefix(prefix.rpartition("/")[0]).lstrip("/") or key, path))
    return files


def _client(origin: dict[str, Any], bucket: str) -> Any:
    """Return a client that only signs requests (presigned URLs).

    It sends nothing itself, so the outbound guard cannot be bypassed.
    """
    import boto3  # slow to import, and most workers never need it
    from botocore.config import Config

    keys: dict[str, str] = {}
    if origin.get("access_key"):
        keys = {
            "aws_access_key_id": origin["access_key"],
            "aws_secret_access_key": secrets.unseal(origin.get("secret_key", "")),
        }
    elif not _from_environment(bucket):
        raise ValidationError(f"The installation's own keys are not allowed for {bucket}.")
    style = "path" if origin.get("endpoint") else "virtual"
    return boto3.client(
        "s3", endpoint_url=origin.get("endpoint") or None, region_name=origin.get("region") or "us-east-1", **keys,
        config=Config(signature_version="s3v4", s3={"addressing_style": style}),
    )  # fmt: skip


def _listed(client: Any, bucket: str, prefix: str, folder: Path) -> Iterator[dict[str, Any]]:
    """Yield every object below the prefix that is a file."""
    from botocore.parsers import create_parser

    where = urllib.parse.urlsplit(client.meta.endpoint_url).hostname
    refusals = {403: f"{bucket} cannot be listed with these keys. Check the keys and their permission to list the bucket.",
                404: f"No bucket {bucket} was found at {where}. Check its name, the endpoint and the region."}  # fmt: skip
    shape = client.meta.service_model.operation_model("ListObjectsV2").output_shape
    params: dict[str, Any] = {"Bucket": bucket, "Prefix": prefix}
    for _ in range(PAGES):
        url = client.generate_presigned_url("list_objects_v2", Params=params, ExpiresIn=SECONDS)
        listing = folder / "listing"
        _get(url, listing, refusals)
        answer = {"body": listing.read_bytes(), "headers": {}, "status_code": 200}
        page = create_parser("rest-xml").parse(answer, shape)
        plain = urllib.parse.unquote_plus if page.get("EncodingType") == "url" else str
        entries = [{**entry, "Key": plain(entry["Key"])} for entry in page.get("Contents", [])]
        yield from (entry for entry in entries if not entry["Key"].endswith("/"))
        if not page.get("IsTruncated"):
            return
        params["ContinuationToken"] = page["NextContinuationToken"]
    raise ValidationError(f"There are more than {PAGES * 1000:,} objects below the prefix. Enter a longer one.")


def _get(url: str, path: Path, refusals: dict[int, str]) -> None:
    """Download one response of the store into a file. `refusals` gives by status the meaning of a refusal here."""
    try:
        outbound.fetch(url, path, CAPS, settings.IMPORT_PRIVATE_HOSTS, PRIVATE_SETTING)
    except outbound.UnexpectedStatus as error:
        hint = " Check the bucket, the keys and the region." if error.status < 500 else ""
        raise ValidationError(refusals.get(error.status, f"{error}{hint}")) from error
    except outbound.OutboundRefused as error:
        raise ValidationError(str(error)) from error
