/*
 * What pictures, sounds and rankings cost.
 */
#include "config.h"
#include "lib/core/price.h"

#include "lib/base/money.h"
#include "lib/store/db.h"

/*
 * A sum that is known as long as each price that it needs is.
 */
struct sum {
	struct wl_money	 m;
	bool		 known;
};

static void
add(struct sum *s, int64_t n, int64_t rate)
{
	if (n <= 0)
		return;
	if (rate < 0)
		s->known = false;
	else
		wl_money_add(&s->m, n, rate);
}

static int64_t
part_of(int64_t part, int64_t whole)
{
	return part < 0 ? 0 : part > whole ? whole : part;
}

static int64_t
counted(int64_t n)
{
	return n < 0 ? 0 : n;
}

/*
 * Input of cached tokens costs as text, at least.
 */
static void
add_input(struct sum *s, const struct wl_db_price *p,
    const struct wl_usage *u, int64_t special, int64_t rate)
{
	int64_t input = counted(u->input), kind = part_of(special, input);

	add(s, kind, rate);
	add(s, input - kind, p->input);
	add(s, u->cache_read, p->cache_read >= 0 ? p->cache_read : p->input);
	add(s, u->cache_write, p->cache_write >= 0 ? p->cache_write :
	    p->input);
}

static void
by_tokens(struct sum *s, const struct wl_db_price *p, enum wl_api api,
    const struct wl_usage *u, const struct wl_units *n)
{
	int64_t output = counted(u->output), text;

	output += counted(u->reasoning);
	switch (api) {
	case WL_API_IMAGES:
	case WL_API_IMAGE_EDITS:
	case WL_API_IMAGE_VARIATIONS:
		text = part_of(n->text_output, output);
		add_input(s, p, u, n->image_input, p->image_input);
		add(s, text, p->output);
		add(s, output - text, p->image_output);
		return;
	case WL_API_TRANSCRIPTIONS:
	case WL_API_TRANSLATIONS:
		/* it is sound unless it is said to be text */
		add_input(s, p, u, n->audio_input < 0 ? u->input :
		    n->audio_input, p->audio_input);
		add(s, output, p->output);
		return;
	case WL_API_SPEECH:
		add_input(s, p, u, 0, -1);
		add(s, output, p->audio_output);
		return;
	default:
		add_input(s, p, u, 0, -1);
		add(s, output, p->output);
	}
}

/*
 * Other units.  Returns whether there are any that have a price.
 */
static bool
by_units(struct sum *s, const struct wl_db_price *p, enum wl_api api,
    const struct wl_units *n)
{
	struct wl_money thousandths = { 0 };

	switch (api) {
	case WL_API_IMAGES:
	case WL_API_IMAGE_EDITS:
	case WL_API_IMAGE_VARIATIONS:
		add(s, n->images, p->image);
		return n->images >= 0 && p->image >= 0;
	case WL_API_TRANSCRIPTIONS:
	case WL_API_TRANSLATIONS:
		if (n->audio_ms < 0 || p->second < 0)
			return false;
		wl_money_add(&thousandths, n->audio_ms, p->second);
		s->m.scaled += thousandths.scaled / 1000;
		return true;
	case WL_API_SPEECH:
		add(s, n->characters, p->character);
		return n->characters >= 0 && p->character >= 0;
	default:
		add(s, n->searches, p->query);
		return n->searches >= 0 && p->query >= 0;
	}
}

int
wl_price_media_at(const struct wl_db_price *p, enum wl_api api,
    const struct wl_usage *u, const struct wl_units *units, int64_t *nano)
{
	struct sum s = { .known = false };

	if (u->source == WL_U_NONE || u->source == WL_U_PARTIAL)
		return 0;
	/* tokens that nobody counted are no measure of these; searches that
	   have a price are not billed by tokens */
	if (u->source == WL_U_PROVIDER && (u->input >= 0 || u->output >= 0) &&
	    (api != WL_API_RERANK || p->query < 0)) {
		s.known = true;
		by_tokens(&s, p, api, u, units);
	}
	if (!s.known) {
		s = (struct sum){ .known = true };
		if (!by_units(&s, p, api, units))
			return 0;
	}
	*nano = wl_money_round(&s.m);
	return 1;
}
