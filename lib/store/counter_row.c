/*
 * What the rows of a gate are called, and what they count.
 */
#include "config.h"
#include "lib/store/counter.h"

#include <assert.h>
#include <stddef.h>

static const struct {
	enum wl_limit_unit	unit;
	bool			of_key;
} names[] = {
	[WL_LN_MINUTE] = { WL_LU_MINUTE, false },
	[WL_LN_MONTH] = { WL_LU_MONTH, false },
	[WL_LN_KEY_MINUTE] = { WL_LU_MINUTE, true },
	[WL_LN_KEY_MONTH] = { WL_LU_MONTH, true },
	[WL_LN_LEASE] = { WL_LU_LEASE, false },
	[WL_LN_KEY_LEASE] = { WL_LU_LEASE, true },
	[WL_LN_TOKENS] = { WL_LU_TOKENS, false },
	[WL_LN_KEY_TOKENS] = { WL_LU_TOKENS, true },
	[WL_LN_DAY_NANO] = { WL_LU_DAY_NANO, false },
	[WL_LN_KEY_DAY_NANO] = { WL_LU_DAY_NANO, true },
	[WL_LN_MONTH_NANO] = { WL_LU_MONTH_NANO, false },
	[WL_LN_KEY_MONTH_NANO] = { WL_LU_MONTH_NANO, true },
	[WL_LN_RULE] = { WL_LIMIT_UNIT_MAX, false },
};
static_assert(sizeof(names) / sizeof(names[0]) == WL_LIMIT_NAME_MAX,
    "a row for every name");

static const struct {
	char		 letter;
	const char	*word;
} units[] = {
	[WL_LU_MINUTE] = { 'm', "minute" },
	[WL_LU_MONTH] = { 'q', "month" },
	[WL_LU_LEASE] = { 'c', "concurrent" },
	[WL_LU_TOKENS] = { 't', "tokens" },
	[WL_LU_DAY_NANO] = { 'd', "day_nano" },
	[WL_LU_MONTH_NANO] = { 'b', "month_nano" },
};
static_assert(sizeof(units) / sizeof(units[0]) == WL_LIMIT_UNIT_MAX,
    "a row for every unit");

enum wl_limit_unit
wl_limit_row_unit(const struct wl_limit_row *row)
{
	return row->name == WL_LN_RULE ? row->rule_unit :
	    names[row->name].unit;
}

bool
wl_limit_row_of_key(const struct wl_limit_row *row)
{
	return names[row->name].of_key;
}

bool
wl_limit_row_is_money(const struct wl_limit_row *row)
{
	enum wl_limit_unit unit = wl_limit_row_unit(row);

	return unit == WL_LU_DAY_NANO || unit == WL_LU_MONTH_NANO;
}

bool
wl_limit_row_exceeded(const struct wl_limit_row *row, bool debited)
{
	return row->limit >= 0 && (row->limit == 0 ||
	    row->used + (debited ? 0 : row->cost) > row->limit);
}

char
wl_limit_scope_letter(enum wl_limit_unit unit)
{
	return units[unit].letter;
}

enum wl_limit_unit
wl_limit_scope_unit(const char *scope)
{
	int i;

	for (i = 0; i < WL_LIMIT_UNIT_MAX; i++)
		if (scope[0] == units[i].letter && scope[1] == ':')
			break;
	return (enum wl_limit_unit)i;
}

const char *
wl_limit_unit_word(enum wl_limit_unit unit)
{
	return units[unit].word;
}
