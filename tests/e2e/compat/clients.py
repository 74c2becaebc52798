"""Client libraries from PyPI, of which only the base URL and the key were
changed. Reads a job a line (JSON: url, key, spent, model, embedding, clients,
skip), tries every feature of every library on it, and prints a line for each: JSON
with client, feature, and error, which is null or says what is wrong. "end"
comes after the last one of a job."""

from __future__ import annotations

import json
import os
import sys
import traceback
from importlib.metadata import version

os.environ |= {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LANGCHAIN_TRACING_V2": "false",
               "LANGSMITH_TRACING": "false", "ANONYMIZED_TELEMETRY": "False"}

import anthropic  # noqa: E402
import litellm  # noqa: E402
import openai  # noqa: E402
from langchain_anthropic import ChatAnthropic  # noqa: E402
from langchain_core.tools import tool  # noqa: E402
from langchain_openai import ChatOpenAI, OpenAIEmbeddings  # noqa: E402
from pydantic import BaseModel  # noqa: E402

litellm.suppress_debug_info = True
litellm.telemetry = False

HELLO = "Say hello."
CALL = "What is the weather in Oslo? [[tool_calls=1]]"
SCHEMA = {"type": "object", "properties": {"place": {"type": "string"}},
          "required": ["place"], "additionalProperties": False}
TOOL = {"type": "function", "function": {
    "name": "weather", "description": "The weather of a place.", "parameters": SCHEMA}}


class Number(BaseModel):
    n: int


@tool
def weather(place: str) -> str:
    """The weather of a place."""
    return f"Rain in {place}."


def say(text: str = HELLO) -> list[dict]:
    return [{"role": "user", "content": text}]


def check(true: object, what: object = "") -> None:
    if not true:
        raise AssertionError(what)


def spoken(text: str | None) -> None:
    check("No model wrote this text" in (text or ""), text)


def raises(error: type[Exception], status: int, call) -> Exception:
    try:
        call()
    except error as e:
        check(getattr(e, "status_code", None) == status, e)
        return e
    raise AssertionError(f"no {error.__name__}")


def failures(module, call) -> None:
    """CALL(key, model) fails as the library's own exceptions tell."""
    raises(module.AuthenticationError, 401, lambda: call("sk-wrong", None))
    raises(module.RateLimitError, 429, lambda: call("spent", None))
    raises(module.BadRequestError, 400, lambda: call("key", ""))


class OpenAI:
    package = "openai"

    def __init__(self, job: dict) -> None:
        self.job = job
        self.ai = self.client("key")

    def client(self, key: str) -> openai.OpenAI:
        return openai.OpenAI(base_url=self.job["url"] + "/v1", max_retries=0, timeout=20,
                             api_key=self.job.get(key, key))

    def chat(self) -> None:
        a = self.ai.chat.completions.create(model=self.job["model"], messages=say())
        spoken(a.choices[0].message.content)
        check(a.usage.completion_tokens > 0, a.usage)

    def stream(self) -> None:
        with self.ai.chat.completions.stream(model=self.job["model"], messages=say()) as s:
            n = sum(e.type == "content.delta" for e in s)
            spoken(s.get_final_completion().choices[0].message.content)
        check(n > 3, n)

    def tools(self) -> None:
        a = self.ai.chat.completions.create(model=self.job["model"], messages=say(CALL),
                                            tools=[TOOL]).choices[0]
        call = a.message.tool_calls[0]
        check(call.function.name == "weather" and a.finish_reason == "tool_calls", a)
        back = [*say(), a.message, {"role": "tool", "tool_call_id": call.id, "content": "Rain."}]
        spoken(self.ai.chat.completions.create(
            model=self.job["model"], messages=back, tools=[TOOL]).choices[0].message.content)

    def structured(self) -> None:
        a = self.ai.chat.completions.parse(model=self.job["model"], messages=say(),
                                           response_format=Number)
        check(isinstance(a.choices[0].message.parsed.n, int), a)

    def embeddings(self) -> None:
        a = self.ai.embeddings.create(model=self.job["embedding"], input=["one", "two"],
                                      dimensions=16)
        check([len(d.embedding) for d in a.data] == [16, 16], a)

    def responses(self) -> None:
        spoken(self.ai.responses.create(model=self.job["model"], input=HELLO).output_text)
        with self.ai.responses.stream(model=self.job["model"], input=HELLO) as s:
            spoken(s.get_final_response().output_text)

    def errors(self) -> None:
        failures(openai, lambda key, model: self.client(key).chat.completions.create(
            model=self.job["model"] if model is None else model, messages=say()))


class LangChainOpenAI:
    package = "langchain-openai"

    def __init__(self, job: dict) -> None:
        self.job = job

    def model(self, key: str = "key", model: str | None = None, **more) -> ChatOpenAI:
        return ChatOpenAI(base_url=self.job["url"] + "/v1", api_key=self.job.get(key, key),
                          model=self.job["model"] if model is None else model,
                          max_retries=0, timeout=20, **more)

    def chat(self) -> None:
        a = self.model().invoke(HELLO)
        spoken(a.content)
        check(a.usage_metadata["output_tokens"] > 0, a)

    def stream(self) -> None:
        parts = list(self.model(stream_usage=True).stream(HELLO))
        spoken("".join(p.content for p in parts))
        check(sum((p.usage_metadata or {}).get("output_tokens", 0) for p in parts) > 0, parts)

    def tools(self) -> None:
        a = self.model().bind_tools([weather]).invoke(CALL)
        check(a.tool_calls[0]["name"] == "weather" and "place" in a.tool_calls[0]["args"], a)

    def structured(self) -> None:
        a = self.model().with_structured_output(Number).invoke(HELLO)
        check(isinstance(a.n, int), a)

    def embeddings(self) -> None:
        e = OpenAIEmbeddings(base_url=self.job["url"] + "/v1", api_key=self.job["key"],
                             model=self.job["embedding"], dimensions=16,
                             check_embedding_ctx_length=False)
        check([len(v) for v in e.embed_documents(["one", "two"])] == [16, 16])

    def responses(self) -> None:
        spoken(self.model(use_responses_api=True).invoke(HELLO).text)
        spoken("".join(p.text for p in self.model(use_responses_api=True).stream(HELLO)))

    def errors(self) -> None:
        failures(openai, lambda key, model: self.model(key, model).invoke(HELLO))


