/*
 * Numbers from text: the whole text or nothing.
 */
#include "config.h"
#include "lib/base/num.h"

#include <stdbool.h>
#include <string.h>

size_t
wl_num_put(int64_t v, char out[WL_NUM_LEN])
{
	uint64_t u = v < 0 ? -(uint64_t)v : (uint64_t)v;
	char digits[WL_NUM_LEN], *p = digits + sizeof(digits);
	size_t len;

	*--p = '\0';
	do
		*--p = (char)('0' + u % 10);
	while ((u /= 10) > 0);
	if (v < 0)
		*--p = '-';
	len = (size_t)(digits + sizeof(digits) - 1 - p);
	memcpy(out, p, len + 1);
	return len;
}

int
wl_num_parse(const char *s, size_t len, int64_t min, int64_t max, int64_t *out)
{
	bool minus = len > 0 && s[0] == '-';
	size_t i = minus;
	int64_t v = 0;

	if (i == len)
		return -1;
	for (; i < len; i++) {
		if (s[i] < '0' || s[i] > '9' ||
		    __builtin_mul_overflow(v, 10, &v))
			return -1;
		/* down, not up and negated: INT64_MIN has no opposite */
		if (minus ? __builtin_sub_overflow(v, s[i] - '0', &v) :
		    __builtin_add_overflow(v, s[i] - '0', &v))
			return -1;
	}
	if (v < min || v > max)
		return -1;
	*out = v;
	return 0;
}

/*
 * Digits at the start of S; *UNIT is what follows them.
 */
static int
leading(const char *s, int64_t *v, const char **unit)
{
	size_t n = strspn(s, "0123456789");

	*unit = s + n;
	return wl_num_parse(s, n, 0, INT64_MAX, v);
}

int
wl_num_duration(const char *s, int64_t *ms)
{
	static const struct {
		const char	*unit;
		int64_t		 ms;
	} units[] = {
		{ "", 1000 },
		{ "d", 86400000 },
		{ "h", 3600000 },
		{ "m", 60000 },
		{ "ms", 1 },
		{ "s", 1000 },
	};
	const char *unit;
	int64_t v;
	size_t i;

	if (leading(s, &v, &unit) == -1)
		return -1;
	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(unit, units[i].unit) == 0) {
			if (__builtin_mul_overflow(v, units[i].ms, &v))
				return -1;
			*ms = v;
			return 0;
		}
	return -1;
}

int
wl_num_size(const char *s, int64_t *bytes)
{
	const char *unit;
	int64_t v, scale;

	if (leading(s, &v, &unit) == -1)
		return -1;
	if (*unit != '\0' && unit[1] != '\0')
		return -1;
	switch (*unit) {
	case '\0':
		scale = 1;
		break;
	case 'k':
	case 'K':
		scale = 1024;
		break;
	case 'm':
	case 'M':
		scale = 1024 * 1024;
		break;
	case 'g':
	case 'G':
		scale = 1024 * 1024 * 1024;
		break;
	default:
		return -1;
	}
	if (__builtin_mul_overflow(v, scale, &v))
		return -1;
	*bytes = v;
	return 0;
}
