/*
 * A key given to a command: as an argument, on standard input, or in a file.
 */
#ifndef WL_FCGI_KEY_ARG_H
#define WL_FCGI_KEY_ARG_H

struct wl_arena;
struct wl_err;

struct wl_key_arg {
	const char	*word;	/* of the command line, "-": standard input */
	const char	*file;	/* instead of WORD */
	const char	*value;	/* what came of it */
};

/*
 * Fill VALUE, in A, from what is set; NULL when nothing is.  A file that
 * others may read is refused.  0, or -1 with *E.
 */
int wl_key_arg_read(struct wl_arena *a, struct wl_key_arg *k,
    struct wl_err *e) __attribute__((warn_unused_result));

#endif
