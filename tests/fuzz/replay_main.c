/*
 * Without libFuzzer a target replays its corpus as a test: one line of TAP
 * for each file.  With arguments it replays those files instead.
 */
#include "config.h"

#include <dirent.h>
#include <err.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INPUT_MAX	((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

/*
 * Run one file.  The target gets memory of exactly its length, so that a
 * sanitizer sees what is read beyond.
 */
static void
replay(const char *path)
{
	static uint8_t buf[INPUT_MAX];
	uint8_t *copy;
	size_t len;
	FILE *f;

	if ((f = fopen(path, "rb")) == NULL)
		err(99, "%s", path);
	len = fread(buf, 1, sizeof(buf), f);
	if (ferror(f) || fgetc(f) != EOF)
		errx(99, "%s: unreadable or too large", path);
	fclose(f);
	if ((copy = malloc(len == 0 ? 1 : len)) == NULL)
		err(99, NULL);
	memcpy(copy, buf, len);
	LLVMFuzzerTestOneInput(copy, len);
	free(copy);
}

static int
visible(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

/*
 * tests/fuzz/corpus/NAME for a program that is called fuzz_NAME.
 */
static void
corpus_of(const char *argv0, char *dir, size_t size)
{
	const char *top = getenv("top_srcdir"), *name = strstr(argv0, "fuzz_");
	const char *next;

	while (name != NULL && (next = strstr(name + 1, "fuzz_")) != NULL)
		name = next;
	if (name == NULL)
		errx(99, "%s: not called fuzz_NAME", argv0);
	snprintf(dir, size, "%s/tests/fuzz/corpus/%s",
	    top == NULL ? "." : top, name + strlen("fuzz_"));
}

int
main(int argc, char **argv)
{
	struct dirent **d;
	char dir[2048], path[4096];
	int i, n;

	alarm(120);
	if (argc > 1) {
		for (i = 1; i < argc; i++)
			replay(argv[i]);
		return 0;
	}
	corpus_of(argv[0], dir, sizeof(dir));
	if ((n = scandir(dir, &d, visible, alphasort)) <= 0)
		errx(99, "%s: no corpus", dir);
	printf("1..%d\n", n);
	for (i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, d[i]->d_name);
		fflush(stdout);
		replay(path);
		printf("ok %d - %s\n", i + 1, d[i]->d_name);
		free(d[i]);
	}
	free(d);
	return 0;
}
