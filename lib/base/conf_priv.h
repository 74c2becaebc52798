/*
 * What the files of the configuration share.
 */
#ifndef WL_BASE_CONF_PRIV_H
#define WL_BASE_CONF_PRIV_H

#include "lib/base/conf.h"

#define SEC		INT64_C(1000)
#define MIN		(60 * SEC)
#define HOUR		(60 * MIN)
#define DAY		(24 * HOUR)
#define KIB		INT64_C(1024)
#define MIB		(1024 * KIB)
#define GIB		(1024 * MIB)

#define WL_CONF_KEYS	128	/* most rows of the table */

#define AT(field)	offsetof(struct wl_conf, field)

/*
 * Where ROW's value is in C.
 */
static inline void *
wl_conf_field(const struct wl_conf *c, const struct wl_conf_row *row)
{
	return (char *)(uintptr_t)c + row->offset;
}

#endif
