/*
 * Signatures of AWS, as botocore 1.44.8 (auth.py, SigV4Auth) makes them for
 * the same requests at the same time.
 */
#include "config.h"
#include "lib/http/sigv4.h"

#include <string.h>

#include "lib/base/arena.h"
#include "tests/unit/tap.h"

/* 2015-08-30T12:36:00Z, as in Amazon's own examples */
#define NOW	((int64_t)1440938160 * 1000)

static struct wl_arena *arena;

static void
check(const char *url, const char *region, const char *session,
    const char *body, const char *want)
{
	struct wl_sigv4 k = {
		.access = WL_STR("AKIDEXAMPLE"),
		.secret = WL_STR("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
		.session = wl_str_of(session), .region = region,
		.service = "bedrock", .now_ms = NOW
	};
	struct wl_sigv4_headers h;

	CU_ASSERT_EQUAL_FATAL(wl_sigv4_sign(arena, &k, url,
	    "application/json", wl_str_of(body), &h), 0);
	CU_ASSERT_STRING_EQUAL(h.authorization, want);
	CU_ASSERT_STRING_EQUAL(h.date, "X-Amz-Date: 20150830T123600Z");
	if (session == NULL)
		CU_ASSERT_PTR_NULL(h.token)
	else
		CU_ASSERT(strncmp(h.token, "X-Amz-Security-Token: ", 22) ==
		    0 && strcmp(h.token + 22, session) == 0);
}

#define AUTH(region, names, mac) "Authorization: AWS4-HMAC-SHA256 " \
	"Credential=AKIDEXAMPLE/20150830/" region "/bedrock/aws4_request, " \
	"SignedHeaders=" names ", Signature=" mac

static void
signatures(void)
{
	arena = wl_arena_new(1 << 20);
	CU_ASSERT_FATAL(arena != NULL);
	/* what is encoded in the path is encoded once more */
	check("https://bedrock-runtime.us-east-1.amazonaws.com/model/"
	    "anthropic.claude-3-haiku-20240307-v1%3A0/converse", "us-east-1",
	    NULL, "{\"messages\":[]}", AUTH("us-east-1",
	    "content-type;host;x-amz-date", "dba7f2f77cc33808be655f27b8ebf1d1b"
	    "1d77751fc96dad0bd71e020cb07c442"));
	check("https://bedrock-runtime.eu-west-1.amazonaws.com/model/arn%3Aaws"
	    "%3Abedrock%3Aeu-west-1%3A123456789012%3Ainference-profile%2Feu."
	    "amazon.nova-lite-v1%3A0/converse-stream", "eu-west-1",
	    "IQoJb3JpZ2luX2VjEXAMPLE==", "{}", AUTH("eu-west-1",
	    "content-type;host;x-amz-date;x-amz-security-token",
	    "8a0ebef68583968316743f60017b57ab081db1fbeb0fbc4431e9d55132a82578")
	    );
	/* a port that is not the scheme's own belongs to the host */
	check("http://127.0.0.1:8080/base/model/a/converse", "us-east-1",
	    NULL, "", AUTH("us-east-1", "content-type;host;x-amz-date",
	    "1b84ef59910d31f04d877a459c2b3eab4cc799d75e828c1e8542e1234c418dc0")
	    );
	check("https://bedrock-runtime.us-east-1.amazonaws.com:443/model/"
	    "anthropic.claude-3-haiku-20240307-v1%3A0/converse", "us-east-1",
	    NULL, "{\"messages\":[]}", AUTH("us-east-1",
	    "content-type;host;x-amz-date", "dba7f2f77cc33808be655f27b8ebf1d1b"
	    "1d77751fc96dad0bd71e020cb07c442"));
	wl_arena_free(arena);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "signatures", signatures },
		{ NULL, NULL }
	};

	return wl_tap_run("sigv4", tests);
}
