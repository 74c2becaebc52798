"""Pictures, sounds and rankings: forms and JSON in, any answer out, metered."""

from __future__ import annotations

import base64
import contextlib
import email
import email.policy
import functools
import http.server
import io
import json
import threading
import time
import unittest
from collections import Counter

from gate import GateCase, data_of, on_every_mount, stores
from openai import APIStatusError, OpenAI

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8
MP3 = b"ID3\x04\x00" + bytes(range(256)) * 300
USAGE = {"input_tokens": 50, "output_tokens": 1000, "total_tokens": 1050,
         "input_tokens_details": {"text_tokens": 10, "image_tokens": 40}}


class Upstream(http.server.ThreadingHTTPServer):
    """A host of OpenAI's wire format, with its own reader of forms."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: Counter[str] = Counter()
        self.last: dict = {}
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


def fields_of(kind: str, body: bytes) -> dict:
    if not kind.startswith("multipart/form-data"):
        return json.loads(body)
    whole = b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body
    message = email.message_from_bytes(whole, policy=email.policy.HTTP)
    out: dict = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        out[name] = part.get_payload(decode=True) if part.get_filename() else \
            part.get_payload(decode=True).decode()
    return out


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Upstream

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        what = self.path.removeprefix("/v1/")
        got = fields_of(self.headers["Content-Type"], body)
        self.server.asked[what] += 1
        self.server.last = {"path": what, "fields": got, "headers": dict(self.headers)}
        model = got.get("model", "")
        if model == "fails":
            return self.say(400, json.dumps({"error": {
                "message": "no such voice", "type": "invalid_request_error", "code": "bad_voice"}}))
        if model == "html":
            return self.say(200, "<html>", "text/html")
        stream = got.get("stream") in (True, "true") or got.get("stream_format") == "sse"
        getattr(self, what.replace("/", "_"))(got, stream)

    def say(self, status: int, body: str | bytes, kind: str = "application/json") -> None:
        if isinstance(body, str):
            body = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(body)

    def events(self, *events: dict, cut: bool = False) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for e in events:
            text = f"event: {e['type']}\ndata: {json.dumps(e)}\n\n".encode()
            self.wfile.write(f"{len(text):x}\r\n".encode() + text + b"\r\n")
            time.sleep(0.02)
        if not cut:
            self.wfile.write(b"0\r\n\r\n")
        self.close_connection = True

    def images_generations(self, got: dict, stream: bool) -> None:
        n = int(got.get("n") or 1)
        picture = base64.b64encode(PNG * (4000 if got["model"] == "large" else 1)).decode()
        if stream:
            self.events({"type": "image_generation.partial_image", "b64_json": picture,
                         "partial_image_index": 0},
                        *[{"type": "image_generation.completed", "b64_json": picture,
                           "usage": USAGE}] * n, cut=got["model"] == "cut")
            return
        answer = {"created": 1, "data": [{"b64_json": picture}] * n}
        if got["model"].startswith("gpt-image"):
            answer["usage"] = USAGE
        self.say(200, json.dumps(answer))

    images_edits = images_variations = images_generations

    def audio_transcriptions(self, got: dict, stream: bool) -> None:
        if stream:
            self.events({"type": "transcript.text.delta", "delta": "hel"},
                        {"type": "transcript.text.delta", "delta": "lo"},
                        {"type": "transcript.text.done", "text": "hello", "usage": {
                            "type": "tokens", "input_tokens": 14, "output_tokens": 4,
                            "total_tokens": 18,
                            "input_token_details": {"text_tokens": 2, "audio_tokens": 12}}})
        elif got.get("response_format") == "srt":
            self.say(200, "1\n00:00:00,000 --> 00:00:01,000\nhello\n", "text/plain; charset=utf-8")
        else:
            self.say(200, json.dumps({"text": "hello", "usage": {"type": "duration", "seconds": 9}}))

    audio_translations = audio_transcriptions

    def audio_speech(self, got: dict, stream: bool) -> None:
        if stream:
            self.events({"type": "speech.audio.delta", "audio": base64.b64encode(MP3).decode()},
                        {"type": "speech.audio.done", "usage": {
                            "input_tokens": 3, "output_tokens": 90, "total_tokens": 93}})
        else:
            self.say(200, MP3, "audio/mpeg")

    def rerank(self, got: dict, stream: bool) -> None:
        answer: dict = {"id": "rr-1", "results": [
            {"index": i, "relevance_score": 0.5} for i in range(len(got["documents"]))]}
        if got["model"].startswith("rerank"):
            answer["meta"] = {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}}
        else:
            answer["usage"] = {"total_tokens": 21}
        self.say(200, json.dumps(answer))

    def log_message(self, *args: object) -> None:
        pass


PRICES = {  # nano-dollars per million
    "gpt-image-1": {"input_nano": 5_000_000_000, "image_input_nano": 10_000_000_000,
                    "image_output_nano": 40_000_000_000},
    "dall-e-3": {"image_nano": 40_000_000_000_000},
    "gpt-4o-transcribe": {"input_nano": 2_500_000_000, "audio_input_nano": 6_000_000_000,
                          "output_nano": 10_000_000_000},
    "whisper-1": {"second_nano": 100_000_000_000},
    "tts-1": {"character_nano": 15_000_000_000},
    "gpt-4o-mini-tts": {"input_nano": 600_000_000, "audio_output_nano": 12_000_000_000},
    "rerank-v3.5": {"query_nano": 2_000_000_000_000, "input_nano": 0, "output_nano": 0},
    "jina-reranker": {"input_nano": 20_000_000}}


@functools.cache
def upstream() -> Upstream:
    up = Upstream()
    s = stores()
    s.provider("media", up.base, auth="'bearer'", key_required="true", price_provider="'media'")
    for model, figures in PRICES.items():
        s.sql(f"""INSERT INTO watchllm.price (provider, model, effective_from, source,
            {", ".join(figures)}) VALUES ('media', '{model}', '2024-01-01', 'test',
            {", ".join(map(str, figures.values()))})""", "postgres")
    return up


class Case(GateCase):
    settings: dict = {}

    @classmethod
    def setUpClass(cls) -> None:
        cls.up = upstream()
        cls.conf = {"upstream_private_hosts": f"127.0.0.1:{cls.up.server_address[1]}",
                    **cls.settings}
        super().setUpClass()

    def setUp(self) -> None:
        self.project, self.key = self.gate.stores.project("pro", "media")
        self.gate.cli("provider-key", "set", self.project, "media", stdin="sk-media-0123456789\n")
        self.ai = OpenAI(base_url=self.gate.url + "/v1", api_key=self.key, max_retries=0)

    def call(self) -> dict:
        (row,) = self.gate.recorded(self.project)
        (attributes,) = self.gate.stores.sql(
            f"SELECT attributes FROM watchllm.event WHERE project_id = '{self.project}'", "postgres")
        return {**row, "attributes": json.loads(attributes[0])}

    def cost(self, row: dict) -> float | None:
        value = row["cost_usd"]
        return None if value is None else float(value)


class Client(Case):
    """OpenAI's client library, through each web server."""

    def test_transcription(self):
        wav = io.BytesIO(b"RIFF" + bytes(range(256)) * 4000)
        wav.name = "a b.wav"
        t = self.ai.audio.transcriptions.create(file=wav, model="media/whisper-1",
                                                prompt="names")
        self.assertEqual(t.text, "hello")
        got = self.up.last
        self.assertEqual(got["fields"], {"file": wav.getvalue(), "model": "whisper-1",
                                         "prompt": "names"})
        self.assertEqual(got["headers"]["Authorization"], "Bearer sk-media-0123456789")
        row = self.call()
        self.assertEqual((row["route"], row["status"]), ("/v1/audio/transcriptions", "success"))
        self.assertEqual(row["attributes"]["audio_ms"], 9000)
        self.assertAlmostEqual(self.cost(row), 9 * 0.0001, 9)
        self.assertEqual(row["usage_source"], "provider")

    def test_speech(self):
        r = self.ai.audio.speech.with_raw_response.create(model="tts-1", voice="alloy", input="grüß")
        self.assertEqual(r.headers["content-type"], "audio/mpeg")
        self.assertEqual(r.parse().read(), MP3)
        self.assertEqual(r.headers["x-watchllm-provider"], "media")
        self.assertAlmostEqual(float(r.headers["x-watchllm-cost-usd"]), 4 * 15e-6, 9)
        row = self.call()
        self.assertEqual(row["attributes"]["characters"], 4)
        self.assertEqual(row["usage_source"], "estimated")

    def test_image_stream(self):
        events = list(self.ai.images.generate(model="gpt-image-1", prompt="a fox", stream=True))
        self.assertEqual([e.type for e in events],
                         ["image_generation.partial_image", "image_generation.completed"])
        self.assertEqual(self.call()["attributes"]["images"], 1)


