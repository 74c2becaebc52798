/*
 * Azure's variant of OpenAI's format: paths and headers as openai-python's
 * AzureOpenAI (lib/azure.py) sends them; errors and filters as the
 * specifications in Azure/azure-rest-api-specs have them
 * (cognitiveservices/data-plane/AzureOpenAI/inference, 2024-10-21).
 */
#include "config.h"
#include "tests/unit/wire.h"

#include <string.h>

#include "lib/base/arena.h"
#include "lib/core/provider_error.h"
#include "lib/core/stream.h"
#include "tests/unit/tap.h"

static const char chat[] = "{\"model\":\"az/my gpt\",\"messages\":[{\"role\":"
    "\"user\",\"content\":\"hi\"}]}";

static void
reset(const char *version, const char *auth)
{
	wire_reset(&wl_provider_azure, "my gpt", auth);
	wire_target.base_url = "https://res.openai.azure.com";
	wire_target.api_version = version;
	wire_target.stream_options = true;
}

static void
requests(void)
{
	reset("2024-10-21", "api-key");
	CU_ASSERT_STRING_EQUAL(wire_request(WL_API_CHAT, chat), "{\"model\":"
	    "\"my gpt\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"
	    );
	CU_ASSERT_STRING_EQUAL(wire_up.url, "https://res.openai.azure.com/"
	    "openai/deployments/my%20gpt/chat/completions"
	    "?api-version=2024-10-21");
	CU_ASSERT(wire_has_header("api-key: secret-key"));
	CU_ASSERT(!wire_has_header("Authorization: Bearer secret-key"));
	CU_ASSERT(wire_request(WL_API_EMBEDDINGS,
	    "{\"model\":\"m\",\"input\":\"x\"}") != NULL);
	CU_ASSERT_STRING_EQUAL(wire_up.url, "https://res.openai.azure.com/"
	    "openai/deployments/my%20gpt/embeddings?api-version=2024-10-21");
	CU_ASSERT(wire_request(WL_API_RESPONSES,
	    "{\"model\":\"m\",\"input\":\"x\"}") != NULL);
	CU_ASSERT_STRING_EQUAL(wire_up.url, "https://res.openai.azure.com/"
	    "openai/responses?api-version=2024-10-21");
	CU_ASSERT_EQUAL(wl_provider_azure.list(wire_arena, &wire_target,
	    &wire_up, &wire_err), 0);
	CU_ASSERT_STRING_EQUAL(wire_up.url, "https://res.openai.azure.com/"
	    "openai/models?api-version=2024-10-21");
	CU_ASSERT(wire_has_header("api-key: secret-key"));
	wire_target.model = "..";
	CU_ASSERT(wire_refuses(chat, "model"));
	/* a token of Entra's; the API without versions */
	reset(NULL, "bearer");
	CU_ASSERT(wire_request(WL_API_CHAT, chat) != NULL);
	CU_ASSERT_STRING_EQUAL(wire_up.url, "https://res.openai.azure.com/"
	    "openai/v1/chat/completions");
	CU_ASSERT(wire_has_header("Authorization: Bearer secret-key"));
}

/*
 * What Azure adds about its filters passes, byte by byte.
 */
