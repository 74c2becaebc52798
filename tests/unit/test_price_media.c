/*
 * What pictures, sounds and rankings cost, by hand.
 */
#include "config.h"
#include "lib/core/price.h"

#include <stdio.h>
#include <string.h>

#include "lib/store/db.h"
#include "tests/unit/tap.h"

#define NONE	WL_UNITS_NONE
#define TOKENS(in, out)	{ in, -1, -1, out, -1, WL_U_PROVIDER, 0 }
#define COUNTED	{ -1, -1, -1, -1, -1, WL_U_PROVIDER, 0 }
#define GUESSED	{ 10, -1, -1, -1, -1, WL_U_ESTIMATED, 0 }

/* nano-dollars per million, in dollars */
#define USD(n)	((int64_t)((n) * 1e9))

/*
 * A price without any figure.
 */
static struct wl_db_price
unpriced(void)
{
	struct wl_db_price p;

	memset(&p, 0xff, sizeof(p));
	return p;
}

static struct wl_db_price
gpt_image(void)
{
	struct wl_db_price p = unpriced();

	p.input = USD(5);
	p.image_input = USD(10);
	p.image_output = USD(40);
	return p;
}

static int64_t
cost(struct wl_db_price p, enum wl_api api, struct wl_usage u,
    struct wl_units n)
{
	int64_t nano;

	return wl_price_media_at(&p, api, &u, &n, &nano) == 1 ? nano : -1;
}

static void
images(void)
{
	struct wl_usage u = TOKENS(150, 1000), none = GUESSED;
	struct wl_db_price p = gpt_image(), each = unpriced();
	struct wl_units n = NONE;

	/* 50 of text, 100 of pictures, 1000 of the picture made */
	n.image_input = 100;
	n.images = 2;
	CU_ASSERT_EQUAL(cost(p, WL_API_IMAGE_EDITS, u, n),
	    50 * 5000 + 100 * 10000 + 1000 * 40000);
	/* text that a picture's model wrote has no price here */
	n.text_output = 1;
	CU_ASSERT_EQUAL(cost(p, WL_API_IMAGE_EDITS, u, n), -1);
	p.output = USD(8);
	CU_ASSERT_EQUAL(cost(p, WL_API_IMAGE_EDITS, u, n),
	    50 * 5000 + 100 * 10000 + 999 * 40000 + 8000);
	/* the price of text is none of pictures */
	p.image_output = -1;
	CU_ASSERT_EQUAL(cost(p, WL_API_IMAGES, u, n), -1);
	p.image = USD(1) * 40000;
	CU_ASSERT_EQUAL(cost(p, WL_API_IMAGES, u, n), 2 * 40000000);
	each.image = USD(20000);
	CU_ASSERT_EQUAL(cost(each, WL_API_IMAGES, none, n), 2 * 20000000);
	n.images = -1;
	CU_ASSERT_EQUAL(cost(each, WL_API_IMAGES, none, n), -1);
	/* a part larger than its whole is cut to it */
	n = NONE;
	n.image_input = 1000;
	CU_ASSERT_EQUAL(cost(gpt_image(), WL_API_IMAGES, u, n),
	    150 * 10000 + 1000 * 40000);
}

static void
transcripts(void)
{
	struct wl_usage u = TOKENS(100, 20), by_time = COUNTED;
	struct wl_db_price p = unpriced();
	struct wl_units n = NONE;

	p.input = USD(2);
	p.output = USD(10);
	/* what is not told apart is sound */
	CU_ASSERT_EQUAL(cost(p, WL_API_TRANSCRIPTIONS, u, n), -1);
	p.audio_input = USD(6);
	CU_ASSERT_EQUAL(cost(p, WL_API_TRANSCRIPTIONS, u, n),
	    100 * 6000 + 20 * 10000);
	n.audio_input = 90;
	CU_ASSERT_EQUAL(cost(p, WL_API_TRANSLATIONS, u, n),
	    10 * 2000 + 90 * 6000 + 20 * 10000);
	/* whisper-1: 0.0001 dollars a second, to the millisecond */
	p = unpriced();
	p.second = USD(100);
	n = NONE;
	n.audio_ms = 1500;
	CU_ASSERT_EQUAL(cost(p, WL_API_TRANSCRIPTIONS, by_time, n), 150000);
	n.audio_ms = 1;
	CU_ASSERT_EQUAL(cost(p, WL_API_TRANSCRIPTIONS, by_time, n), 100);
	n.audio_ms = -1;
	CU_ASSERT_EQUAL(cost(p, WL_API_TRANSCRIPTIONS, by_time, n), -1);
}

static void
speech(void)
{
	struct wl_usage u = TOKENS(10, 200), none = GUESSED;
	struct wl_db_price p = unpriced();
	struct wl_units n = NONE;

	p.character = USD(15);
	n.characters = 1000;
	CU_ASSERT_EQUAL(cost(p, WL_API_SPEECH, none, n), 15000000);
	p = unpriced();
	p.input = USD(0.6);
	p.output = USD(10);
	CU_ASSERT_EQUAL(cost(p, WL_API_SPEECH, none, n), -1);
	CU_ASSERT_EQUAL(cost(p, WL_API_SPEECH, u, n), -1);
	p.audio_output = USD(12);
	CU_ASSERT_EQUAL(cost(p, WL_API_SPEECH, u, n), 10 * 600 + 200 * 12000);
}

static void
rankings(void)
{
	struct wl_usage u = TOKENS(100, -1), by_search = COUNTED;
	struct wl_db_price p = unpriced();
	struct wl_units n = NONE;

	p.input = USD(0.05);
	CU_ASSERT_EQUAL(cost(p, WL_API_RERANK, u, n), 5000);
	/* tokens at no price beside searches that have one (Cohere) */
	p.input = p.output = 0;
	p.query = USD(2000);
	CU_ASSERT_EQUAL(cost(p, WL_API_RERANK, u, n), -1);
	n.searches = 3;
	CU_ASSERT_EQUAL(cost(p, WL_API_RERANK, u, n), 6000000);
	CU_ASSERT_EQUAL(cost(p, WL_API_RERANK, by_search, n), 6000000);
	/* what broke off has no price */
	by_search.source = WL_U_PARTIAL;
	CU_ASSERT_EQUAL(cost(p, WL_API_RERANK, by_search, n), -1);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "pictures", images },
		{ "transcripts", transcripts },
		{ "speech", speech },
		{ "rankings", rankings },
		{ NULL, NULL }
	};

	return wl_tap_run("price_media", tests);
}
