#!/usr/bin/env python3
"""fake_llm by itself: wire format, directives, every fault, ledger."""

import argparse
import array
import base64
import gzip
import http.client
import json
import math
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = "fake_llm"
DEADLINE = 30
CHAT = "/v1/chat/completions"
RESPONSES = "/v1/responses"


def fnv1a(data: bytes) -> str:
    h = 0xCBF29CE484222325
    for byte in data:
        h = (h ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{h:016x}"


class Server:
    """One fake_llm on a port of its own."""

    def __init__(self, *args: str) -> None:
        self.proc = subprocess.Popen(
            [PROGRAM, "--listen", "0", *args], stdout=subprocess.PIPE, text=True
        )
        line = self.proc.stdout.readline()
        self.port = int(line.rsplit(":", 1)[1])
        self.line = line.strip()

    def stop(self) -> int:
        self.proc.send_signal(signal.SIGTERM)
        code = self.proc.wait(10)
        self.proc.stdout.close()
        return code

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), 10)

    def request(self, method, path, body=None, headers=None):
        """Return (status, headers, body) of one call on a new connection."""
        conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            if isinstance(body, (dict, list)):
                body = json.dumps(body)
            conn.request(method, path, body, headers or {})
            got = conn.getresponse()
            return got.status, got.headers, got.read()
        finally:
            conn.close()

    def post(self, path, body, headers=None):
        status, _, data = self.request("POST", path, body, headers)
        return status, json.loads(data)

    def chat(self, text="hello", **more):
        return self.post(CHAT, chat_body(text, **more))

    def set(self, **directives):
        status, answer = self.post("/_fake/defaults", directives)
        assert status == 200, answer

    def ledger(self, query=""):
        data = self.request("GET", "/_fake/ledger" + query)[2]
        return [json.loads(line) for line in data.splitlines()]

    def stats(self):
        return json.loads(self.request("GET", "/_fake/stats")[2])

    def record(self, ident):
        """The record of the call with that id, once it has ended."""
        end = time.monotonic() + 5
        while time.monotonic() < end:
            found = self.ledger("?id=" + ident)
            if found:
                return found[-1]
            time.sleep(0.01)
        raise AssertionError("no record of " + ident)

    def raw(self, body, path=CHAT, version="1.1", timeout=10):
        """Send one request; return (head, rest) up to the end of the bytes,
        with the exception that ended them, if any."""
        sock = self.connect()
        sock.settimeout(timeout)
        sock.sendall(raw_request(body, path, version))
        data, failure = b"", None
        try:
            while True:
                piece = sock.recv(1 << 20)
                if not piece:
                    break
                data += piece
        except OSError as error:
            failure = error
        sock.close()
        head, _, rest = data.partition(b"\r\n\r\n")
        return head.decode(), rest, failure


def chat_body(text, **more):
    return {
        "model": "gpt-4o",
        "messages": [{"role": "user", "content": text}],
        **more,
    }


def raw_request(body, path=CHAT, version="1.1", close=True):
    data = json.dumps(body).encode()
    head = f"POST {path} HTTP/{version}\r\nHost: x\r\n"
    if close:
        head += "Connection: close\r\n"
    return f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data


def unchunk(data: bytes) -> tuple[bytes, bool]:
    """Decode chunks; tell whether the last one is there."""
    out = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        n = int(size, 16)
        if n == 0:
            return out, True
        out += data[:n]
        data = data[n + 2 :]
    return out, False


def events(data: bytes) -> list[str]:
    """The data of each event, by the rules of the HTML standard."""
    text = data.decode()
    if text.startswith("\ufeff"):
        text = text[1:]
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    found = []
    for block in text.split("\n\n"):
        lines = [
            line[5:].removeprefix(" ")
            for line in block.split("\n")
            if line.startswith("data:")
        ]
        if lines:
            found.append("\n".join(lines))
    return found


def content(chunks) -> str:
    return "".join(
        choice["delta"].get("content") or ""
        for chunk in chunks
        for choice in chunk["choices"]
    )


class Case(unittest.TestCase):
    """A server per class, reset before each test; a deadline per test."""

    args = ("--seed", "7")

    @classmethod
    def setUpClass(cls):
        cls.srv = Server(*cls.args)

    @classmethod
    def tearDownClass(cls):
        code = cls.srv.stop()
        if code != 0:
            raise AssertionError(f"fake_llm ended with {code}")

    def setUp(self):
        def late(*_):
            raise TimeoutError("the test took too long")

        signal.signal(signal.SIGALRM, late)
        signal.alarm(DEADLINE)
        self.srv.request("POST", "/_fake/reset")

    def tearDown(self):
        signal.alarm(0)

    def stream(self, text="hello", usage=False, **more):
        """The chunks of a stream that ends as it should."""
        if usage:
            more["stream_options"] = {"include_usage": True}
        head, rest, failure = self.srv.raw(chat_body(text, stream=True, **more))
        self.assertIsNone(failure)
        self.assertIn("200 OK", head)
        data, ended = unchunk(rest)
        self.assertTrue(ended)
        found = events(data)
        self.assertEqual(found[-1], "[DONE]")
        return [json.loads(event) for event in found[:-1]]

    def broken(self, fault, stream=True, **more):
        """(head, rest, failure) of a call with a fault."""
        words = " ".join(f"{k}={v}" for k, v in more.items())
        text = f"[[fault={fault} id={fault} {words}]]"
        return self.srv.raw(chat_body(text, stream=stream))


class Program(unittest.TestCase):
    def run_it(self, *args):
        return subprocess.run(
            [PROGRAM, *args], capture_output=True, text=True, timeout=10
        )

    def test_help_and_version(self):
        for option in ("--help", "--version", "--help-directives"):
            done = self.run_it(option)
            self.assertEqual((done.returncode, done.stderr), (0, ""), option)
            self.assertTrue(done.stdout)

    def test_bad_arguments(self):
        for args in (
            ["--nonsense"],
            ["word"],
            ["--set", "fault=nonsense"],
            ["--set", "nonsense=1"],
            ["--set", "latency=1:2"],
            ["--set", "latency=9:8:7:6"],
            ["--set", "tokens=-1"],
            ["--set", "status=200"],
            ["--seed", "x"],
        ):
            self.assertEqual(self.run_it(*args).returncode, 2, args)
        for spec in ("host:1", "1.2.3.4:x", "99999", "[::1]", "unix:", ""):
            self.assertEqual(self.run_it("--listen", spec).returncode, 1, spec)

    def test_manual(self):
        manual = (SOURCE / "docs" / "FAKE_LLM.md").read_text()
        self.assertIn(self.run_it("--help-directives").stdout, manual)

    def test_unix_socket(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "s")
            proc = subprocess.Popen(
                [PROGRAM, "--listen", "unix:" + path],
                stdout=subprocess.PIPE,
                text=True,
            )
            self.assertEqual(
                proc.stdout.readline(), f"listening on unix:{path}\n"
            )
            with socket.socket(socket.AF_UNIX) as sock:
                sock.settimeout(10)
                sock.connect(path)
                sock.sendall(b"GET /v1/models HTTP/1.0\r\n\r\n")
                self.assertIn(b" 200 OK\r\n", sock.recv(4096))
            proc.terminate()
            self.assertEqual(proc.wait(10), 0)
            proc.stdout.close()
            self.assertFalse(os.path.exists(path))

    def test_refuse(self):
        proc = subprocess.Popen(
            [PROGRAM, "--refuse"], stdout=subprocess.PIPE, text=True
        )
        line = proc.stdout.readline()
        self.assertTrue(line.startswith("refusing on 127.0.0.1:"))
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(
                ("127.0.0.1", int(line.rsplit(":", 1)[1])), 5
            )
        proc.terminate()
        self.assertEqual(proc.wait(10), 0)
        proc.stdout.close()

    def test_stop_with_calls_in_flight(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "ledger")
            srv = Server("--ledger", path)
            socks = [srv.connect() for _ in range(20)]
            for sock in socks:
                sock.sendall(raw_request(chat_body("[[fault=silence]]")))
            while srv.stats()["active"] < 20:
                time.sleep(0.01)
            self.assertEqual(srv.stop(), 0)
            for sock in socks:
                sock.close()
            lines = pathlib.Path(path).read_text().splitlines()
            ends = [json.loads(line)["end"] for line in lines]
            self.assertEqual(ends, ["shutdown"] * 20)

    def test_same_seed_same_answers(self):
        got = []
        for seed in ("5", "5", "6"):
            srv = Server("--seed", seed)
            answer = srv.chat("hi")[1]
            got.append((answer["id"], answer["choices"]))
            srv.stop()
        self.assertEqual(got[0], got[1])
        self.assertNotEqual(got[0], got[2])


