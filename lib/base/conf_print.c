/*
 * The configuration as text: a sample, and what holds.
 */
#include "config.h"
#include "lib/base/conf_priv.h"
#include "lib/base/str.h"

#include <string.h>

void
wl_conf_print_sample(FILE *f)
{
	const struct wl_conf_row *r;

	fputs("# WatchLLM: every key with its default.  Remove the '#' before "
	    "a line to change it.\n"
	    "# Durations: 250ms, 10s, 5m, 24h, 30d.  Sizes: 64k, 32m, 1g.  "
	    "See watchllm.conf(5).\n", f);
	for (r = wl_conf_table; r->name != NULL; r++) {
		fprintf(f, "\n# %s", r->help);
		if (r->words != NULL)
			fprintf(f, "  One of: %s.", r->words);
		fprintf(f, "\n#%s =%s%s\n", r->name,
		    *r->def == '\0' ? "" : " ", r->def);
	}
}

/*
 * V in the largest unit that divides it.
 */
static void
print_scaled(FILE *f, int64_t v, const int64_t *scales, const char *const *units)
{
	while (*scales > 1 && (v == 0 || v % *scales != 0)) {
		scales++;
		units++;
	}
	fprintf(f, "%lld%s", (long long)(v / *scales), *units);
}

/*
 * A URL or keyword string with its password masked: what stands between the
 * user's name and the last '@' of a URL, and the value of any password=... in
 * either.  Better too much than too little.
 */
static void
print_masked(FILE *f, const char *s)
{
	const char *slashes = strstr(s, "://"), *p = s, *at, *colon;

	if (slashes != NULL) {
		p = slashes + 3;
		at = memrchr(p, '@', strcspn(p, "?"));
		colon = at == NULL ? NULL : memchr(p, ':', (size_t)(at - p));
		if (colon != NULL) {
			fprintf(f, "%.*s:***", (int)(colon - s), s);
			s = p = at;
		}
	}
	while ((p = strstr(p, "password")) != NULL) {
		p += strlen("password");
		p += strspn(p, " ");
		if (*p != '=')
			continue;
		p += 1 + strspn(p + 1, " ");
		fprintf(f, "%.*s***", (int)(p - s), s);
		if (*p == '\'')
			for (p++; *p != '\0' && *p != '\''; p++)
				p += *p == '\\' && p[1] != '\0';
		s = p += strcspn(p, slashes == NULL ? " " : "&");
	}
	fputs(s, f);
}

static bool
may_hold_password(const struct wl_conf_row *r)
{
	size_t len = strlen(r->name);

	return (len > 4 && strcmp(r->name + len - 4, "_url") == 0) ||
	    r->offset == AT(upstream_proxy) || r->offset == AT(redis);
}

static void
print_value(FILE *f, const struct wl_conf *c, const struct wl_conf_row *r)
{
	static const int64_t ms[] = { DAY, HOUR, MIN, SEC, 1 };
	static const char *const ms_units[] = { "d", "h", "m", "s", "ms" };
	static const int64_t bytes[] = { GIB, MIB, KIB, 1 };
	static const char *const byte_units[] = { "g", "m", "k", "" };
	struct wl_str words, word;
	const char *text;
	int i;

	switch (r->type) {
	case WL_C_BOOL:
		fputs(*(bool *)wl_conf_field(c, r) ? "on" : "off", f);
		return;
	case WL_C_INT:
		fprintf(f, "%lld", (long long)*(int64_t *)wl_conf_field(c, r));
		return;
	case WL_C_MS:
		print_scaled(f, *(int64_t *)wl_conf_field(c, r), ms, ms_units);
		return;
	case WL_C_SIZE:
		print_scaled(f, *(int64_t *)wl_conf_field(c, r), bytes, byte_units);
		return;
	case WL_C_WORD:
		words = wl_str_of(r->words);
		for (i = *(int *)wl_conf_field(c, r); i >= 0; i--)
			word = wl_str_cut(&words, '|');
		fprintf(f, "%.*s", (int)word.len, word.p);
		return;
	case WL_C_MODE:
	case WL_C_STR:
	case WL_C_TEXT_WORD:
		break;
	}
	text = *(char **)wl_conf_field(c, r);
	if (may_hold_password(r))
		print_masked(f, text);
	else
		fputs(text, f);
}

void
wl_conf_print(const struct wl_conf *c, FILE *f)
{
	const struct wl_conf_row *r;

	for (r = wl_conf_table; r->name != NULL; r++) {
		fprintf(f, "%s = ", r->name);
		print_value(f, c, r);
		fputc('\n', f);
	}
}
