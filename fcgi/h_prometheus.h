/*
 * Handler of /observability/prometheus.
 */
#ifndef WL_FCGI_H_PROMETHEUS_H
#define WL_FCGI_H_PROMETHEUS_H

struct wl_ctx;

/*
 * GET: the figures of all workers of this host in Prometheus's text format
 * 0.0.4.
 */
int wl_h_prometheus_get(struct wl_ctx *ctx);

#endif
