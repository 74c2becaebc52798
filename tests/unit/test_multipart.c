/*
 * Forms: what clients write is read, what could be read in two ways is not.
 */
#include "config.h"
#include "lib/http/multipart.h"

#include <string.h>

#include "tests/unit/tap.h"

#define TYPE	"multipart/form-data; boundary=b"
#define NAME(n)	"Content-Disposition: form-data; name=\"" n "\"\r\n\r\n"

/*
 * Parts read before the end, or -1.
 */
static int
parts(const char *type, const char *body, size_t len, struct wl_part *last)
{
	struct wl_multipart m;
	struct wl_part part;
	int n = 0, rc;

	if (wl_multipart_init(&m, type, (struct wl_str){ body, len }) == -1)
		return -1;
	while ((rc = wl_multipart_next(&m, &part)) == 1) {
		n++;
		if (last != NULL)
			*last = part;
	}
	return rc == -1 ? -1 : n;
}

static int
text(const char *body)
{
	return parts(TYPE, body, strlen(body), NULL);
}

static void
good(void)
{
	static const char two[] = "--b\r\n" NAME("model") "gpt\r\n--b\r\n"
	    "content-type: audio/wav\r\nContent-Transfer-Encoding: binary\r\n"
	    "X-Other: y\r\n"
	    "content-disposition:form-data;name=file; filename=\"a b.wav\"\r\n"
	    "\r\n\r\n-\0-\r\n--c\r\n--b--\r\n";
	struct wl_part part;

	CU_ASSERT_EQUAL(parts(TYPE, two, sizeof(two) - 1, &part), 2);
	CU_ASSERT(wl_str_eq(part.name, "file") && part.file);
	CU_ASSERT_EQUAL(part.body.len, 10);
	CU_ASSERT(memcmp(part.body.p, "\r\n-\0-\r\n--c", 10) == 0);
	CU_ASSERT_EQUAL(text("--b--"), 0);
	CU_ASSERT_EQUAL(text("--b--\r\n"), 0);
	CU_ASSERT_EQUAL(parts(TYPE, "--b\r\n" NAME("x") "\r\n--b--",
	    strlen("--b\r\n" NAME("x") "\r\n--b--"), &part), 1);
	CU_ASSERT_EQUAL(part.body.len, 0);
	CU_ASSERT_FALSE(part.file);
}

static void
types(void)
{
	static const struct { const char *type; int rc; } t[] = {
		{ "Multipart/Form-Data;charset=utf-8; Boundary=\"b\"", 0 },
		{ "multipart/form-data; boundary=b ", 0 },
		{ "multipart/form-data", -1 },
		{ "multipart/form-data; boundary=", -1 },
		{ "multipart/form-data; boundary=\"\"", -1 },
		{ "multipart/form-data; boundary=b; boundary=b", -1 },
		{ "multipart/form-data; boundary=\"b\\\"\"", -1 },
		{ "multipart/form-data; boundary=\"b", -1 },
		{ "multipart/form-data; boundary=b c", -1 },
		{ "multipart/form-data; boundary=\"b \"", -1 },
		{ "multipart/form-data, boundary=b", -1 },
		{ "multipart/form-datax; boundary=b", -1 },
		{ "multipart/mixed; boundary=b", -1 },
		{ "application/json", -1 }, { "", -1 }, { NULL, -1 },
	};
	char longest[128];
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		CU_ASSERT_EQUAL(parts(t[i].type, "--b--", 5, NULL), t[i].rc);
	memset(longest, 0, sizeof(longest));
	memcpy(longest, "multipart/form-data; boundary=", 31);
	memset(longest + 30, 'x', 70);
	CU_ASSERT_EQUAL(parts(longest, "--x--", 5, NULL), -1);
	{
		struct wl_multipart m;

		CU_ASSERT_EQUAL(wl_multipart_init(&m, longest, WL_STR("")), 0);
		CU_ASSERT_EQUAL(wl_multipart_boundary(&m).len, 70);
		longest[100] = 'x';
		CU_ASSERT_EQUAL(wl_multipart_init(&m, longest, WL_STR("")),
		    -1);
	}
}