class Media(Case):
    """The rest, behind one web server."""

    settings = {"max_upload": "1m", "max_body": "64k"}

    def post(self, path: str, body, **headers: str):
        return self.gate.request("POST", "/v1/" + path, body, self.key, headers or None)

    def form(self, *fields: tuple[str, str], boundary: str = "b", path: str = "audio/transcriptions",
             kind: str | None = None):
        body = "".join(f'--{boundary}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n'
                       for k, v in fields) + f"--{boundary}--\r\n"
        return self.post(path, body.encode(),
                         **{"Content-Type": kind or f"multipart/form-data; boundary={boundary}"})

    def test_transcription_stream(self):
        wav = io.BytesIO(b"RIFF")
        wav.name = "a.wav"
        events = list(self.ai.audio.transcriptions.create(
            file=wav, model="gpt-4o-transcribe", stream=True))
        self.assertEqual([e.type for e in events],
                         ["transcript.text.delta"] * 2 + ["transcript.text.done"])
        self.assertEqual(events[-1].text, "hello")
        row = self.call()
        self.assertAlmostEqual(self.cost(row), 2 * 2.5e-6 + 12 * 6e-6 + 4 * 10e-6, 9)

    def test_images(self):
        r = self.ai.images.generate(model="gpt-image-1", prompt="a fox", n=2)
        self.assertEqual([base64.b64decode(d.b64_json) for d in r.data], [PNG] * 2)
        row = self.call()
        self.assertEqual(row["attributes"]["images"], 2)
        self.assertEqual(row["attributes"]["image_tokens"], 40)
        self.assertAlmostEqual(self.cost(row), 10 * 5e-6 + 40 * 10e-6 + 1000 * 40e-6, 9)

    def test_image_edit(self):
        picture = io.BytesIO(PNG)
        picture.name = "p.png"
        r = self.ai.images.edit(model="media/dall-e-3", image=picture, prompt="bluer", n=2)
        self.assertEqual(len(r.data), 2)
        self.assertEqual(self.up.last["fields"]["image"], PNG)
        self.assertEqual(self.up.last["fields"]["model"], "dall-e-3")
        row = self.call()
        self.assertAlmostEqual(self.cost(row), 0.08, 9)

    def test_speech_stream(self):
        r = self.post("audio/speech", {"model": "gpt-4o-mini-tts", "input": "hi", "voice": "a",
                                       "stream_format": "sse"})
        self.assertEqual(r.headers["Content-Type"], "text/event-stream")
        self.assertEqual([e["type"] for e in data_of(r.body)], ["speech.audio.delta", "speech.audio.done"])
        self.assertIn(b"\n: watchllm {", r.body)
        self.assertAlmostEqual(self.cost(self.call()), 3 * 0.6e-6 + 90 * 12e-6, 9)

    def test_rerank(self):
        for model, cost, units in (("rerank-v3.5", 0.002, "searches"), ("jina-reranker", 21 * 0.02e-6, None)):
            self.setUp()
            r = self.post("rerank", {"model": model, "query": "q", "documents": ["a", {"text": "b"}]})
            self.assertEqual((r.status, len(r.json()["results"])), (200, 2))
            row = self.call()
            self.assertAlmostEqual(self.cost(row), cost, 9)
            if units:
                self.assertEqual(row["attributes"][units], 1)

    def test_plain_text(self):
        r = self.form(("model", "whisper-1"), ("response_format", "srt"))
        self.assertEqual(r.headers["Content-Type"], "text/plain; charset=utf-8")
        self.assertTrue(r.body.startswith(b"1\n00:00"))
        row = self.call()
        self.assertIsNone(self.cost(row))

    def test_unknown_price(self):
        """Figures are kept, and no cost is made up."""
        r = self.post("images/generations", {"model": "unpriced", "prompt": "x"})
        self.assertEqual(r.status, 200)
        self.assertNotIn("X-WatchLLM-Cost-USD", r.headers)
        row = self.call()
        self.assertIsNone(self.cost(row))
        self.assertEqual((row["cost_source"], row["attributes"]["images"]), ("unknown", 1))

    def test_variations_and_translations(self):
        self.assertEqual(self.form(("model", "dall-e-3"), path="images/variations").status, 200)
        self.assertEqual(self.form(("model", "whisper-1"), path="audio/translations").status, 200)
        self.assertEqual(sorted(c["route"] for c in self.gate.recorded(self.project, 2)),
                         ["/v1/audio/translations", "/v1/images/variations"])

    def test_large_picture(self):
        r = self.post("images/generations", {"model": "large", "prompt": "x", "n": 2})
        self.assertEqual((r.status, len(r.json()["data"])), (200, 2))
        self.assertEqual(self.call()["attributes"]["images"], 2)

    def test_broken_stream(self):
        r = self.post("images/generations", {"model": "cut", "prompt": "x", "n": 3, "stream": True})
        events = data_of(r.body)
        self.assertEqual(len([e for e in events if e.get("type", "").startswith("image")]), 4)
        # it was whole; the transfer was not
        self.assertNotIn("error", events[0])
        self.assertEqual(self.call()["attributes"]["images"], 3)

    def test_boundaries(self):
        for b in ("xyz", "a=b", "----WebKitFormBoundary7MA4YWxkTrZu0gW", "(x) y"):
            r = self.form(("model", "media/whisper-1"), boundary=b,
                          kind=f'multipart/form-data; boundary="{b}"')
            self.assertEqual(r.status, 200, b)
            self.assertEqual(self.up.last["fields"], {"model": "whisper-1"})

    def test_refused(self):
        """Before any call, the month given back, and no two readings."""
        before = self.up.asked.total()
        two = [("model", "whisper-1"), ("model", "gpt-4o-transcribe")]
        for fields in ([], [("prompt", "x")], two, [("model", "m"), ("Model", "n")],
                       [("model", "m"), ("stream", "true"), ("stream", "false")]):
            e = self.error(self.form(*fields), 400, "invalid_request")
            self.assertNotIn("whisper", e["message"])
        r = self.post("audio/transcriptions", b"--b\r\nrubbish",
                      **{"Content-Type": "multipart/form-data; boundary=b"})
        self.error(r, 400, "invalid_request")
        for kind in ("multipart/form-data", "multipart/mixed; boundary=b", "text/plain"):
            self.error(self.form(("model", "m"), kind=kind), 415, "unsupported_media_type")
        r = self.form(("model", "m"), path="images/generations")
        self.error(r, 415, "unsupported_media_type")
        self.error(self.post("rerank", {"model": "m", "query": "q"}), 400, "invalid_request")
        self.error(self.post("audio/speech", {"model": "m"}), 400, "invalid_request")
        self.assertEqual(self.up.asked.total(), before)
        self.assertEqual(self.counted(self.key)[1], 0)

    def test_sizes(self):
        """Uploads have a limit of their own."""
        big = "x" * 300_000
        self.assertEqual(self.form(("model", "whisper-1"), ("prompt", big)).status, 200)
        self.error(self.form(("model", "m"), ("prompt", big * 4)), 413, "request_too_large")
        self.error(self.post("images/generations", {"model": "m", "prompt": big}), 413,
                   "request_too_large")

    def test_provider_errors(self):
        r = self.post("audio/speech", {"model": "fails", "input": "x", "voice": "y"})
        self.assertEqual((r.status, r.json()["error"]["code"]), (400, "bad_voice"))
        self.error(self.post("images/generations", {"model": "html", "prompt": "x"}), 502,
                   "upstream_invalid_response")
        with self.assertRaises(APIStatusError) as e:
            self.ai.audio.speech.create(model="fails", input="x", voice="alloy")
        self.assertEqual(e.exception.code, "bad_voice")
        self.assertEqual(self.counted(self.key)[1], 0)

    def test_limits(self):
        self.gate.stores.plan("media-one", minute=1, month=100)
        project, key = self.gate.stores.project("media-one", "media")
        self.gate.cli("provider-key", "set", project, "media", stdin="sk-media-0123456789\n")
        self.key = key
        self.clock.spare(20)
        self.assertEqual(self.form(("model", "whisper-1")).status, 200)
        self.error(self.form(("model", "whisper-1")), 429, "rate_limit_exceeded")


def load_tests(loader: unittest.TestLoader, _tests: object, _pattern: object) -> unittest.TestSuite:
    return on_every_mount(loader, Client, Media)


if __name__ == "__main__":
    unittest.main()
