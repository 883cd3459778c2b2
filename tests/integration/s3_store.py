# Copyright: (c) 2026, sandboxops contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An S3 server on the loopback interface, and what lies in its one bucket."""

from __future__ import annotations

import base64
import http.client
import json
import re
import subprocess
import sys
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))

from s3_tools import S3Tools

_PATIENCE_SECONDS = 60
# Serves until its standard input ends, so it does not outlive whoever started it.
_SERVER = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""
_CLIENT = """
import base64, boto3, json, sys
endpoint, bucket = sys.argv[1:3]
keys = {"aws_access_key_id": "K", "aws_secret_access_key": "S"}
s3 = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **keys)
if sys.argv[3:]:
    s3.put_object(Bucket=bucket, Key=sys.argv[3], Body=sys.stdin.buffer.read())
keys = [each["Key"] for each in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]
bodies = {key: s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}
print(json.dumps({key: base64.b64encode(body).decode() for key, body in bodies.items()}))
"""


class S3Store:
    """A server with one bucket, until it is closed.

    Attributes:
        endpoint: Its URL.
        bucket: Name of the bucket.

    Args:
        directory: Where it may write.
        tools: The server's Python.
    """

    bucket = "releases"

    def __init__(self, directory: Path, tools: S3Tools) -> None:
        self._python = tools.python
        self._log = directory / "s3-requests.txt"
        with self._log.open("wb") as log:
            self._server = subprocess.Popen(
                [self._python, "-c", _SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self._server.stdout is not None
        address = f"127.0.0.1:{int(self._server.stdout.readline())}"
        self.endpoint = f"http://{address}"
        connection = http.client.HTTPConnection(address, timeout=_PATIENCE_SECONDS)
        with closing(connection):
            connection.request("PUT", f"/{self.bucket}")
            assert connection.getresponse().status == http.client.OK

    def objects(self) -> dict[str, bytes]:
        """Return what lies in the bucket, by its keys."""
        return self._client(b"")

    def put(self, key: str, content: bytes) -> None:
        """Put something into the bucket behind everybody's back."""
        self._client(content, key)

    def requests(self) -> list[str]:
        """Return the requests so far, each as its method and path."""
        logged = self._log.read_text(encoding="utf-8", errors="replace")
        return re.findall(r'"(?:\x1b\[[0-9;]*m)*([A-Z]+ \S+) HTTP/1\.1', logged)

    def close(self) -> None:
        """Stop serving."""
        self._server.communicate(timeout=_PATIENCE_SECONDS)

    def _client(self, content: bytes, *arguments: str) -> dict[str, bytes]:
        command = [self._python, "-c", _CLIENT, self.endpoint, self.bucket, *arguments]
        done = subprocess.run(command, input=content, stdout=subprocess.PIPE, timeout=_PATIENCE_SECONDS, check=True)
        return {key: base64.b64decode(body) for key, body in json.loads(done.stdout).items()}