static void
refused(void)
{
	static const char *const bad[] = {
		"", "--", "--b", "--b\r\n", "--bx\r\n", "x--b--", "\r\n--b--",
		"--b--x", "--b--\r\nx", "--b -- ", "--b\n" NAME("x") "\r\n--b--",
		/* no end, no head, a head without a name */
		"--b\r\n" NAME("x") "v", "--b\r\n" NAME("x") "v\r\n--b",
		"--b\r\n\r\nv\r\n--b--", "--b\r\nA: b\r\n\r\nv\r\n--b--",
		"--b\r\nContent-Disposition: form-data\r\n\r\n\r\n--b--",
		"--b\r\nContent-Disposition: form-data; name=\r\n\r\n\r\n--b--",
		"--b\r\nContent-Disposition: form-data; name=\"\"\r\n\r\n\r\n--b--",
		"--b\r\nContent-Disposition: attachment; name=x\r\n\r\n\r\n--b--",
		/* two names, and names in two writings */
		"--b\r\nContent-Disposition: form-data; name=x; name=y\r\n\r\n\r\n--b--",
		"--b\r\nContent-Disposition: form-data; name=x; name*=utf-8''y\r\n\r\n\r\n--b--",
		"--b\r\nContent-Disposition: form-data; name=\"mo\\del\"\r\n\r\n\r\n--b--",
		"--b\r\nContent-Disposition: form-data; name=\"mo%64el\"\r\n\r\n\r\n--b--",
		"--b\r\nContent-Disposition: form-data; name=x\r\n"
		"Content-Disposition: form-data; name=y\r\n\r\n\r\n--b--",
		/* folded, bare CR, bare LF, no colon, encoded */
		"--b\r\nContent-Disposition: form-data;\r\n name=x\r\n\r\n\r\n--b--",
		"--b\r\nA: b\rc\r\n" NAME("x") "\r\n--b--",
		"--b\r\nA: b\nContent-Disposition: form-data; name=x\r\n\r\n\r\n--b--",
		"--b\r\nA\r\n" NAME("x") "\r\n--b--",
		"--b\r\nContent-Transfer-Encoding: base64\r\n" NAME("x") "\r\n--b--",
		"--b\r\nContent-Type: a/b\r\nContent-Type: a/b\r\n" NAME("x") "\r\n--b--",
		/* a delimiter right behind a head */
		"--b\r\n" NAME("x") "--b\r\n" NAME("y") "w\r\n--b--",
		"--b\r\n" NAME("x") "--b--\r\n--b--",
		/* a delimiter that goes on */
		"--b\r\n" NAME("x") "v\r\n--bb\r\n--b--",
		"--b\r\n" NAME("x") "v\r\n--b \r\n" NAME("y") "w\r\n--b--",
	};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(text(bad[i]), -1);
}

static void
limits(void)
{
	static const char part[] = "--b\r\n" NAME("x") "\r\n";
	static const char tail[] = "\r\n" NAME("x") "\r\n--b--";
	static char body[64 * 1024];
	size_t n = 0, i;

	for (i = 0; i < WL_MULTIPART_PARTS; i++, n += sizeof(part) - 1)
		memcpy(body + n, part, sizeof(part));
	memcpy(body + n, "--b--", 6);
	CU_ASSERT_EQUAL(text(body), WL_MULTIPART_PARTS);
	memcpy(body + n, part, sizeof(part));
	memcpy(body + n + sizeof(part) - 1, "--b--", 6);
	CU_ASSERT_EQUAL(text(body), -1);
	/* headers that have no end */
	n = 5;
	memcpy(body, "--b\r\n", 5);
	memset(body + n, 'x', WL_MULTIPART_HEADERS);
	memcpy(body + n, "A: ", 3);
	memcpy(body + n + WL_MULTIPART_HEADERS, tail, sizeof(tail));
	CU_ASSERT_EQUAL(text(body), -1);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "what clients write", good },
		{ "Content-Type", types },
		{ "what is refused", refused },
		{ "limits", limits },
		{ NULL, NULL }
	};

	return wl_tap_run("multipart", tests);
}
