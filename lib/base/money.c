/*
 * Money in 128-bit integers; no floating point anywhere.
 */
#include "config.h"
#include "lib/base/money.h"

#include <stdbool.h>
#include <stdio.h>

#define TOKENS_MAX	((int64_t)1000000000)
#define MTOK		1000000

/* digits kept of a mantissa; times a 64-bit scale it fits 128 bits */
#define MANTISSA_DIGITS	19
/* the largest power of ten that fits 128 bits */
#define POWER_MAX	38

void
wl_money_add(struct wl_money *m, int64_t tokens, int64_t nano_per_mtok)
{
	if (tokens < 0)
		tokens = 0;
	if (tokens > TOKENS_MAX)
		tokens = TOKENS_MAX;
	m->scaled += (__int128)tokens * nano_per_mtok;
}

/*
 * N / D to the nearest, half to even.  BELOW says that N was a little more
 * than given, so that a half is no tie.
 */
static unsigned __int128
divide(unsigned __int128 n, unsigned __int128 d, bool below)
{
	unsigned __int128 q = n / d, r = n % d;

	if (r > d - r || (r == d - r && (below || (q & 1) != 0)))
		q++;
	return q;
}

/*
 * V, negated if MINUS, when int64_t holds it.
 */
static int
narrow(unsigned __int128 v, bool minus, int64_t *out)
{
	if (v > (unsigned __int128)INT64_MAX)
		return -1;
	*out = minus ? -(int64_t)v : (int64_t)v;
	return 0;
}

int64_t
wl_money_round(const struct wl_money *m)
{
	bool minus = m->scaled < 0;
	unsigned __int128 v = minus ? -(unsigned __int128)m->scaled :
	    (unsigned __int128)m->scaled;
	int64_t nano;

	if (narrow(divide(v, MTOK, false), minus, &nano) == -1)
		return minus ? -INT64_MAX : INT64_MAX;
	return nano;
}

/*
 * A decimal number: MANTISSA times ten to the power of EXP.
 */
struct decimal {
	unsigned __int128	mantissa;
	int			exp;
	int			digits;	/* of the mantissa */
	bool			minus;
	bool			below;	/* non-zero digits were cut */
};

static void
digit(struct decimal *d, int v, bool after_point)
{
	if (d->digits < MANTISSA_DIGITS) {
		d->mantissa = d->mantissa * 10 + (unsigned)v;
		d->digits += d->mantissa != 0;
		d->exp -= after_point;
	} else {
		d->below |= v != 0;
		d->exp += !after_point;
	}
}

static int
exponent(const char *s, const char *end, int *exp)
{
	bool minus = s < end && *s == '-';
	int v = 0;

	if (s < end && (*s == '-' || *s == '+'))
		s++;
	if (s == end)
		return -1;
	for (; s < end; s++) {
		if (*s < '0' || *s > '9')
			return -1;
		if (v < 10000)
			v = v * 10 + (*s - '0');
	}
	*exp += minus ? -v : v;
	return 0;
}

static int
decimal(const char *s, size_t len, struct decimal *d)
{
	const char *end = s + len;
	bool point = false, any = false;

	*d = (struct decimal){ 0 };
	if (len > 4096)
		return -1;
	if (s < end && *s == '-') {
		d->minus = true;
		s++;
	}
	for (; s < end && *s != 'e' && *s != 'E'; s++) {
		if (*s == '.' && !point)
			point = true;
		else if (*s >= '0' && *s <= '9') {
			digit(d, *s - '0', point);
			any = true;
		} else
			return -1;
	}
	if (!any)
		return -1;
	return s == end ? 0 : exponent(s + 1, end, &d->exp);
}

int
wl_money_parse(const char *s, size_t len, int64_t scale, int64_t *out)
{
	unsigned __int128 v, power = 1;
	struct decimal d;
	int i;

	if (scale <= 0 || decimal(s, len, &d) == -1)
		return -1;
	v = d.mantissa * (unsigned __int128)scale;
	if (v == 0 || d.exp < -POWER_MAX) {
		/* below a half of the smallest unit by far */
		*out = 0;
		return 0;
	}
	if (d.exp < 0) {
		for (i = 0; i > d.exp; i--)
			power *= 10;
		return narrow(divide(v, power, d.below), d.minus, out);
	}
	for (i = 0; i < d.exp && v <= (unsigned __int128)INT64_MAX; i++)
		v *= 10;
	return narrow(v, d.minus, out);
}

void
wl_money_usd(int64_t nano, char out[32])
{
	uint64_t v = nano < 0 ? -(uint64_t)nano : (uint64_t)nano;

	snprintf(out, 32, "%s%llu.%09llu", nano < 0 ? "-" : "",
	    (unsigned long long)(v / 1000000000),
	    (unsigned long long)(v % 1000000000));
}

void
wl_money_usd_each(int64_t nano, char out[32])
{
	snprintf(out, 32, "%lld.%015lld",
	    (long long)(nano / INT64_C(1000000000000000)),
	    (long long)(nano % INT64_C(1000000000000000)));
}
