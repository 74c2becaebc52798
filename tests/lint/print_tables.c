/*
 * Print tables of the library for the lints that compare them with documents.
 */
#include "config.h"
#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "lib/core/capability.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Documents show /var, wherever this build keeps its state.
 */
static void
print_with_var(const char *text)
{
	static const char own[] = WL_LOCALSTATEDIR "/lib/watchllm";
	const char *p;

	while ((p = strstr(text, own)) != NULL) {
		printf("%.*s/var/lib/watchllm", (int)(p - text), text);
		text = p + strlen(own);
	}
	fputs(text, stdout);
}

static int
print_sample(void)
{
	char *text = NULL;
	size_t len;
	FILE *f;

	if ((f = open_memstream(&text, &len)) == NULL)
		return 1;
	wl_conf_print_sample(f);
	fclose(f);
	print_with_var(text);
	free(text);
	return 0;
}

static int
print_defaults(void)
{
	const struct wl_conf_row *r;

	for (r = wl_conf_table; r->name != NULL; r++) {
		printf("%s =%s", r->name, *r->def == '\0' ? "" : " ");
		print_with_var(r->def);
		putchar('\n');
	}
	return 0;
}

static int
print_errors(void)
{
	const struct wl_err_row *r;
	int i;

	for (i = WL_OK + 1; i < WL_CODE_MAX; i++) {
		r = wl_err_row((enum wl_code)i);
		printf("%s %d %s\n", r->word, r->http, r->type);
	}
	return 0;
}

int
main(int argc, char **argv)
{
	const char *what = argc == 2 ? argv[1] : "";

	if (strcmp(what, "capabilities") == 0) {
		wl_capability_print(stdout);
		return 0;
	}
	if (strcmp(what, "sample") == 0)
		return print_sample();
	if (strcmp(what, "defaults") == 0)
		return print_defaults();
	if (strcmp(what, "errors") == 0)
		return print_errors();
	fprintf(stderr, "usage: print_tables "
	    "capabilities|sample|defaults|errors\n");
	return 1;
}