static void
streams(void)
{
	static const char in[] =
	    "data: {\"choices\":[],\"created\":0,\"id\":\"\",\"model\":\"\","
	    "\"object\":\"\",\"prompt_filter_results\":[{\"prompt_index\":0,"
	    "\"content_filter_results\":{\"hate\":{\"filtered\":false,"
	    "\"severity\":\"safe\"}}}]}\n\n"
	    "data: {\"choices\":[{\"content_filter_results\":{},\"delta\":"
	    "{\"content\":\"Hi\",\"role\":\"assistant\"},\"finish_reason\":"
	    "null,\"index\":0}],\"created\":0,\"id\":\"c-1\",\"model\":"
	    "\"gpt-4o-2024-11-20\",\"object\":\"chat.completion.chunk\"}\n\n"
	    "data: {\"choices\":[{\"delta\":{},\"finish_reason\":"
	    "\"content_filter\",\"index\":0}],\"created\":0,\"id\":\"c-1\","
	    "\"model\":\"gpt-4o-2024-11-20\",\"object\":"
	    "\"chat.completion.chunk\"}\n\ndata: [DONE]\n\n";
	int state;

	reset("2024-10-21", "api-key");
	CU_ASSERT(wire_request(WL_API_CHAT, "{\"model\":\"m\",\"stream\":true,"
	    "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}") != NULL);
	CU_ASSERT(wire_up.hide_usage);
	CU_ASSERT_STRING_EQUAL(wire_stream(in, sizeof(in) - 1, &state), in);
	CU_ASSERT_EQUAL(state, WL_STREAM_DONE);
	CU_ASSERT_STRING_EQUAL(wire_res.finish_reason, "content_filter");
	CU_ASSERT_STRING_EQUAL(wire_res.model_used, "gpt-4o-2024-11-20");
}

static void
errors(void)
{
	static const char filtered[] = "{\"error\":{\"message\":\"The response "
	    "was filtered due to the prompt triggering Azure OpenAI's content "
	    "management policy.\",\"type\":null,\"param\":\"prompt\",\"code\":"
	    "\"content_filter\",\"status\":400,\"innererror\":{\"code\":"
	    "\"ResponsibleAIPolicyViolation\",\"content_filter_result\":"
	    "{\"violence\":{\"filtered\":true,\"severity\":\"medium\"}}}}}";
	static const char leaky[] = "{\"error\":{\"message\":\"no\",\"code\":"
	    "\"x\",\"innererror\":{\"code\":\"secret-key\"}}}";
	static const char denied[] = "{ \"statusCode\": 401, \"message\": "
	    "\"Unauthorized. Access token is missing, invalid, or "
	    "expired.\" }";
	static const char missing[] = "{\"error\":{\"code\":"
	    "\"DeploymentNotFound\",\"message\":\"The API deployment for this "
	    "resource does not exist.\"}}";

	reset("2024-10-21", "api-key");
	wl_provider_azure.error(wire_arena, &wire_target, 400,
	    wl_str_of(filtered), &wire_res);
	CU_ASSERT_STRING_EQUAL(wire_res.upstream_code, "content_filter");
	CU_ASSERT(memmem(wire_res.refusal.p, wire_res.refusal.len,
	    "\"code\":\"content_filter\",\"innererror\":{\"code\":"
	    "\"ResponsibleAIPolicyViolation\",\"content_filter_result\":"
	    "{\"violence\":{\"filtered\":true,\"severity\":\"medium\"}}}", 121)
	    != NULL);
	CU_ASSERT_FALSE(wl_provider_error_map(&wire_res, &wire_target, 400,
	    NULL));
	wl_provider_azure.error(wire_arena, &wire_target, 400,
	    wl_str_of(leaky), &wire_res);
	CU_ASSERT_PTR_NULL(memmem(wire_res.refusal.p, wire_res.refusal.len,
	    "innererror", 10));
	wl_provider_azure.error(wire_arena, &wire_target, 401,
	    wl_str_of(denied), &wire_res);
	CU_ASSERT_TRUE(wl_provider_error_map(&wire_res, &wire_target, 401,
	    NULL));
	CU_ASSERT_EQUAL(wire_res.err.code, WL_E_UPSTREAM_CREDENTIALS);
	wl_provider_azure.error(wire_arena, &wire_target, 404,
	    wl_str_of(missing), &wire_res);
	CU_ASSERT_STRING_EQUAL(wire_res.upstream_code, "DeploymentNotFound");
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "requests", requests },
		{ "streams", streams },
		{ "errors", errors },
		{ NULL, NULL }
	};

	return wl_tap_run("provider_azure", tests);
}