class LiteLLM:
    package = "litellm"

    def __init__(self, job: dict) -> None:
        self.job = job

    def ask(self, key: str = "key", model: str | None = None, text: str = HELLO, **more):
        return litellm.completion(
            model="openai/" + (self.job["model"] if model is None else model),
            messages=say(text), api_base=self.job["url"] + "/v1",
            api_key=self.job.get(key, key), num_retries=0, timeout=20, **more)

    def chat(self) -> None:
        a = self.ask()
        spoken(a.choices[0].message.content)
        check(a.usage.completion_tokens > 0, a)

    def stream(self) -> None:
        parts = list(self.ask(stream=True))
        spoken("".join(p.choices[0].delta.content or "" for p in parts))

    def tools(self) -> None:
        a = self.ask(text=CALL, tools=[TOOL]).choices[0]
        check(a.message.tool_calls[0].function.name == "weather", a)

    def structured(self) -> None:
        a = self.ask(response_format=Number)
        check(isinstance(Number.model_validate_json(a.choices[0].message.content).n, int), a)

    def embeddings(self) -> None:
        a = litellm.embedding(model="openai/" + self.job["embedding"], input=["one", "two"],
                              api_base=self.job["url"] + "/v1", api_key=self.job["key"],
                              dimensions=16)
        check([len(d["embedding"]) for d in a.data] == [16, 16], a)

    def responses(self) -> None:
        a = litellm.responses(model="openai/" + self.job["model"], input=HELLO,
                              api_base=self.job["url"] + "/v1", api_key=self.job["key"])
        spoken(a.output[0].content[0].text)

    def errors(self) -> None:
        failures(litellm, lambda key, model: self.ask(key, model))


class Anthropic:
    package = "anthropic"

    def __init__(self, job: dict) -> None:
        self.job = job
        self.ai = self.client("key")

    def client(self, key: str) -> anthropic.Anthropic:
        return anthropic.Anthropic(base_url=self.job["url"], max_retries=0, timeout=20,
                                   api_key=self.job.get(key, key))

    def ask(self, text: str = HELLO, **more):
        return self.ai.messages.create(model=self.job["model"], max_tokens=200,
                                       messages=say(text), **more)

    def chat(self) -> None:
        a = self.ask()
        spoken(a.content[0].text)
        check(a.usage.output_tokens > 0, a)

    def stream(self) -> None:
        with self.ai.messages.stream(model=self.job["model"], max_tokens=200,
                                     messages=say()) as s:
            n = sum(1 for _ in s.text_stream)
            spoken(s.get_final_text())
        check(n > 3, n)

    def tools(self) -> None:
        a = self.ask(CALL, tools=[{"name": "weather", "input_schema": SCHEMA}])
        use = next(b for b in a.content if b.type == "tool_use")
        check(use.name == "weather" and "place" in use.input, a)
        check(a.stop_reason == "tool_use", a)

    def errors(self) -> None:
        failures(anthropic, lambda key, model: self.client(key).messages.create(
            model=self.job["model"] if model is None else model, max_tokens=200,
            messages=say()))


class LangChainAnthropic:
    package = "langchain-anthropic"

    def __init__(self, job: dict) -> None:
        self.job = job

    def model(self, key: str = "key", model: str | None = None) -> ChatAnthropic:
        return ChatAnthropic(base_url=self.job["url"], api_key=self.job.get(key, key),
                             model=self.job["model"] if model is None else model,
                             max_retries=0, timeout=20, max_tokens=200)

    def chat(self) -> None:
        a = self.model().invoke(HELLO)
        spoken(a.text)
        check(a.usage_metadata["output_tokens"] > 0, a)

    def stream(self) -> None:
        spoken("".join(p.text for p in self.model().stream(HELLO)))

    def tools(self) -> None:
        a = self.model().bind_tools([weather]).invoke(CALL)
        check(a.tool_calls[0]["name"] == "weather" and "place" in a.tool_calls[0]["args"], a)

    def structured(self) -> None:
        a = self.model().with_structured_output(Number).invoke(HELLO)
        check(isinstance(a.n, int), a)

    def errors(self) -> None:
        failures(anthropic, lambda key, model: self.model(key, model).invoke(HELLO))


CLIENTS = [OpenAI, LangChainOpenAI, LiteLLM, Anthropic, LangChainAnthropic]


def features(client: type) -> list[str]:
    return [n for n in ("chat", "stream", "tools", "structured", "embeddings", "responses",
                        "errors") if hasattr(client, n)]


def main() -> None:
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)       # what libraries print is no result
    for line in sys.stdin:
        job = json.loads(line)
        for client in CLIENTS:
            if client.package not in job["clients"]:
                continue
            one = client(job)
            for feature in (f for f in features(client) if f not in job["skip"]):
                error = None
                try:
                    getattr(one, feature)()
                except Exception:
                    error = traceback.format_exc(limit=-3)
                print(json.dumps({"client": client.package, "feature": feature,
                                  "version": version(client.package), "error": error}),
                      file=out, flush=True)
        print("end", file=out, flush=True)


main()
