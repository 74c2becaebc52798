// npm's openai against a gate: only the base URL and the key were changed.
// Prints a line for each check and "N ok" at the end; ends with 1 when one of
// them fails.  Needs WL_MODULES, the folder that holds node_modules.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const env = process.env;
const require = createRequire(pathToFileURL(env.WL_MODULES + "/"));
const OpenAI = require("openai").default;
const MODEL = "gpt-4o-mini";
const messages = [{ role: "user", content: "Say hello." }];

/** @param {string} words */
const say = (words) => [{ role: "user", content: `Say hello. [[${words}]]` }];

/**
 * A client, and how many requests it has sent.
 * @param {string} apiKey
 * @param {number} maxRetries
 */
function client(apiKey, maxRetries = 0) {
	const count = { sent: 0 };
	const ai = new OpenAI({
		baseURL: env.WL_URL, apiKey, maxRetries, timeout: 20000,
		fetch: (url, init) => {
			count.sent++;
			return fetch(url, init);
		},
	});
	return { ai, count };
}

const { ai } = client(env.WL_KEY);

/**
 * PROMISE must fail with an error of that class, status and code.
 * @param {Promise<any>} promise
 */
async function fails(promise, type, status, code) {
	try {
		await promise;
	} catch (e) {
		assert.equal(e.constructor, type, String(e));
		assert.deepEqual([e.status, e.code], [status, code]);
		return e;
	}
	assert.fail("no error");
}

const checks = {
	async chat() {
		const { data, response } = await ai.chat.completions
			.create({ model: MODEL, messages }).withResponse();
		assert.match(data.choices[0].message.content, /No model wrote this text/);
		assert.ok(data.usage.total_tokens > 0);
		assert.equal(data._request_id, response.headers.get("x-request-id"));
	},

	async stream() {
		const times = [];
		for await (const chunk of await ai.chat.completions.create({
			model: MODEL, messages: say("stamp=1 tokens=12 per_token=60"), stream: true })) {
			const content = chunk.choices[0].delta.content;
			if (content)
				times.push(Date.now() - Number(content.split(":")[1]) / 1000);
		}
		assert.equal(times.length, 12);
		times.sort((a, b) => a - b);
		assert.ok(times[6] < 50 && times[11] < 500, `delays in ms: ${times}`);
	},

	async streamUsage() {
		const chunks = async (extra) => {
			const out = [];
			for await (const chunk of await ai.chat.completions.create({
				model: MODEL, messages, stream: true, ...extra }))
				out.push(chunk);
			return out;
		};
		assert.ok((await chunks({})).every((c) => c.choices.length && !c.usage));
		const last = (await chunks({ stream_options: { include_usage: true } })).at(-1);
		assert.equal(last.choices.length, 0);
		assert.ok(last.usage.completion_tokens > 0);
	},

	async completions() {
		const answer = await ai.completions.create({
			model: "gpt-3.5-turbo-instruct", prompt: "Say hello." });
		assert.match(answer.choices[0].text, /sandbox/);
	},

	async embeddings() {
		const ask = (input, extra) => ai.embeddings.create({
			model: "text-embedding-3-small", dimensions: 8, input, ...extra });
		const packed = (await ask("a text")).data[0].embedding;
		const floats = (await ask("a text", { encoding_format: "float" })).data[0].embedding;
		assert.equal(packed.length, 8);
		packed.forEach((x, i) => assert.ok(Math.abs(x - floats[i]) < 1e-5));
		assert.equal((await ask(["one", "two"])).data.length, 2);
	},

	async tools() {
		const tools = [{ type: "function", function: { name: "weather", parameters: {
			type: "object", properties: { place: { type: "string" } } } } }];
		const answer = await ai.chat.completions.create({
			model: MODEL, messages: say("tool_calls=1"), tools });
		assert.equal(answer.choices[0].message.tool_calls[0].function.name, "weather");
	},

	async responses() {
		const answer = await ai.responses.create({ model: MODEL, input: "Say hello." });
		assert.match(answer.output_text, /No model wrote this text/);
		const stream = ai.responses.stream({ model: MODEL, input: "Say hello." });
		let text = "";
		stream.on("response.output_text.delta", (event) => { text += event.delta; });
		const last = await stream.finalResponse();
		assert.equal(text, answer.output_text);
		assert.deepEqual([last.status, last.output_text], ["completed", text]);
	},

	async authenticationError() {
		const wrong = client("lgw_proj_" + "0".repeat(38), 2);
		const e = await fails(wrong.ai.chat.completions.create({ model: MODEL, messages }),
			OpenAI.AuthenticationError, 401, "invalid_api_key");
		assert.equal(e.type, "authentication_error");
		assert.equal(wrong.count.sent, 1);
	},

	async rateLimitError() {
		const free = client(env.WL_FREE_KEY);
		for (let i = 0; i < 10; i++)
			await free.ai.chat.completions.create({ model: MODEL, messages });
		const e = await fails(free.ai.chat.completions.create({ model: MODEL, messages }),
			OpenAI.RateLimitError, 429, "rate_limit_exceeded");
		assert.equal(Number(e.headers.get("retry-after")), e.error.details.retryAfter);
	},

	async quotaIsNotRetried() {
		const poor = client(env.WL_QUOTA_KEY, 3);
		await fails(poor.ai.chat.completions.create({ model: MODEL, messages }),
			OpenAI.RateLimitError, 429, "quota_exceeded");
		assert.equal(poor.count.sent, 1);
	},

	async retryAfterIsHonoured() {
		const patient = client(env.WL_KEY, 1);
		const began = Date.now();
		await patient.ai.chat.completions.create({
			model: MODEL, messages: say(`status=429 retry_after=2 times=1 id=n${env.WL_ID}`) });
		assert.equal(patient.count.sent, 2);
		assert.ok(Date.now() - began >= 1900);
	},

	async badRequestError() {
		const e = await fails(ai.chat.completions.create({ model: MODEL, messages: "hello" }),
			OpenAI.BadRequestError, 400, "invalid_request");
		assert.equal(e.param, "messages");
	},

	async notFoundError() {
		await fails(client(env.WL_BARE_KEY).ai.chat.completions.create({
			model: "no-such-model", messages }), OpenAI.NotFoundError, 404, "model_not_found");
	},

	async upstreamErrors() {
		await fails(ai.chat.completions.create({
			model: MODEL, messages: say("fault=reset_before") }),
		OpenAI.InternalServerError, 502, "upstream_error");
		await fails(ai.chat.completions.create({
			model: MODEL, messages: say("fault=silence") }),
		OpenAI.InternalServerError, 504, "upstream_timeout");
	},

	async errorInStream() {
		let n = 0;
		await assert.rejects(async () => {
			for await (const _ of await ai.chat.completions.create({
				model: MODEL, messages: say("fault=reset_mid"), stream: true }))
				n++;
		}, (e) => e instanceof OpenAI.APIError && e.code === "upstream_error");
		assert.ok(n >= 3);
	},

	async abort() {
		const stream = await ai.chat.completions.create({
			model: MODEL, messages: say("per_token=100 tokens=60 id=abort"), stream: true });
		for await (const _ of stream)
			break;			// leaves, and so closes the connection
		assert.ok(stream.controller.signal.aborted);
	},
};

let failed = 0;
for (const [name, check] of Object.entries(checks)) {
	try {
		await check();
		console.log(`ok ${name}`);
	} catch (e) {
		failed++;
		console.log(`not ok ${name}: ${e.stack}`);
	}
}
console.log(`${Object.keys(checks).length - failed} ok`);
process.exitCode = failed ? 1 : 0;
