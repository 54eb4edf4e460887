"""Entity group transactions on Table Storage, written and read as text.

The ledger is paid by the transaction, and azure-data-tables spends 0.25 ms of CPU on each row of one, building and parsing
e-mail messages: three quarters of a worker's time. Everything else of a request is the SDK's still: pipeline, retries,
credentials. Rows hold text and booleans only.
https://learn.microsoft.com/rest/api/storageservices/performing-entity-group-transactions
"""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from azure.core import AsyncPipelineClient
    from azure.core.rest import AsyncHttpResponse, HttpRequest

LARGEST_TRANSACTION = 100
"""Rows; a transaction's body is also held to 4 MiB."""

_ACCEPTED = 202
_CONFLICTS = frozenset({404, 409, 412})
_STATUS = re.compile(r"^HTTP/1\.1 (\d{3})", re.MULTILINE)
_ETAG = re.compile(r"^ETag: *(\S.*?)\r?$", re.MULTILINE | re.IGNORECASE)
_CODE = re.compile(r'"code" *: *"(\w+)"')
_INDEX = re.compile(r'"value" *: *"(\d+):')
# any text does that occurs in no row: rows are JSON, where a line never begins with dashes
_BOUNDARY, _CHANGES = "batch_earshot", "changeset_earshot"


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One row to write: a *create* fails if it is there, a *replace* if its etag no longer holds, a *put* never."""

    verb: Literal["create", "replace", "put"]
    row: Mapping[str, str | bool] = field(repr=False)
    etag: str = ""


class TransactionConflict(Exception):  # noqa: N818 - an answer that callers expect
    """Nothing was written, because of one row: it was there, or is not what it was."""

    def __init__(self, index: int, status: int, code: str) -> None:
        super().__init__(f"row {index} of a transaction: {status} {code}")
        self.index = index
        self.status = status
        self.code = code


class TableTransactions:
    """Submits transactions through a pipeline of the SDK's."""

    def __init__(
        self, client: "AsyncPipelineClient[HttpRequest, AsyncHttpResponse]", endpoint: str, query: str = ""
    ) -> None:
        self._client = client
        self._endpoint = endpoint.rstrip("/")
        self._url = f"{self._endpoint}/$batch{query}"

    async def submit(self, table: str, writes: Sequence[Write]) -> list[str]:
        """Write all rows or none; their etags, in order.

        Raises TransactionConflict, and what the SDK raises for everything else.
        """
        from azure.core.rest import HttpRequest  # noqa: PLC0415 - heavy, on first use

        headers = {
            "Content-Type": f"multipart/mixed; boundary={_BOUNDARY}",
            "x-ms-version": "2019-02-02",
            "DataServiceVersion": "3.0;NetFx",
            "MaxDataServiceVersion": "3.0;NetFx",
            "Accept": "application/json;odata=minimalmetadata",
        }
        request = HttpRequest("POST", self._url, headers=headers, content=write_body(self._endpoint, table, writes))
        response = await self._client.send_request(request)
        await response.read()
        if response.status_code != _ACCEPTED:
            raise _refusal(response.status_code, _CODE.search(response.text()))
        return read_answer(response.text(), len(writes))


def write_body(endpoint: str, table: str, writes: Sequence[Write]) -> bytes:
    """Write the body of a transaction."""
    parts = "".join(_write_part(endpoint, table, write) for write in writes)
    return (
        f"--{_BOUNDARY}\r\nContent-Type: multipart/mixed; boundary={_CHANGES}\r\n\r\n"
        f"{parts}--{_CHANGES}--\r\n--{_BOUNDARY}--\r\n"
    ).encode("ascii")


def read_answer(text: str, count: int) -> list[str]:
    """Read the etags of a transaction's answer. Raises TransactionConflict, or HttpResponseError for other refusals."""
    statuses = [int(status) for status in _STATUS.findall(text)]
    failed = next((status for status in statuses if status >= 300), None)  # noqa: PLR2004
    code = _CODE.search(text)
    if failed is None:
        etags: list[str] = _ETAG.findall(text)
        if len(etags) != count:
            raise _refusal(502, None)
        return etags
    if failed in _CONFLICTS and not (code and code[1].startswith("Table")):  # not TableNotFound, not TableBeingDeleted
        index = _INDEX.search(text)
        raise TransactionConflict(int(index[1]) if index else 0, failed, code[1] if code else "")
    raise _refusal(failed, code)


def sign_shared_key_lite(account: str, key: str, url: str, date: str) -> str:
    """Make the Authorization header of a request to tables.

    https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key#table-service-shared-key-lite-authorization
    """
    stated = f"{date}\n/{account}{urlsplit(url).path}".encode()
    mac = hmac.digest(base64.b64decode(key), stated, hashlib.sha256)
    return f"SharedKeyLite {account}:{base64.b64encode(mac).decode()}"


def make_client(
    endpoint: str, *, transport: Any, retries: int, backoff: float, account: str, key: str, credential: Any
) -> "AsyncPipelineClient[HttpRequest, AsyncHttpResponse]":
    """Make a pipeline that signs with the account's key, with the app's identity, or not at all (a SAS in the URL)."""
    from azure.core import AsyncPipelineClient  # noqa: PLC0415 - heavy, on first use
    from azure.core.pipeline.policies import (  # noqa: PLC0415
        AsyncBearerTokenCredentialPolicy,
        AsyncRetryPolicy,
        SansIOHTTPPolicy,
    )

    class SharedKeyLite(SansIOHTTPPolicy):  # type: ignore[type-arg]
        def on_request(self, request: Any) -> None:
            date = formatdate(usegmt=True)
            headers = request.http_request.headers
            headers["x-ms-date"] = date
            headers["Authorization"] = sign_shared_key_lite(account, key, request.http_request.url, date)

    policies: list[Any] = [AsyncRetryPolicy(retry_total=retries, retry_backoff_factor=backoff)]
    if key:
        policies.append(SharedKeyLite())
    elif credential is not None:
        policies.append(AsyncBearerTokenCredentialPolicy(credential, "https://storage.azure.com/.default"))
    return AsyncPipelineClient(endpoint, policies=policies, transport=transport)


def _write_part(endpoint: str, table: str, write: Write) -> str:
    place = table
    if write.verb != "create":
        keys = (quote(str(write.row[name]).replace("'", "''"), safe="") for name in ("PartitionKey", "RowKey"))
        place = "{}(PartitionKey='{}',RowKey='{}')".format(table, *keys)
    guard = f"If-Match: {write.etag}\r\n" if write.verb == "replace" else ""
    return (
        f"--{_CHANGES}\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
        f"{'POST' if write.verb == 'create' else 'PUT'} {endpoint}/{place} HTTP/1.1\r\n"
        "Content-Type: application/json\r\nAccept: application/json;odata=minimalmetadata\r\n"
        f"Prefer: return-no-content\r\nDataServiceVersion: 3.0;\r\n{guard}\r\n{json.dumps(write.row)}\r\n"
    )


def _refusal(status: int, code: "re.Match[str] | None") -> Exception:
    from azure.core.exceptions import HttpResponseError  # noqa: PLC0415

    problem = HttpResponseError(code[1] if code else "transaction refused")
    problem.status_code, problem.reason = status, code[1] if code else None
    return problem
