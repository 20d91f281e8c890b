"""What an offline W&B run holds, by W&B's own reader (`wandb leet inspect`), and a server that takes what is synced."""

import gzip
import json
import subprocess
import sys
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


def _inspect(piece, *flags):
    from wandb.util import get_core_path

    (path,) = piece.glob("*.wandb")
    command = [get_core_path(), "leet", "inspect", "--no-observability", "--json", *flags, "--run-file", str(path)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _records(piece):
    """All of its records, once it is whole: `Run.finish` returns before the service has closed the file."""
    return [json.loads(line) for line in _inspect(piece, "--follow", "--idle-timeout=60s").splitlines()]


def pieces(folder):
    """The offline W&B runs in a run directory, oldest first."""
    return sorted(folder.glob("wandb/offline-run-*"))


def digest(piece):
    """Its config, summary, name, tags, project, id and state."""
    _records(piece)
    return json.loads(_inspect(piece, "--summary"))


def records(piece, kind):
    """All of its records of a kind: ``run``, ``history``, ``metric``, ``artifact``, ..."""
    return [record[kind] for record in _records(piece) if record["type"] == kind]


def history(piece):
    """Its rows, a dictionary each."""
    return [record["item"] for record in records(piece, "history")]


class Stub:
    """Takes runs as W&B's server does: the history of each run id, row by row, and the project it went to."""

    def __init__(self):
        self.runs = {}

    def rows(self, identity):
        return [row for _, row in sorted(self.runs[identity]["rows"].items())]

    def answer(self, query, variables):
        name = variables.get("name")
        if "RunResumeStatus" in query:
            return {"model": {"id": "P", "name": "p", "entity": {"id": "E", "name": "me"}, "bucket": self.bucket(name)}}
        if "UpsertBucket" in query:
            self.runs.setdefault(name, {"rows": {}, "project": variables["project"], "group": variables["groupName"]})
            project = {"id": "P", "name": "p", "entity": {"id": "E", "name": "me"}}
            bucket = {"id": "R", "name": name, "displayName": "n", "project": project, "historyLineCount": 0}
            return {"upsertBucket": {"bucket": bucket, "inserted": True}}
        if "CreateRunFiles" in query:
            files = [{"name": file, "uploadUrl": f"{self.url}/file"} for file in variables.get("files") or []]
            return {"createRunFiles": {"runID": "R", "uploadHeaders": [], "files": files}}
        return {}

    def bucket(self, name):
        if name not in self.runs:
            return None
        rows = self.rows(name)
        empty = {"config": "{}", "eventsTail": "[]", "wandbConfig": '{"t":1}', "tags": []}
        empty["summaryMetrics"] = json.dumps({key: value for row in rows for key, value in row.items()})
        counts = {"logLineCount": 0, "historyLineCount": len(rows), "eventsLineCount": 0, "stopped": False}
        return (
            {"name": name, "id": "R", "displayName": "n"}
            | {"historyTail": json.dumps([json.dumps(row) for row in rows[-1:]])}
            | empty
            | counts
        )

    def stream(self, path, body):
        told = body.get("files", {}).get("wandb-history.jsonl")
        if told:
            rows = self.runs[path.split("/")[-2]]["rows"]
            rows |= {told["offset"] + index: json.loads(line) for index, line in enumerate(told["content"])}


@contextmanager
def server():
    """A `Stub` that listens; its address is ``url``."""
    stub = Stub()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            raw = self.rfile.read(int(self.headers.get("content-length", 0)))
            raw = gzip.decompress(raw) if self.headers.get("content-encoding") == "gzip" else raw
            body = json.loads(raw) if raw[:1] == b"{" else {}
            reply = {}
            if "query" in body:
                reply = {"data": stub.answer(body["query"].split("{")[0], body.get("variables") or {})}
            elif self.path.endswith("file_stream"):
                stub.stream(self.path, body)
            self.reply(reply)

        def do_GET(self):
            self.reply({})

        do_PUT = do_POST

        def reply(self, content):
            text = json.dumps(content).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *args): ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        stub.url = f"http://127.0.0.1:{listening.server_port}"
        Thread(target=listening.serve_forever, daemon=True).start()
        yield stub
        listening.shutdown()


def sync(parts, url, env):
    """`wandb sync PARTS`, as the closing line of a run says it."""
    told = env | {"WANDB_BASE_URL": url, "WANDB_API_KEY": "ab12" * 10, "WANDB_MODE": "online"}
    command = [sys.executable, "-m", "wandb", "sync", *map(str, parts)]
    here = {"cwd": parts[0].parent, "env": told}  # it writes a log into the current folder
    done = subprocess.run(command, **here, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
