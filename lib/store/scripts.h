/*
 * The Lua scripts of the counters; scripts.c says what each is given.
 */
#ifndef WL_STORE_SCRIPTS_H
#define WL_STORE_SCRIPTS_H

#include "lib/store/redis.h"

extern struct wl_script wl_scripts_address;
extern struct wl_script wl_scripts_fixup;
extern struct wl_script wl_scripts_fixup_rule;
extern struct wl_script wl_scripts_gate;
extern struct wl_script wl_scripts_read;
extern struct wl_script wl_scripts_settle;
extern struct wl_script wl_scripts_usage;
extern struct wl_script wl_scripts_version;

#endif