class Answers(Case):
    def test_chat(self):
        status, answer = self.srv.chat("hello")
        self.assertEqual(status, 200)
        self.assertRegex(answer["id"], r"^chatcmpl-[0-9a-f]{24}$")
        self.assertEqual(answer["object"], "chat.completion")
        self.assertEqual(answer["model"], "gpt-4o")
        self.assertLess(abs(answer["created"] - time.time()), 5)
        self.assertIn("system_fingerprint", answer)
        choice = answer["choices"][0]
        self.assertEqual(choice["index"], 0)
        self.assertEqual(choice["finish_reason"], "stop")
        self.assertEqual(choice["message"]["role"], "assistant")
        text = choice["message"]["content"]
        self.assertTrue(text.startswith("This is the WatchLLM sandbox."))
        self.assertIn("No model", text)
        self.assertEqual(len(text), 96)
        usage = answer["usage"]
        self.assertEqual(usage["prompt_tokens"], 2)
        self.assertEqual(usage["completion_tokens"], 24)
        self.assertEqual(usage["total_tokens"], 26)

    def test_answers_depend_on_the_request(self):
        texts = [
            self.srv.chat(text)[1]["choices"][0]["message"]["content"]
            for text in ("a", "a", "b")
        ]
        self.assertEqual(texts[0], texts[1])
        self.assertNotEqual(texts[0], texts[2])
        self.assertEqual(content(self.stream("a")), texts[0])

    def test_choices_and_limits(self):
        _, answer = self.srv.chat("x [[tokens=40]]", n=3, max_tokens=30)
        texts = [c["message"]["content"] for c in answer["choices"]]
        self.assertEqual([len(t) for t in texts], [120] * 3)
        self.assertEqual(len(set(texts)), 3)
        self.assertEqual(answer["choices"][2]["finish_reason"], "length")
        self.assertEqual(answer["usage"]["completion_tokens"], 90)
        _, answer = self.srv.chat("[[tokens=40]]", max_completion_tokens=1)
        self.assertEqual(answer["choices"][0]["message"]["content"], "This")

    def test_prompt_tokens_are_bytes_by_four_per_message(self):
        messages = [
            {"role": "system", "content": "12345"},
            {"role": "assistant", "content": None},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "1234"},
                    {"type": "image_url", "image_url": {"url": "data:,"}},
                    {"type": "text", "text": "é"},
                ],
            },
        ]
        _, answer = self.srv.post(CHAT, {"model": "m", "messages": messages})
        self.assertEqual(answer["usage"]["prompt_tokens"], 2 + 0 + 2)

    def test_completions(self):
        body = {"model": "m", "prompt": ["abcdefgh", "x"], "n": 2}
        _, answer = self.srv.post("/v1/completions", body)
        self.assertRegex(answer["id"], r"^cmpl-")
        self.assertEqual(answer["object"], "text_completion")
        self.assertEqual([c["index"] for c in answer["choices"]], [0, 1, 2, 3])
        self.assertIn("sandbox", answer["choices"][3]["text"])
        self.assertEqual(answer["usage"]["prompt_tokens"], 3)
        for prompt, count in (([1, 2, 3], 3), ([[1, 2], [3]], 3), ("abc", 1)):
            body = {"model": "m", "prompt": prompt}
            _, answer = self.srv.post("/v1/completions", body)
            self.assertEqual(answer["usage"]["prompt_tokens"], count)

    def test_completions_stream(self):
        body = {"model": "m", "prompt": "[[tokens=5]]", "stream": True}
        _, rest, _ = self.srv.raw(body, "/v1/completions")
        found = events(unchunk(rest)[0])
        self.assertEqual(found[-1], "[DONE]")
        chunks = [json.loads(event) for event in found[:-1]]
        text = "".join(c["choices"][0]["text"] for c in chunks)
        self.assertEqual(text, "This is the WatchLLM"[:20])
        self.assertEqual(chunks[-1]["choices"][0]["finish_reason"], "stop")

    def test_embeddings(self):
        def embed(text, **more):
            body = {"model": "text-embedding-3-small", "input": text, **more}
            status, answer = self.srv.post("/v1/embeddings", body)
            self.assertEqual(status, 200)
            return answer

        answer = embed(["how do I bake bread", "How do I bake a bread?", "cars"])
        vectors = [item["embedding"] for item in answer["data"]]
        self.assertEqual([len(v) for v in vectors], [1536] * 3)
        self.assertEqual(answer["usage"], {"prompt_tokens": 12, "total_tokens": 12})
        for vector in vectors:
            self.assertAlmostEqual(math.hypot(*vector), 1, 4)
        near, far = (math.sumprod(vectors[0], v) if hasattr(math, "sumprod")
                     else sum(a * b for a, b in zip(vectors[0], v))
                     for v in vectors[1:])
        self.assertGreater(near, 0.8)
        self.assertLess(far, 0.3)
        packed = embed("how do I bake bread", encoding_format="base64")
        raw = base64.b64decode(packed["data"][0]["embedding"])
        for a, b in zip(array.array("f", raw), vectors[0], strict=True):
            self.assertAlmostEqual(a, b, 6)
        small = embed([[1, 2], [3]], dimensions=8)
        self.assertEqual([len(i["embedding"]) for i in small["data"]], [8, 8])
        large = self.srv.post(
            "/v1/embeddings", {"model": "x-large", "input": "a"}
        )[1]
        self.assertEqual(len(large["data"][0]["embedding"]), 3072)

    def test_many_embeddings(self):
        body = {"model": "m", "input": ["word %d" % i for i in range(300)]}
        status, answer = self.srv.post("/v1/embeddings", body)
        self.assertEqual(status, 200)
        self.assertEqual(len(answer["data"]), 300)

    def test_tools(self):
        schema = {
            "type": "object",
            "properties": {
                "city": {"type": "string", "enum": ["Bonn", "Köln"]},
                "days": {"type": "integer", "minimum": 3},
            },
        }
        tools = [
            {"type": "function", "function": {"name": n, "parameters": schema}}
            for n in ("weather", "news")
        ]
        _, answer = self.srv.chat("[[tool_calls=2]]", tools=tools)
        choice = answer["choices"][0]
        self.assertEqual(choice["finish_reason"], "tool_calls")
        self.assertIsNone(choice["message"]["content"])
        calls = choice["message"]["tool_calls"]
        self.assertEqual([c["function"]["name"] for c in calls], ["weather", "news"])
        self.assertEqual(len({c["id"] for c in calls}), 2)
        arguments = json.loads(calls[0]["function"]["arguments"])
        self.assertIn(arguments["city"], ("Bonn", "Köln"))
        self.assertEqual(arguments["days"], 3)
        _, answer = self.srv.chat("no", tools=tools)
        self.assertNotIn("tool_calls", answer["choices"][0]["message"])
        named = {"type": "function", "function": {"name": "news"}}
        _, answer = self.srv.chat("x", tools=tools, tool_choice=named)
        calls = answer["choices"][0]["message"]["tool_calls"]
        self.assertEqual([c["function"]["name"] for c in calls], ["news"])
        got = {}
        for chunk in self.stream("[[tool_calls=2]]", tools=tools):
            for call in chunk["choices"][0]["delta"].get("tool_calls", []):
                at = got.setdefault(call["index"], {"arguments": ""})
                at["name"] = call["function"].get("name", at.get("name"))
                at["arguments"] += call["function"]["arguments"]
        self.assertEqual([got[i]["name"] for i in (0, 1)], ["weather", "news"])
        self.assertEqual(json.loads(got[1]["arguments"])["days"], 3)

    def test_response_format(self):
        _, answer = self.srv.chat("x", response_format={"type": "json_object"})
        text = answer["choices"][0]["message"]["content"]
        self.assertIs(json.loads(text)["sandbox"], True)
        schema = {
            "type": "object",
            "$defs": {
                "node": {
                    "type": "object",
                    "properties": {
                        "name": {"type": "string", "minLength": 9},
                        "next": {
                            "anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]
                        },
                    },
                }
            },
            "properties": {
                "root": {"$ref": "#/$defs/node"},
                "list": {"type": "array", "items": {"type": "number"},
                         "minItems": 2},
                "when": {"type": "string", "format": "date-time"},
                "none": {"type": "null"},
                "either": {"type": ["null", "boolean"]},
                "fixed": {"const": {"a": 1}},
                "below": {"type": "number", "exclusiveMaximum": 0},
            },
        }
        form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
        _, answer = self.srv.chat("x", response_format=form)
        value = json.loads(answer["choices"][0]["message"]["content"])
        self.assertEqual(set(value), set(schema["properties"]))
        self.assertGreaterEqual(len(value["root"]["name"]), 9)
        self.assertEqual(len(value["list"]), 2)
        self.assertIsInstance(value["either"], bool)
        self.assertEqual(value["fixed"], {"a": 1})
        self.assertLess(value["below"], 0)
        node, depth = value["root"], 0
        while node["next"] is not None:
            node, depth = node["next"], depth + 1
        self.assertLess(depth, 16)
        same = content(self.stream("x", response_format=form))
        self.assertEqual(json.loads(same), value)

    def test_sizes_are_exact(self):
        for size in (2000, 65536, 1_000_000, 5_000_001):
            data = self.srv.request("POST", CHAT, chat_body(f"[[size={size}]]"))[2]
            self.assertEqual(len(data), size)
            self.assertEqual(
                json.loads(data)["choices"][0]["message"]["role"], "assistant"
            )
        data = self.srv.request("POST", CHAT, chat_body("[[size=300001]]", n=3))[2]
        self.assertEqual(len(data), 300001)

    def test_reported_usage(self):
        words = (
            "prompt_tokens=100 completion_tokens=50 cached_tokens=30"
            " reasoning_tokens=20 id=u"
        )
        for chunk in (
            self.srv.chat(f"[[{words}]]")[1],
            self.stream(f"[[{words}]]", usage=True)[-1],
        ):
            usage = chunk["usage"]
            self.assertEqual(usage["prompt_tokens"], 100)
            self.assertEqual(usage["completion_tokens"], 50)
            self.assertEqual(usage["total_tokens"], 150)
            self.assertEqual(usage["prompt_tokens_details"]["cached_tokens"], 30)
            details = usage["completion_tokens_details"]
            self.assertEqual(details["reasoning_tokens"], 20)
        record = self.srv.record("u")
        self.assertEqual(record["prompt_tokens"], 100)
        self.assertEqual(record["completion_tokens_sent"], 24)
        _, answer = self.srv.chat("[[reasoning_tokens=6]]")
        self.assertEqual(answer["usage"]["completion_tokens"], 30)
        self.assertNotIn("usage", self.srv.chat("[[usage=none]]")[1])
        _, answer = self.srv.chat("[[usage=zero]]")
        self.assertEqual(answer["usage"]["total_tokens"], 0)
        _, answer = self.srv.chat("[[finish=content_filter]]")
        self.assertEqual(answer["choices"][0]["finish_reason"], "content_filter")


