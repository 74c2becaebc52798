/*
 * The Lua scripts of the caches; cache_scripts.c says what each is given.
 */
#ifndef WL_STORE_CACHE_SCRIPTS_H
#define WL_STORE_CACHE_SCRIPTS_H

#include "lib/store/redis.h"

extern struct wl_script wl_cache_script_count;
extern struct wl_script wl_cache_script_drop;
extern struct wl_script wl_cache_script_end;
extern struct wl_script wl_cache_script_look;
extern struct wl_script wl_cache_script_purge;
extern struct wl_script wl_cache_script_push;
extern struct wl_script wl_cache_script_read;

#endif
