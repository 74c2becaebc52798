/*
 * The URL guard: which addresses an outgoing call may reach (server-side
 * request forgery), and lists of hosts and addresses.
 */
#ifndef WL_HTTP_GUARD_H
#define WL_HTTP_GUARD_H

#include <stdbool.h>
#include <sys/socket.h>

/*
 * Whether SA is a public unicast address: no loopback, private, link-local,
 * multicast, documentation, translation or other special range (IANA special
 * registries of RFC 6890).  Other families than IPv4 and IPv6 are not.
 */
bool wl_guard_public(const struct sockaddr *sa);

/*
 * Split URL: scheme http or https, no user information, a host of letters,
 * digits, '-', '_' and '.' or an IPv6 address in brackets, a port (default of
 * the scheme).  A name that ends in a dot, an empty port, and any character
 * outside printable ASCII are refused.  HOST holds 256 bytes, lower case,
 * IPv6 without brackets.  Returns 0, or -1.
 */
int wl_guard_split(const char *url, bool *https, char host[256], int *port);

/*
 * Whether HOST is in LIST (separated by spaces or commas), alone or as
 * host:port with PORT; IPv6 with a port is written [address]:port.
 */
bool wl_guard_listed(const char *list, const char *host, int port);

/*
 * Whether ADDR (textual) lies in LIST of addresses and CIDR blocks.  An IPv4
 * address mapped into IPv6 counts as the IPv4 address.
 */
bool wl_guard_addr_in(const char *addr, const char *list);

#endif
