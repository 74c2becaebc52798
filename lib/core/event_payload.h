/*
 * The prompt and the answer of a call, into its record.
 */
#ifndef WL_CORE_EVENT_PAYLOAD_H
#define WL_CORE_EVENT_PAYLOAD_H

struct wl_ask;
struct wl_conf;
struct wl_event_rec;
struct wl_result;

/*
 * Members input, output and detail, each text within CONF's max_field.
 */
void wl_event_payload_put(struct wl_event_rec *rec, const struct wl_conf *conf,
    const struct wl_ask *ask, const struct wl_result *res);

#endif
