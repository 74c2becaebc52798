/*
 * Comparing a store's clock with ours: the worker's clock chooses the minute
 * that a call counts in.
 */
#ifndef WL_FCGI_DOCTOR_CLOCK_H
#define WL_FCGI_DOCTOR_CLOCK_H

#include <stdint.h>

struct wl_doctor;

/*
 * Ask TIME for the other clock, ms since the epoch (-1: it does not tell), a
 * few times, and add what the quickest answer shows.
 */
void wl_doctor_clock(struct wl_doctor *d, const char *area,
    int64_t (*time)(struct wl_doctor *d));

#endif