class Streams(Case):
    def test_order(self):
        chunks = self.stream("[[tokens=3]]")
        self.assertEqual(chunks[0]["choices"][0]["delta"]["role"], "assistant")
        self.assertEqual(len(chunks), 5)
        self.assertEqual(content(chunks), "This is the ")
        self.assertEqual(chunks[-1]["choices"][0]["finish_reason"], "stop")
        self.assertEqual(chunks[-1]["choices"][0]["delta"], {})
        self.assertEqual(len({c["id"] for c in chunks}), 1)
        self.assertFalse(any("usage" in c for c in chunks))

    def test_include_usage(self):
        chunks = self.stream("[[tokens=3]]", usage=True)
        self.assertEqual(chunks[-1]["choices"], [])
        self.assertEqual(chunks[-1]["usage"]["completion_tokens"], 3)
        self.assertTrue(all(c["usage"] is None for c in chunks[:-1]))

    def test_choices(self):
        chunks = self.stream("[[tokens=20]]", n=2)
        texts = ["", ""]
        for chunk in chunks:
            choice = chunk["choices"][0]
            texts[choice["index"]] += choice["delta"].get("content", "")
        _, answer = self.srv.chat("[[tokens=20]]", n=2)
        self.assertEqual(
            texts, [c["message"]["content"] for c in answer["choices"]]
        )

    def test_usage_variants(self):
        def where(word, asked=True):
            text = f"[[tokens=2 usage={word}]]"
            chunks = self.stream(text, usage=asked)
            return [
                (
                    i - len(chunks),
                    bool(c["choices"]),
                    c["usage"]["total_tokens"] - math.ceil(len(text) / 4),
                )
                for i, c in enumerate(chunks)
                if c.get("usage")
            ], chunks

        self.assertEqual(where("auto")[0], [(-1, False, 2)])
        self.assertEqual(where("auto", False)[0], [])
        self.assertEqual(where("always", False)[0], [(-1, False, 2)])
        self.assertEqual(where("dup")[0], [(-2, False, 2), (-1, False, 2)])
        early = where("early", False)
        self.assertEqual(early[0], [(-len(early[1]), False, 2)])
        every = where("every", False)
        self.assertEqual([u[2] for u in every[0]], [0, 1, 2, 2])
        none = where("none")
        self.assertEqual(none[0], [])
        self.assertFalse(any("usage" in c for c in none[1]))
        self.assertEqual(where("with_choices")[0], [(-1, True, 2)])
        self.assertEqual(where("zero")[0][0][:2], (-1, False))
        self.assertLess(where("zero")[0][0][2], 0)

    def test_line_ends(self):
        want = content(self.stream("x"))
        for eol, mark in (("lf", b"\n\n"), ("crlf", b"\r\n\r\n"), ("cr", b"\r\r")):
            body = chat_body(f"x [[eol={eol} bom=1 comments=1]]", stream=True)
            data, _ = unchunk(self.srv.raw(body)[1])
            self.assertTrue(data.startswith(b"\xef\xbb\xbf: sandbox"), eol)
            self.assertTrue(data.endswith(mark))
            self.assertEqual(b"\n" in data, eol != "cr")
            self.assertEqual(b"\r" in data, eol != "lf")
            found = events(data)
            self.assertEqual(found[-1], "[DONE]")
            text = content(json.loads(e) for e in found[:-1])
            self.assertEqual(text[:50], want[:50])

    def test_chunk_tokens(self):
        chunks = self.stream("[[tokens=10 chunk_tokens=4]]")
        pieces = [c["choices"][0]["delta"].get("content") for c in chunks[1:-1]]
        self.assertEqual([len(p) for p in pieces], [16, 16, 8])

    def test_split_at_every_byte(self):
        body = chat_body("x [[utf8=1 tokens=40]]", stream=True)
        plain, _ = unchunk(self.srv.raw(body)[1])
        body = chat_body("x [[utf8=1 tokens=40 split=1]]", stream=True)
        cut, ended = unchunk(self.srv.raw(body)[1])
        self.assertTrue(ended)
        texts = [
            content(json.loads(e) for e in events(d)[:-1]) for d in (plain, cut)
        ]
        for text in texts:
            self.assertEqual(len(text.encode()), 160)
            sizes = {len(c.encode()) for c in text}
            self.assertEqual(sizes, {1, 2, 3, 4})

    def test_split_makes_writes(self):
        sock = self.srv.connect()
        sock.settimeout(10)
        sock.sendall(raw_request(chat_body("[[split=100 gap=20 id=s]]")))
        pieces = []
        while piece := sock.recv(65536):
            pieces.append(len(piece))
        sock.close()
        total = self.srv.record("s")["bytes"]
        self.assertEqual(sum(pieces), total)
        self.assertGreater(len(pieces), total // 200)
        for i in range(1, len(pieces)):
            self.assertEqual(sum(pieces[:i]) % 100, 0, "a write of another size")

    def test_stamps(self):
        chunks = self.stream("[[stamp=1 tokens=20 per_token=5]]")
        words = content(chunks).split()
        self.assertEqual([w.split(":")[0] for w in words], [str(i) for i in range(20)])
        times = [int(w.split(":")[1]) for w in words]
        self.assertEqual(times, sorted(times))
        self.assertLess(abs(times[-1] / 1e6 - time.time()), 2)

    def test_deadlines_do_not_drift(self):
        words = content(
            self.stream("[[stamp=1 tokens=51 per_token=10 ttft=40 latency=30 id=d]]")
        ).split()
        record = self.srv.record("d")
        late = [
            (int(w.split(":")[1]) - record["start_us"]) / 1000 - 70 - 10 * i
            for i, w in enumerate(words)
        ]
        self.assertEqual(len(late), 51)
        self.assertGreaterEqual(min(late), -2)
        self.assertLess(min(late[-20:]), 8)
        first = (record["first_us"] - record["start_us"]) / 1000
        self.assertGreaterEqual(first, 29)
        self.assertLess(first, late[0] + 70)

    def test_latency(self):
        begin = time.monotonic()
        self.srv.chat("[[latency=50 ttft=20 per_token=2 tokens=10 id=l]]")
        took = time.monotonic() - begin
        self.assertGreaterEqual(took, 0.089)
        self.assertLess(took, 2)
        self.srv.set(latency="5:10:15:20")
        conn = http.client.HTTPConnection("127.0.0.1", self.srv.port, timeout=10)
        for _ in range(200):
            conn.request("POST", CHAT, json.dumps(chat_body("[[id=p]]")))
            conn.getresponse().read()
        conn.close()
        took = sorted(
            (r["end_us"] - r["start_us"]) / 1000 for r in self.srv.ledger("?id=p")
        )
        self.assertEqual(len(took), 200)
        self.assertGreaterEqual(took[0], 4)
        self.assertLess(took[0], 8)
        self.assertGreater(took[185], 8)

    def test_many_streams(self):
        body = raw_request(
            chat_body("[[tokens=20 per_token=20 stamp=1]]", stream=True)
        )
        socks = [self.srv.connect() for _ in range(400)]
        for sock in socks:
            sock.sendall(body)
        for sock in socks:
            data = b""
            while piece := sock.recv(65536):
                data += piece
            sock.close()
            found = events(unchunk(data.partition(b"\r\n\r\n")[2])[0])
            words = content(json.loads(e) for e in found[:-1]).split()
            self.assertEqual(
                [w.split(":")[0] for w in words], [str(i) for i in range(20)]
            )
        self.assertEqual(self.srv.stats()["complete"], 400)


class Faults(Case):
    def end(self, fault):
        return self.srv.record(fault)["end"]

    def test_status(self):
        for status in (400, 401, 402, 403, 429, 500, 503):
            got, headers, data = self.srv.request(
                "POST", CHAT, chat_body(f"[[status={status} retry_after=7]]")
            )
            self.assertEqual(got, status)
            self.assertEqual(headers["Retry-After"], "7")
            self.assertEqual(
                set(json.loads(data)["error"]), {"message", "type", "param", "code"}
            )
        body = chat_body("[[status=503]]", stream=True)
        got, headers, _ = self.srv.request("POST", CHAT, body)
        self.assertEqual(got, 503)
        self.assertNotIn("Retry-After", headers)

    def test_silence(self):
        for stream in (False, True):
            sock = self.srv.connect()
            body = chat_body("[[fault=silence id=silence]]", stream=stream)
            sock.sendall(raw_request(body))
            sock.settimeout(0.3)
            with self.assertRaises(TimeoutError):
                sock.recv(1)
            left = time.time()
            sock.close()
            record = self.srv.record("silence")
            self.assertEqual(record["end"], "client_gone")
            self.assertEqual(record["fault"], "silence")
            self.assertEqual(record["status"], 0)
            self.assertLess(abs(record["end_us"] / 1e6 - left), 0.3)
            self.srv.request("POST", "/_fake/reset")

    def test_slow_bytes(self):
        for stream in (False, True):
            sock = self.srv.connect()
            sock.settimeout(10)
            text = "[[fault=slow_bytes id=slow gap=50]]"
            sock.sendall(raw_request(chat_body(text, stream=stream)))
            data = b""
            while b"\r\n\r\n" not in data:
                data += sock.recv(65536)
            begin = time.monotonic()
            rest = data.partition(b"\r\n\r\n")[2]
            while len(rest) < 10:
                piece = sock.recv(65536)
                self.assertLessEqual(len(piece), 10)
                rest += piece
            self.assertGreater(time.monotonic() - begin, 0.3)
            sock.close()
            self.assertEqual(self.srv.record("slow")["end"], "client_gone")

    def test_reset_before(self):
        for stream in (False, True):
            head, _, failure = self.broken("reset_before", stream)
            self.assertEqual(head, "")
            self.assertIsInstance(failure, ConnectionResetError)
        self.assertEqual(self.end("reset_before"), "fault:reset_before")

    def test_reset_mid(self):
        head, rest, failure = self.broken("reset_mid", after=4)
        self.assertIsInstance(failure, ConnectionResetError)
        data, ended = unchunk(rest)
        self.assertFalse(ended)
        chunks = [json.loads(e) for e in events(data)]
        self.assertEqual(content(chunks), "This is the Watc")
        record = self.srv.record("reset_mid")
        self.assertEqual(record["end"], "fault:reset_mid")
        self.assertEqual(record["chunks"], 5)
        self.assertEqual(record["completion_tokens_sent"], 4)
        self.assertIsNone(record["completion_tokens"])
        head, rest, failure = self.broken("reset_mid", False)
        self.assertIsInstance(failure, ConnectionResetError)
        self.assertIn("200 OK", head)
        self.assertGreater(len(rest), 100)

    def test_eof_mid(self):
        _, rest, failure = self.broken("eof_mid", after=2)
        self.assertIsNone(failure)
        data, ended = unchunk(rest)
        self.assertTrue(ended)
        found = events(data)
        self.assertNotIn("[DONE]", found)
        self.assertEqual(content(json.loads(e) for e in found), "This is ")
        head, rest, failure = self.broken("eof_mid", False)
        self.assertIsNone(failure)
        self.assertNotIn("Content-Length", head)
        with self.assertRaises(json.JSONDecodeError):
            json.loads(rest)
        self.assertEqual(self.end("eof_mid"), "fault:eof_mid")

    def test_eof_cut(self):
        _, rest, failure = self.broken("eof_cut")
        self.assertIsNone(failure)
        self.assertFalse(unchunk(rest)[1])
        head, rest, failure = self.broken("eof_cut", False)
        self.assertIsNone(failure)
        self.assertLess(len(rest), length_of(head))

    def test_wrong_lengths(self):
        for stream in (False, True):
            head, rest, failure = self.broken("wrong_length_short", stream)
            self.assertIsNone(failure)
            self.assertGreater(len(rest), length_of(head))
            head, rest, failure = self.broken("wrong_length_long", stream)
            self.assertIsNone(failure)
            self.assertLess(len(rest), length_of(head))
            self.assertTrue(rest.rstrip().endswith((b"}", b"[DONE]")))

    def test_malformed_json(self):
        found = events(unchunk(self.broken("malformed_json", after=1)[1])[0])
        bad = []
        for event in found[:-1]:
            try:
                json.loads(event)
            except json.JSONDecodeError:
                bad.append(event)
        self.assertEqual(len(bad), 1)
        self.assertEqual(found.index(bad[0]), 2)
        self.assertEqual(found[-1], "[DONE]")
        with self.assertRaises(json.JSONDecodeError):
            json.loads(self.broken("malformed_json", False)[1])

    def test_malformed_sse(self):
        data = unchunk(self.broken("malformed_sse")[1])[0]
        self.assertIn(b"\0dat: {}", data)
        self.assertTrue(any("}\n{" in e for e in events(data)))
        head, rest, _ = self.broken("malformed_sse", False)
        self.assertIn("text/event-stream", head)
        self.assertTrue(rest.startswith(b"data:"))

    def test_huge_body(self):
        for stream in (False, True):
            conn = http.client.HTTPConnection("127.0.0.1", self.srv.port, timeout=20)
            body = chat_body("[[fault=huge_body id=huge]]", stream=stream)
            conn.request("POST", CHAT, json.dumps(body))
            got, size, last = conn.getresponse(), 0, b""
            while piece := got.read(1 << 20):
                size += len(piece)
                last = piece
            conn.close()
            if stream:
                self.assertGreater(size, 200_000_000)
                self.assertTrue(last.endswith(b"data: [DONE]\n\n"))
            else:
                self.assertEqual(size, 200_000_000)
                self.assertTrue(last.rstrip().endswith(b"}"))
        self.assertLess(rss_kb(self.srv.proc.pid), 100_000)

    def test_gzip_bomb(self):
        for stream in (False, True):
            head, rest, failure = self.broken("gzip_bomb", stream, size=20_000_000)
            self.assertIsNone(failure)
            self.assertIn("Content-Encoding: gzip", head)
            data, ended = unchunk(rest)
            self.assertTrue(ended)
            self.assertLess(len(data), 40_000)
            data = gzip.decompress(data)
            self.assertGreaterEqual(len(data), 20_000_000)
            if stream:
                self.assertEqual(events(data)[-1], "[DONE]")
            else:
                self.assertIn("choices", json.loads(data))

    def test_huge_line(self):
        data = unchunk(self.broken("huge_line")[1])[0]
        self.assertGreater(max(map(len, data.split(b"\n"))), 1_000_000)
        self.assertEqual(events(data)[-1], "[DONE]")
        self.assertEqual(len(self.broken("huge_line", False)[1]), 1_000_000)

    def test_dup_usage(self):
        body = chat_body("[[fault=dup_usage]]", stream=True)
        body["stream_options"] = {"include_usage": True}
        found = events(unchunk(self.srv.raw(body)[1])[0])
        self.assertEqual(sum('"usage":{' in e for e in found), 2)
        self.assertEqual(self.broken("dup_usage", False)[1].count(b'"usage":'), 2)

    def test_headers_1000(self):
        for stream in (False, True):
            head = self.broken("headers_1000", stream)[0]
            self.assertEqual(head.count("\r\nX-Sandbox-"), 1000)

    def test_error_in_stream(self):
        found = events(unchunk(self.broken("error_in_stream", after=2)[1])[0])
        self.assertIn("error", json.loads(found[-1]))
        self.assertEqual(content(json.loads(e) for e in found[:-1]), "This is ")

    def test_stall_mid(self):
        for stream in (False, True):
            sock = self.srv.connect()
            text = "[[fault=stall_mid after=2 id=stall]]"
            sock.sendall(raw_request(chat_body(text, stream=stream)))
            sock.settimeout(0.3)
            data = b""
            with self.assertRaises(TimeoutError):
                while True:
                    data += sock.recv(65536)
            self.assertIn(b" 200 OK", data)
            self.assertNotIn(b"[DONE]", data)
            self.assertEqual(self.srv.stats()["active"], 1)
            sock.close()
            self.assertEqual(self.srv.record("stall")["end"], "client_gone")
            while self.srv.stats()["active"]:
                time.sleep(0.01)

    def test_no_content_type(self):
        for stream in (False, True):
            self.assertNotIn("Content-Type", self.broken("no_content_type", stream)[0])

    def test_html_error(self):
        for stream in (False, True):
            head, rest, _ = self.broken("html_error", stream)
            self.assertIn(" 502 ", head)
            self.assertIn("text/html", head)
            self.assertTrue(rest.startswith(b"<html>"))
        self.assertIn(" 504 ", self.broken("html_error", status=504)[0])

    def test_status_200_error_body(self):
        for stream in (False, True):
            head, rest, _ = self.broken("status_200_error_body", stream)
            self.assertIn(" 200 ", head)
            self.assertIn("error", json.loads(rest))

    def test_faults_after_the_end(self):
        found = events(unchunk(self.broken("eof_mid", after=1000)[1])[0])
        self.assertEqual(len(found), 25)
        self.assertNotIn("[DONE]", found)

    def test_every_fault_on_embeddings(self):
        names = fault_names()
        self.assertEqual(len(names), 21)
        for name in names:
            size = 500_000 if name in ("huge_body", "gzip_bomb") else 0
            body = {"model": "m", "dimensions": 64,
                    "input": f"[[fault={name} id={name} size={size} gap=0.1]]"}
            quiet = name in ("silence", "stall_mid")
            self.srv.raw(body, "/v1/embeddings", timeout=0.2 if quiet else 10)
            end = self.srv.record(name)["end"]
            want = "client_gone" if quiet else "fault:" + name
            self.assertEqual(end, "complete" if name == "none" else want)


def fault_names():
    table = subprocess.run(
        [PROGRAM, "--help-directives"], capture_output=True, text=True
    ).stdout.partition("| Fault |")[2]
    return [line.split("`")[1] for line in table.splitlines()[2:]]


def length_of(head):
    for line in head.split("\r\n"):
        if line.startswith("Content-Length:"):
            return int(line[15:])
    raise AssertionError("no Content-Length")


def rss_kb(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


class Responses(Case):
    tools = [
        {"type": "web_search"},
        *(
            {
                "type": "function",
                "name": name,
                "parameters": {
                    "type": "object",
                    "properties": {"days": {"type": "integer", "minimum": 3}},
                },
            }
            for name in ("weather", "news")
        ),
    ]

    def respond(self, given="hello", **more):
        body = {"model": "gpt-4o", "input": given, **more}
        return self.srv.post(RESPONSES, body)

    def events(self, given="hello", ended=True, **more):
        """The events of a stream; each has its type twice, and a number."""
        body = {"model": "gpt-4o", "input": given, "stream": True, **more}
        head, rest, failure = self.srv.raw(body, RESPONSES)
        self.assertIsNone(failure)
        self.assertIn("text/event-stream", head)
        data, whole = unchunk(rest)
        self.assertEqual(whole, ended)
        names = [
            line.removeprefix("event: ")
            for line in data.decode("utf-8-sig").splitlines()
            if line.startswith("event: ")
        ]
        found = [json.loads(event) for event in events(data)]
        self.assertEqual([e["type"] for e in found], names)
        self.assertEqual(
            [e["sequence_number"] for e in found], list(range(len(found)))
        )
        return found

    def test_answer(self):
        status, answer = self.respond("hello[[id=r]]")
        self.assertEqual(status, 200)
        self.assertRegex(answer["id"], r"^resp_[0-9a-f]{24}$")
        self.assertEqual(answer["object"], "response")
        self.assertEqual(answer["status"], "completed")
        self.assertEqual(answer["model"], "gpt-4o")
        self.assertLess(abs(answer["created_at"] - time.time()), 5)
        self.assertIsNone(answer["incomplete_details"])
        (item,) = answer["output"]
        self.assertRegex(item["id"], r"^msg_[0-9a-f]{24}$")
        self.assertEqual(
            (item["type"], item["role"], item["status"]),
            ("message", "assistant", "completed"),
        )
        (part,) = item["content"]
        self.assertEqual(part["type"], "output_text")
        self.assertTrue(part["text"].startswith("This is the WatchLLM sandbox."))
        self.assertEqual(
            answer["usage"],
            {
                "input_tokens": 4,
                "input_tokens_details": {"cached_tokens": 0},
                "output_tokens": 24,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": 28,
            },
        )
        record = self.srv.record("r")
        self.assertEqual(record["path"], RESPONSES)
        self.assertEqual(record["response_id"], answer["id"])
        self.assertEqual(record["prompt_tokens"], 4)
        self.assertEqual(record["completion_tokens_sent"], 24)
        self.assertEqual(record["end"], "complete")
        again = self.respond("hello[[id=r]]")[1]
        self.assertEqual(again["output"][0]["content"], item["content"])
        other = self.respond("hallo[[id=r]]")[1]
        self.assertNotEqual(other["output"][0]["content"], item["content"])

    def test_input(self):
        said = {"type": "output_text", "text": "six by six"}
        items = [
            {"role": "developer", "content": "four"},
            {"role": "user", "content": [{"type": "input_text", "text": "[[tokens=1]]"},
                                         {"type": "input_image", "image_url": "x"}]},
            {"type": "message", "role": "assistant", "content": [said]},
            {"type": "reasoning", "id": "rs_1", "summary": []},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "12345"},
            {"type": "computer_call_output", "call_id": "d", "output": {"x": 1}},
            {"role": "user", "content": "[[tokens=2]]"},
        ]
        status, answer = self.respond(
            items, instructions="12345678", store=False, user="u", unknown=[1]
        )
        self.assertEqual(status, 200, answer)
        self.assertEqual(
            answer["usage"]["input_tokens"], 2 + 1 + 3 + 3 + 1 + 2 + 3
        )
        self.assertEqual(answer["usage"]["output_tokens"], 2)
        form = {
            "type": "json_schema",
            "name": "x",
            "schema": {"type": "object", "properties": {"a": {"const": 5}}},
        }
        _, answer = self.respond("x", text={"format": form})
        text = answer["output"][0]["content"][0]["text"]
        self.assertEqual(json.loads(text), {"a": 5})

    def test_bad_bodies(self):
        good = {"model": "gpt-4o", "input": "x"}
        for body, param in (
            ({"model": "gpt-4o"}, "input"), ({"input": "x"}, "model"),
            ({**good, "input": []}, "input"), ({**good, "input": 5}, "input"),
            ({**good, "input": ["x"]}, "input"),
            ({**good, "input": [{"role": "user", "content": 5}]}, "input"),
            ({**good, "instructions": 5}, "instructions"),
            ({**good, "stream": "yes"}, "stream"),
            ({**good, "max_output_tokens": -1}, "max_output_tokens"),
            ({**good, "tools": {}}, "tools"),
            ({**good, "text": {"format": {"type": "x"}}}, "text.format"),
        ):
            status, answer = self.srv.post(RESPONSES, body)
            self.assertEqual(status, 400, body)
            self.assertEqual(answer["error"]["type"], "invalid_request_error")
            self.assertEqual(answer["error"]["param"], param)
        self.assertEqual(self.srv.request("GET", RESPONSES)[0], 405)

    def test_cut(self):
        _, answer = self.respond("x", max_output_tokens=5)
        last = self.events("x", max_output_tokens=5)[-1]
        self.assertEqual(last["type"], "response.incomplete")
        for got in (answer, last["response"]):
            self.assertEqual(got["status"], "incomplete")
            self.assertEqual(
                got["incomplete_details"], {"reason": "max_output_tokens"}
            )
            self.assertEqual(got["output"][0]["status"], "incomplete")
            self.assertEqual(len(got["output"][0]["content"][0]["text"]), 20)
            self.assertEqual(got["usage"]["output_tokens"], 5)
            self.assertEqual(got["max_output_tokens"], 5)
        _, answer = self.respond("[[finish=content_filter]]")
        self.assertEqual(
            answer["incomplete_details"], {"reason": "content_filter"}
        )

    def test_stream(self):
        found = self.events("[[tokens=3 id=s]]")
        self.assertEqual(
            [e["type"] for e in found],
            [
                "response.created",
                "response.in_progress",
                "response.output_item.added",
                "response.content_part.added",
                *["response.output_text.delta"] * 3,
                "response.output_text.done",
                "response.content_part.done",
                "response.output_item.done",
                "response.completed",
            ],
        )
        for event in found[:2]:
            self.assertEqual(event["response"]["status"], "in_progress")
            self.assertEqual(event["response"]["output"], [])
            self.assertIsNone(event["response"]["usage"])
        response = found[-1]["response"]
        (item,) = response["output"]
        self.assertEqual(found[2]["item"]["status"], "in_progress")
        self.assertEqual(found[2]["item"]["content"], [])
        self.assertEqual(found[3]["part"]["text"], "")
        self.assertEqual(
            [e["delta"] for e in found[4:7]], ["This", " is ", "the "]
        )
        self.assertEqual(found[7]["text"], "This is the ")
        self.assertEqual(found[8]["part"], item["content"][0])
        self.assertEqual(found[9]["item"], item)
        self.assertEqual(item["content"][0]["text"], "This is the ")
        for event in found[3:9]:
            self.assertEqual(
                (event["item_id"], event["output_index"], event["content_index"]),
                (item["id"], 0, 0),
            )
        self.assertEqual(response["status"], "completed")
        self.assertEqual(response["usage"]["output_tokens"], 3)
        record = self.srv.record("s")
        self.assertIs(record["stream"], True)
        self.assertEqual(record["chunks"], len(found))
        self.assertEqual(record["completion_tokens"], 3)
        self.assertEqual(record["response_id"], response["id"])

    def test_stream_script(self):
        plain = self.events("[[tokens=3]]")
        for words in ("eol=crlf comments=1", "split=1", "bom=1", "split=7"):
            got = self.events(f"[[tokens=3 {words}]]")
            self.assertEqual([e["type"] for e in got], [e["type"] for e in plain])
        found = self.events("[[stamp=1 tokens=20 per_token=5]]")
        text = "".join(e.get("delta", "") for e in found)
        self.assertEqual(
            [w.split(":")[0] for w in text.split()], [str(i) for i in range(20)]
        )
        self.assertEqual(found[-4]["text"], text)
        response = found[-1]["response"]
        self.assertEqual(response["output"][0]["content"][0]["text"], text)
        self.assertEqual(response["usage"]["output_tokens"], 20)
        found = self.events("[[utf8=1 tokens=100000 chunk_tokens=5000]]")
        text = "".join(e.get("delta", "") for e in found)
        self.assertEqual(len(text.encode()), 400_000)
        self.assertEqual(found[-4]["text"], text)

    def test_usage_variants(self):
        def usage(word):
            found = self.events(f"[[usage={word} id={word}]]")
            return [
                e["response"].get("usage", "absent")
                for e in found
                if "response" in e
            ]

        full = usage("auto")[2]
        self.assertEqual(usage("none"), [None, None, "absent"])
        self.assertIsNone(self.srv.record("none")["completion_tokens"])
        early = usage("early")
        self.assertEqual(early[2], None)
        self.assertEqual(early[0]["output_tokens"], full["output_tokens"])
        self.assertEqual(usage("zero")[2]["total_tokens"], 0)
        for word in ("always", "dup", "every", "with_choices"):
            got = usage(word)
            self.assertEqual(got[:2], [None, None])
            self.assertEqual(got[2]["output_tokens"], 24)
            self.assertEqual(self.srv.record(word)["completion_tokens"], 24)
        body = {"model": "m", "input": "[[usage=dup]]", "stream": True}
        self.assertEqual(
            self.srv.raw(body, RESPONSES)[1].count(b'"usage":{'), 2
        )

    def test_function_calls(self):
        _, answer = self.respond("[[tool_calls=2]]", tools=self.tools)
        calls = answer["output"]
        self.assertEqual([c["name"] for c in calls], ["weather", "news"])
        for call in calls:
            self.assertEqual(call["type"], "function_call")
            self.assertEqual(call["status"], "completed")
            self.assertRegex(call["id"], "^fc_")
            self.assertRegex(call["call_id"], "^call_")
            self.assertEqual(json.loads(call["arguments"]), {"days": 3})
        self.assertEqual(len({c["id"] for c in calls}), 2)
        self.assertEqual(len({c["call_id"] for c in calls}), 2)
        named = {"type": "function", "name": "news"}
        for choice, want in ((named, "news"), ("required", "weather")):
            _, answer = self.respond("x", tools=self.tools, tool_choice=choice)
            self.assertEqual([c["name"] for c in answer["output"]], [want])
        for choice in ("auto", "none"):
            _, answer = self.respond("x", tools=self.tools, tool_choice=choice)
            self.assertEqual(answer["output"][0]["type"], "message")

    def test_function_call_stream(self):
        found = self.events("[[tool_calls=2]]", tools=self.tools)
        types = [e["type"].removeprefix("response.") for e in found]
        deltas = types.count("function_call_arguments.delta") // 2
        self.assertGreater(deltas, 1)
        one = [
            "output_item.added",
            *["function_call_arguments.delta"] * deltas,
            "function_call_arguments.done",
            "output_item.done",
        ]
        self.assertEqual(
            types, ["created", "in_progress", *one, *one, "completed"]
        )
        calls = found[-1]["response"]["output"]
        for i, call in enumerate(calls):
            mine = [e for e in found if e.get("output_index") == i]
            self.assertEqual(mine[0]["item"], {
                **call, "arguments": "", "status": "in_progress"
            })
            text = "".join(e.get("delta", "") for e in mine)
            self.assertEqual(text, call["arguments"])
            self.assertEqual(mine[-2]["arguments"], text)
            self.assertEqual({e["item_id"] for e in mine[1:-1]}, {call["id"]})
            self.assertEqual(mine[-1]["item"], call)

    def test_error_in_stream(self):
        found = self.events("[[fault=error_in_stream after=2]]")
        self.assertEqual(
            found[-1],
            {
                "type": "error",
                "sequence_number": len(found) - 1,
                "code": "server_error",
                "message": "This is the WatchLLM sandbox. Error 500 comes "
                "from its script.",
                "param": None,
            },
        )
        self.assertEqual("".join(e.get("delta", "") for e in found), "This is ")
        found = self.events("[[fault=error_in_stream after=0]]")
        self.assertEqual(
            [e["type"] for e in found],
            ["response.created", "response.in_progress", "error"],
        )

    def test_broken_off(self):
        found = self.events("[[fault=eof_mid after=2]]")
        self.assertEqual(found[-1]["type"], "response.output_text.delta")
        found = self.events("[[fault=eof_mid after=1000]]")
        self.assertEqual(found[-1]["type"], "response.output_item.done")
        found = self.events("[[fault=eof_cut after=2]]", ended=False)
        self.assertEqual(found[-1]["sequence_number"], 5)

    def test_every_fault(self):
        for name in fault_names():
            size = 500_000 if name in ("huge_body", "gzip_bomb") else 0
            for stream in (False, True):
                ident = f"{name}.{stream}"
                text = f"[[fault={name} id={ident} size={size} gap=0.1 tokens=5]]"
                body = {"model": "m", "input": text, "stream": stream}
                quiet = name in ("silence", "stall_mid")
                self.srv.raw(body, RESPONSES, timeout=0.2 if quiet else 10)
                end = self.srv.record(ident)["end"]
                want = "client_gone" if quiet else "fault:" + name
                self.assertEqual(end, "complete" if name == "none" else want)

    def test_sizes_are_exact(self):
        for size in (2000, 1_000_001):
            body = {"model": "m", "input": f"[[size={size}]]"}
            data = self.srv.request("POST", RESPONSES, body)[2]
            self.assertEqual(len(data), size)
            self.assertEqual(json.loads(data)["status"], "completed")


class Scripts(Case):
    args = ("--seed", "7", "--set", "tokens=5 latency=1")

    def tokens(self, text="x", **more):
        return self.srv.chat(text, **more)[1]["usage"]["completion_tokens"]

    def test_order_of_precedence(self):
        self.assertEqual(self.tokens(), 5)
        self.srv.set(tokens=6)
        self.assertEqual(self.tokens(), 6)
        self.assertEqual(self.tokens("[[tokens=7]] and [[tokens=8]]"), 8)
        self.srv.set(tokens=None)
        self.assertEqual(self.tokens(), 24)
        self.srv.request("POST", "/_fake/reset")
        self.assertEqual(self.tokens(), 5)

    def test_only_the_last_user_message_counts(self):
        messages = [
            {"role": "user", "content": "[[tokens=1]]"},
            {"role": "assistant", "content": "[[tokens=2]]"},
            {"role": "user", "content": [{"type": "text", "text": "[[tokens=3]]"}]},
            {"role": "assistant", "content": "[[tokens=4]]"},
        ]
        _, answer = self.srv.post(CHAT, {"model": "m", "messages": messages})
        self.assertEqual(answer["usage"]["completion_tokens"], 3)

    def test_rules(self):
        self.srv.set(for_model="gpt-4o", tokens=9)
        self.srv.set(for_key="sk-bad", status=401)
        self.srv.set(for_model="other", times=2, status=500)
        self.assertEqual(self.tokens(), 9)
        bad = {"Authorization": "Bearer sk-bad"}
        self.assertEqual(self.srv.post(CHAT, chat_body("x"), bad)[0], 401)
        got = [
            self.srv.post(CHAT, {**chat_body("x"), "model": "other"})[0]
            for _ in range(4)
        ]
        self.assertEqual(got, [500, 500, 200, 200])

    def test_times(self):
        text = "[[id=retry times=2 status=503]]"
        got = [self.srv.chat(text)[0] for _ in range(4)]
        self.assertEqual(got, [503, 503, 200, 200])
        self.assertEqual(self.srv.chat("[[times=2 status=503]]")[0], 400)

    def test_chance(self):
        self.srv.set(status=500, chance=30)
        got = [self.srv.chat("x")[0] for _ in range(200)]
        self.assertGreater(got.count(500), 30)
        self.assertGreater(got.count(200), 100)

    def test_bad_directives(self):
        for text in (
            "[[tokens=x]]",
            "[[tokens=5 nonsense=1]]",
            "[[fault=nope]]",
            "[[split=-1]]",
            "[[latency=1.2345]]",
            "[[id=a\"b]]",
            "[[tokens=999999999999999999999]]",
        ):
            status, answer = self.srv.chat(text)
            self.assertEqual(status, 400, text)
            self.assertIn("sandbox directive", answer["error"]["message"])
        for body in ({"nonsense": 1}, {"tokens": "x"}, [], {"times": 0}):
            self.assertEqual(self.srv.post("/_fake/defaults", body)[0], 400)

    def test_ordinary_brackets(self):
        for text in ("[[link]]", "[[ $a == b ]]", "[[", "[[x=1]] [[tokens=9", "]]"):
            self.assertEqual(self.tokens(text), 5, text)
        self.assertEqual(self.tokens("[[x [[tokens=9]]"), 9)


class Ledger(Case):
    args = ("--seed", "7", "--ledger-keep", "300")

    def test_record(self):
        body = json.dumps(chat_body("hi [[id=one]]", stream=True)).encode()
        headers = {"Authorization": "Bearer sk-secret-abcd", "X-Request-Id": "r-1"}
        _, got, data = self.srv.request("POST", CHAT, body, headers)
        record = self.srv.record("one")
        chunks = [json.loads(e) for e in events(data)[:-1]]
        self.assertEqual(record["path"], CHAT)
        self.assertEqual(record["model"], "gpt-4o")
        self.assertIs(record["stream"], True)
        self.assertEqual(record["request_id"], "r-1")
        self.assertEqual(record["key"], "abcd")
        self.assertEqual(record["response_id"], chunks[0]["id"])
        self.assertEqual(record["status"], 200)
        self.assertEqual(record["chunks"], len(chunks))
        self.assertEqual(record["prompt_tokens_counted"], 4)
        self.assertEqual(record["completion_tokens_sent"], 24)
        self.assertIsNone(record["prompt_tokens"])
        self.assertEqual(record["request_bytes"], len(body))
        self.assertEqual(record["request_hash"], fnv1a(body))
        self.assertEqual(record["end"], "complete")
        self.assertGreaterEqual(record["first_us"], record["start_us"])
        self.assertGreaterEqual(record["end_us"], record["first_us"])
        self.assertEqual(self.srv.ledger("?request_id=r-1"), [record])
        self.assertEqual(self.srv.ledger("?request_id=r-2"), [])
        self.assertEqual(self.srv.ledger(f"?since={record['seq']}"), [])

    def test_bytes_and_last_request(self):
        body = chat_body("hi [[id=b]]", unknown={"kept": [1, 2]})
        wanted = raw_request(body)
        head, rest, _ = self.srv.raw(body)
        record = self.srv.record("b")
        self.assertEqual(record["bytes"], len(head) + 4 + len(rest))
        self.assertEqual(self.srv.request("GET", "/_fake/last")[2], wanted)

    def test_client_that_leaves_is_noticed_at_once(self):
        sock = self.srv.connect()
        text = "[[id=gone tokens=1000 per_token=20]]"
        sock.sendall(raw_request(chat_body(text, stream=True)))
        while b"WatchLLM"[:4] not in sock.recv(65536):
            pass
        left = time.time()
        sock.close()
        record = self.srv.record("gone")
        self.assertEqual(record["end"], "client_gone")
        self.assertLess(abs(record["end_us"] / 1e6 - left), 0.3)
        self.assertLess(record["completion_tokens_sent"], 20)
        self.assertIsNone(record["completion_tokens"])

    def test_client_that_leaves_before_the_answer(self):
        for stream in (False, True):
            sock = self.srv.connect()
            body = chat_body("[[id=early latency=5000]]", stream=stream)
            sock.sendall(raw_request(body))
            while not self.srv.stats()["active"]:
                time.sleep(0.01)
            left = time.time()
            sock.close()
            record = self.srv.record("early")
            self.assertEqual((record["end"], record["status"]), ("client_gone", 0))
            self.assertLess(abs(record["end_us"] / 1e6 - left), 0.3)
            self.srv.request("POST", "/_fake/reset")

    def test_client_that_does_not_read(self):
        sock = self.srv.connect()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.sendall(raw_request(chat_body("[[id=full size=50000000]]")))
        begin = time.monotonic()
        for _ in range(20):
            self.assertEqual(self.srv.chat("x")[0], 200)
        self.assertLess(time.monotonic() - begin, 5)
        sock.close()
        record = self.srv.record("full")
        self.assertEqual(record["end"], "client_gone")
        self.assertLess(record["bytes"], 50_000_000)

    def test_refused_calls_are_recorded(self):
        self.srv.post(CHAT, "{")
        self.srv.request("GET", "/nowhere")
        self.assertEqual([r["status"] for r in self.srv.ledger()], [400, 404])

    def test_bounded(self):
        conn = http.client.HTTPConnection("127.0.0.1", self.srv.port, timeout=10)
        for i in range(700):
            conn.request("POST", CHAT, json.dumps(chat_body(f"[[id=n{i}]]")))
            conn.getresponse().read()
        conn.close()
        kept = self.srv.ledger()
        self.assertEqual([r["id"] for r in kept], [f"n{i}" for i in range(400, 700)])
        stats = self.srv.stats()
        self.assertEqual(stats["calls"], 700)
        self.assertEqual(stats["ledger_dropped"], 400)
        self.assertEqual(stats["status"], {"200": 700})
        self.assertEqual(stats["completion_tokens_sent"], 700 * 24)

    def test_file(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "ledger")
            srv = Server("--ledger", path)

            def work():
                for _ in range(50):
                    srv.chat("x")

            threads = [threading.Thread(target=work) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            memory = srv.ledger()
            srv.stop()
            lines = pathlib.Path(path).read_text().splitlines()
            self.assertEqual([json.loads(line) for line in lines], memory)
            self.assertEqual(len(memory), 200)
            self.assertEqual(sorted(r["seq"] for r in memory), list(range(1, 201)))


class Errors(Case):
    args = ("--require-key", "sk-right", "--models", "gpt-4o,vendor/model-b")

    good = {"Authorization": "Bearer sk-right"}

    def test_keys(self):
        for headers in ({}, {"Authorization": "Bearer sk-wrong"},
                        {"x-api-key": ""}, {"Authorization": "Basic sk-right"}):
            status, answer = self.srv.post(CHAT, chat_body("x"), headers)
            self.assertEqual(status, 401)
            self.assertEqual(answer["error"]["type"], "invalid_request_error")
        for headers in (self.good, {"x-api-key": "sk-right"},
                        {"API-Key": "sk-right"}, {"authorization": "bearer sk-right"}):
            self.assertEqual(self.srv.post(CHAT, chat_body("x"), headers)[0], 200)

    def test_models(self):
        _, _, data = self.srv.request("GET", "/v1/models", None, self.good)
        models = json.loads(data)["data"]
        self.assertEqual([m["id"] for m in models], ["gpt-4o", "vendor/model-b"])
        path = "/v1/models/"
        status, _, data = self.srv.request("GET", path + "vendor/model-b", None,
                                           self.good)
        self.assertEqual((status, json.loads(data)["id"]), (200, "vendor/model-b"))
        self.assertEqual(
            self.srv.request("GET", path + "nope", None, self.good)[0], 404
        )
        body = {**chat_body("x"), "model": "nope"}
        status, answer = self.srv.post(CHAT, body, self.good)
        self.assertEqual(status, 404)
        self.assertEqual(answer["error"]["code"], "model_not_found")

    def test_paths(self):
        for path in ("/openai/v1/chat/completions", "/chat/completions",
                     "/v1/chat/completions?api-version=1"):
            self.assertEqual(self.srv.post(path, chat_body("x"), self.good)[0], 200)
        for method, path, want in (("GET", CHAT, 405), ("POST", "/v1/x", 404),
                                   ("DELETE", "/v1/models", 405),
                                   ("GET", "/_fake/reset", 405),
                                   ("GET", "/_fake/x", 404)):
            self.assertEqual(self.srv.request(method, path, "", self.good)[0], want)

    def test_bad_bodies(self):
        chat = chat_body("x")
        bad = [
            "", "{", "[]", "1", "null", '{"model":', "{}}",
            b'{"model":"gpt-4o","messages":[{"role":"user","content":"\xff"}]}',
            "[" * 100,
            "{" + ",".join(f'"{i}":0' for i in range(10)) + ",}",
            {"messages": chat["messages"]},
            {**chat, "model": 5}, {**chat, "model": ""},
            {**chat, "messages": []}, {**chat, "messages": "x"},
            {**chat, "messages": ["x"]}, {**chat, "messages": [{"content": "x"}]},
            {**chat, "messages": [{"role": "user", "content": 5}]},
            {**chat, "stream": "yes"}, {**chat, "n": 0}, {**chat, "n": 1000},
            {**chat, "n": 1.5}, {**chat, "max_tokens": -1},
            {**chat, "stream_options": {"include_usage": True}},
            {**chat, "tools": {}}, {**chat, "response_format": {"type": "x"}},
        ]
        for body in bad:
            status, answer = self.srv.post(CHAT, body, self.good)
            self.assertEqual(status, 400, body)
            self.assertEqual(answer["error"]["type"], "invalid_request_error")
        for body in (
            {"model": "gpt-4o"}, {"model": "gpt-4o", "input": ""},
            {"model": "gpt-4o", "input": []}, {"model": "gpt-4o", "input": [""]},
            {"model": "gpt-4o", "input": ["x"] * 2049},
            {"model": "gpt-4o", "input": "x", "dimensions": 0},
            {"model": "gpt-4o", "input": "x", "encoding_format": "hex"},
        ):
            self.assertEqual(self.srv.post("/v1/embeddings", body, self.good)[0], 400)
        self.assertEqual(self.srv.post(CHAT, {**chat, "n": None}, self.good)[0], 200)

    def test_a_body_of_brackets_costs_no_memory(self):
        body = '{"model":"gpt-4o","x":[' + "{}," * 2_100_000 + "0]}"
        self.assertEqual(self.srv.post(CHAT, body, self.good)[0], 400)
        self.assertLess(rss_kb(self.srv.proc.pid), 100_000)


class Transport(Case):
    def exchange(self, *pieces, pause=0.02):
        """Send pieces, then read to the end."""
        sock = self.srv.connect()
        sock.settimeout(10)
        for piece in pieces:
            sock.sendall(piece)
            time.sleep(pause)
        data = b""
        try:
            while piece := sock.recv(1 << 20):
                data += piece
        finally:
            sock.close()
        return data

    def test_kept_connection(self):
        conn = http.client.HTTPConnection("127.0.0.1", self.srv.port, timeout=10)
        for stream in (False, True, False):
            conn.request("POST", CHAT, json.dumps(chat_body("x", stream=stream)))
            port = conn.sock.getsockname()[1]
            conn.getresponse().read()
            self.assertEqual(conn.sock.getsockname()[1], port)
        conn.close()

    def test_pipelined_and_torn_requests(self):
        one = raw_request(chat_body("a"), close=False)
        last = raw_request(chat_body("b"))
        both = one + one + last
        data = self.exchange(both)
        self.assertEqual(data.count(b"HTTP/1.1 200 OK"), 3)
        data = self.exchange(*(both[i : i + 97] for i in range(0, len(both), 97)),
                             pause=0.005)
        self.assertEqual(data.count(b"HTTP/1.1 200 OK"), 3)

    def test_chunked_request(self):
        body = json.dumps(chat_body("chunky [[id=ch]]")).encode()
        head = (f"POST {CHAT} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n"
                "Connection: close\r\n\r\n").encode()
        framed = b"".join(
            b"%x;x=y\r\n%s\r\n" % (len(body[i : i + 9]), body[i : i + 9])
            for i in range(0, len(body), 9)
        )
        tail = b"0\r\nTrailer: x\r\n\r\n"
        self.assertIn(b"200 OK", self.exchange(head + framed + tail))
        self.assertEqual(self.srv.record("ch")["request_hash"], fnv1a(body))
        half = len(framed) // 2
        data = self.exchange(head, framed[:half], framed[half:], tail)
        self.assertIn(b"200 OK", data)
        self.assertIn(b"400 Bad", self.exchange(head + b"zz\r\n"))

    def test_http_1_0(self):
        head, rest, _ = self.srv.raw(chat_body("x", stream=True), version="1.0")
        self.assertNotIn("Transfer-Encoding", head)
        self.assertEqual(events(rest)[-1], "[DONE]")

    def test_expect_continue(self):
        body = json.dumps(chat_body("x")).encode()
        head = (f"POST {CHAT} HTTP/1.1\r\nContent-Length: {len(body)}\r\n"
                "Expect: 100-continue\r\nConnection: close\r\n\r\n").encode()
        data = self.exchange(head, body)
        self.assertTrue(data.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200"))

    def test_limits(self):
        big = b"X: " + b"a" * 70_000 + b"\r\n"
        data = self.exchange(b"GET /v1/models HTTP/1.1\r\n" + big + b"\r\n")
        self.assertIn(b" 431 ", data)
        data = self.exchange(
            f"POST {CHAT} HTTP/1.1\r\nContent-Length: 67108865\r\n\r\n".encode()
        )
        self.assertIn(b" 413 ", data)

    def test_not_http(self):
        for line in (b"hello", b"GET\r\n\r\n", b"GET / HTTP/2.0\r\n\r\n",
                     b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
                     b"GET / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
                     b"GET / HTTP/1.1\r\nno colon\r\n\r\n"):
            sock = self.srv.connect()
            sock.settimeout(10)
            sock.sendall(line)
            sock.shutdown(socket.SHUT_WR)
            answer = sock.recv(4096)
            sock.close()
            self.assertTrue(answer == b"" or b" 400 " in answer, line)
        self.assertEqual(self.srv.chat("x")[0], 200)


def main():
    global PROGRAM
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--builddir", default=os.environ.get("top_builddir", "."))
    args, rest = parser.parse_known_args()
    PROGRAM = str(
        pathlib.Path(args.builddir).resolve() / "tests" / "fake_llm" / "fake_llm"
    )
    if not os.access(PROGRAM, os.X_OK):
        sys.exit(f"{PROGRAM}: not built")
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()
