// Client libraries from npm, of which only the base URL and the key were
// changed: the same as clients.py does.  Needs WL_MODULES, the folder that
// holds node_modules.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const root = process.env.WL_MODULES;
const require = createRequire(pathToFileURL(root + "/"));
const load = async (name) => await import(pathToFileURL(require.resolve(name)));
const { default: OpenAI } = await load("openai");
const { zodResponseFormat } = await load("openai/helpers/zod");
const { default: Anthropic } = await load("@anthropic-ai/sdk");
const ai = await load("ai");
const { createOpenAI } = await load("@ai-sdk/openai");
const { createAnthropic } = await load("@ai-sdk/anthropic");
const { ChatOpenAI, OpenAIEmbeddings } = await load("@langchain/openai");
const { ChatAnthropic } = await load("@langchain/anthropic");
const { tool } = await load("@langchain/core/tools");
const { z } = await load("zod");

const HELLO = "Say hello.";
const CALL = "What is the weather in Oslo? [[tool_calls=1]]";
const Place = z.object({ place: z.string() });
const Numbers = z.object({ n: z.number().int() });
const SCHEMA = { type: "object", properties: { place: { type: "string" } },
	required: ["place"], additionalProperties: false };
const TOOL = { type: "function", function: { name: "weather",
	description: "The weather of a place.", parameters: SCHEMA } };
const weather = tool(({ place }) => `Rain in ${place}.`, { name: "weather",
	description: "The weather of a place.", schema: Place });

const say = (content = HELLO) => [{ role: "user", content }];
const spoken = (text) => assert.match(text ?? "", /No model wrote this text/);

/** An error anywhere in E has STATUS, and the class TYPE where one is given. */
async function fails(call, status, type) {
	let e;
	try {
		await call();
	} catch (error) {
		e = error;
	}
	assert.ok(e, `no error ${status}`);
	const found = e.status ?? e.statusCode ?? e.lastError?.statusCode ?? e.cause?.status;
	assert.equal(found, status, String(e));
	if (type)
		assert.ok(e instanceof type, String(e));
}

/** CALL(key, model) fails as the library's own exceptions tell. */
async function failures(call, sdk) {
	await fails(() => call("sk-wrong"), 401, sdk?.AuthenticationError);
	await fails(() => call("spent"), 429, sdk?.RateLimitError);
	await fails(() => call("key", ""), 400, sdk?.BadRequestError);
}

const key = (job, name) => job[name] ?? name;

const clients = {
	openai(job) {
		const client = (k = "key") => new OpenAI({ baseURL: job.url + "/v1",
			apiKey: key(job, k), maxRetries: 0, timeout: 20000 });
		const { model } = job;
		const chat = client().chat.completions;
		return {
			async chat() {
				const a = await chat.create({ model, messages: say() });
				spoken(a.choices[0].message.content);
				assert.ok(a.usage.completion_tokens > 0);
			},
			async stream() {
				let n = 0;
				const s = chat.stream({ model, messages: say() }).on("content", () => n++);
				spoken(await s.finalContent());
				assert.ok(n > 3);
			},
			async tools() {
				const a = await chat.create({ model, messages: say(CALL), tools: [TOOL] });
				const { message } = a.choices[0];
				assert.equal(message.tool_calls[0].function.name, "weather");
				const b = await chat.create({ model, tools: [TOOL], messages: [...say(), message,
					{ role: "tool", tool_call_id: message.tool_calls[0].id, content: "Rain." }] });
				spoken(b.choices[0].message.content);
			},
			async structured() {
				const a = await chat.parse({ model, messages: say(),
					response_format: zodResponseFormat(Numbers, "numbers") });
				assert.ok(Number.isInteger(a.choices[0].message.parsed.n));
			},
			async embeddings() {
				const a = await client().embeddings.create({ model: job.embedding,
					input: ["one", "two"], dimensions: 16 });
				assert.deepEqual(a.data.map((d) => d.embedding.length), [16, 16]);
			},
			async responses() {
				const { responses } = client();
				spoken((await responses.create({ model, input: HELLO })).output_text);
				const s = responses.stream({ model, input: HELLO });
				spoken((await s.finalResponse()).output_text);
			},
			errors: () => failures((k, m = model) => client(k).chat.completions
				.create({ model: m, messages: say() }), OpenAI),
		};
	},

	"@anthropic-ai/sdk"(job) {
		const client = (k = "key") => new Anthropic({ baseURL: job.url, apiKey: key(job, k),
			maxRetries: 0, timeout: 20000 }).messages;
		const ask = { model: job.model, max_tokens: 200, messages: say() };
		return {
			async chat() {
				const a = await client().create(ask);
				spoken(a.content[0].text);
				assert.ok(a.usage.output_tokens > 0);
			},
			async stream() {
				let n = 0;
				const s = client().stream(ask).on("text", () => n++);
				spoken(await s.finalText());
				assert.ok(n > 3);
			},
			async tools() {
				const a = await client().create({ ...ask, messages: say(CALL),
					tools: [{ name: "weather", input_schema: SCHEMA }] });
				const use = a.content.find((b) => b.type === "tool_use");
				assert.equal(use.name, "weather");
				assert.ok("place" in use.input);
				assert.equal(a.stop_reason, "tool_use");
			},
			errors: () => failures((k, m = ask.model) => client(k).create({ ...ask, model: m }),
				Anthropic),
		};
	},

	"@ai-sdk/openai"(job) {
		const model = (k = "key", m = job.model) => createOpenAI({ baseURL: job.url + "/v1",
			apiKey: key(job, k) }).chat(m);
		const provider = createOpenAI({ baseURL: job.url + "/v1", apiKey: job.key });
		return {
			...sdk(model),
			async embeddings() {
				const a = await ai.embedMany({ model: provider.embedding(job.embedding),
					values: ["one", "two"], maxRetries: 0,
					providerOptions: { openai: { dimensions: 16 } } });
				assert.deepEqual(a.embeddings.map((e) => e.length), [16, 16]);
			},
			async responses() {
				const responses = provider.responses(job.model);
				spoken((await ai.generateText({ model: responses, prompt: HELLO,
					maxRetries: 0 })).text);
				spoken(await ai.streamText({ model: responses, prompt: HELLO,
					maxRetries: 0 }).text);
			},
		};
	},

	"@ai-sdk/anthropic"(job) {
		return sdk((k = "key", m = job.model) => createAnthropic({ baseURL: job.url + "/v1",
			apiKey: key(job, k) })(m));
	},

	"@langchain/openai"(job) {
		const model = (k = "key", m = job.model, more = {}) => new ChatOpenAI({ model: m,
			apiKey: key(job, k), configuration: { baseURL: job.url + "/v1" }, maxRetries: 0,
			timeout: 20000, ...more });
		const responses = () => model("key", job.model, { useResponsesApi: true });
		return {
			...chain(model),
			async embeddings() {
				const e = new OpenAIEmbeddings({ model: job.embedding, dimensions: 16,
					apiKey: job.key, configuration: { baseURL: job.url + "/v1" } });
				const v = await e.embedDocuments(["one", "two"]);
				assert.deepEqual(v.map((x) => x.length), [16, 16]);
			},
			async responses() {
				spoken((await responses().invoke(HELLO)).text);
			},
		};
	},

	"@langchain/anthropic"(job) {
		return chain((k = "key", m = job.model) => new ChatAnthropic({ model: m,
			apiKey: key(job, k), anthropicApiUrl: job.url, maxRetries: 0, maxTokens: 200 }));
	},
};

