/*
 * A small table of averages.  When it is full, what was not heard of for the
 * longest time makes room.
 */
#include "config.h"
#include "lib/core/latency.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/hash.h"
#include "lib/base/loop.h"
#include "lib/core/call.h"

#define ENTRIES		256
#define NAME		(32 + 1 + WL_MODEL_MAX + 1)
#define SHARE		5
#define FORGET_MS	((int64_t)5 * 60 * 1000)

static struct entry {
	char	name[NAME];
	uint32_t hash;
	int64_t	us, at;		/* monotonic ms */
} entries[ENTRIES];
static int	n;

/*
 * The entry of this name, or NULL; *OLDEST is the one to replace.
 */
static struct entry *
find(const char *name, uint32_t hash, struct entry **oldest)
{
	struct entry *e;

	*oldest = n < ENTRIES ? &entries[n] : &entries[0];
	for (e = entries; e < entries + n; e++) {
		if (e->hash == hash && strcmp(e->name, name) == 0)
			return e;
		if (n == ENTRIES && e->at < (*oldest)->at)
			*oldest = e;
	}
	return NULL;
}

static bool
name_of(char out[NAME], const char *provider, const char *model)
{
	return snprintf(out, NAME, "%s/%s", provider, model) < NAME;
}

void
wl_latency_note(const char *provider, const char *model, int64_t us)
{
	struct entry *e, *oldest;
	char name[NAME];
	uint32_t hash;
	int64_t now = wl_mono();

	if (us < 0 || !name_of(name, provider, model))
		return;
	hash = wl_crc32(name, strlen(name));
	if ((e = find(name, hash, &oldest)) == NULL) {
		e = oldest;
		if (n < ENTRIES)
			n++;
		memcpy(e->name, name, sizeof(name));
		e->hash = hash;
		e->us = us;
	} else if (now - e->at > FORGET_MS) {
		e->us = us;
	} else {
		e->us += (us - e->us) / SHARE;
	}
	e->at = now;
}

void
wl_latency_failed(const char *provider, const char *model)
{
	wl_latency_note(provider, model, WL_LATENCY_FAILED_US);
}

int64_t
wl_latency_us(const char *provider, const char *model)
{
	struct entry *e, *oldest;
	char name[NAME];

	if (!name_of(name, provider, model))
		return -1;
	e = find(name, wl_crc32(name, strlen(name)), &oldest);
	return e == NULL || wl_mono() - e->at > FORGET_MS ? -1 : e->us;
}

void
wl_latency_flush(void)
{
	n = 0;
}