/** What the AI SDK does with any model. */
function sdk(model) {
	return {
		async chat() {
			const a = await ai.generateText({ model: model(), prompt: HELLO, maxRetries: 0 });
			spoken(a.text);
			assert.ok(a.usage.outputTokens > 0);
		},
		async stream() {
			let n = 0, text = "";
			const s = ai.streamText({ model: model(), prompt: HELLO, maxRetries: 0 });
			for await (const part of s.textStream) {
				n++;
				text += part;
			}
			spoken(text);
			assert.ok(n > 3);
		},
		async tools() {
			const a = await ai.generateText({ model: model(), prompt: CALL, maxRetries: 0,
				tools: { weather: ai.tool({ description: "The weather of a place.",
					inputSchema: Place }) } });
			assert.equal(a.toolCalls[0].toolName, "weather");
			assert.ok("place" in a.toolCalls[0].input);
		},
		async structured() {
			const a = await ai.generateText({ model: model(), prompt: HELLO, maxRetries: 0,
				output: ai.Output.object({ schema: Numbers }) });
			assert.ok(Number.isInteger(a.output.n));
		},
		errors: () => failures((k, m) => ai.generateText({ model: model(k, m), prompt: HELLO,
			maxRetries: 0 })),
	};
}

/** What LangChain does with any model. */
function chain(model) {
	return {
		async chat() {
			const a = await model().invoke(HELLO);
			spoken(a.text);
			assert.ok(a.usage_metadata.output_tokens > 0);
		},
		async stream() {
			let text = "";
			for await (const part of await model().stream(HELLO))
				text += part.text;
			spoken(text);
		},
		async tools() {
			const a = await model().bindTools([weather]).invoke(CALL);
			assert.equal(a.tool_calls[0].name, "weather");
			assert.ok("place" in a.tool_calls[0].args);
		},
		async structured() {
			const a = await model().withStructuredOutput(Numbers).invoke(HELLO);
			assert.ok(Number.isInteger(a.n));
		},
		errors: () => failures((k, m) => model(k, m).invoke(HELLO)),
	};
}

const version = (name) => JSON.parse(readFileSync(`${root}/node_modules/${name}/package.json`,
	"utf8")).version;
const order = ["chat", "stream", "tools", "structured", "embeddings", "responses", "errors"];

globalThis.AI_SDK_LOG_WARNINGS = false;
console.info = console.warn = console.error;
for await (const line of createInterface({ input: process.stdin })) {
	const job = JSON.parse(line);
	for (const client of Object.keys(clients)) {
		if (!job.clients.includes(client))
			continue;
		const checks = clients[client](job);
		for (const feature of order.filter((name) => name in checks &&
			!job.skip.includes(name))) {
			let error = null;
			try {
				await checks[feature]();
			} catch (e) {
				error = String(e.stack ?? e).slice(0, 2000);
			}
			console.log(JSON.stringify({ client, feature, version: version(client), error }));
		}
	}
	console.log("end");
}
