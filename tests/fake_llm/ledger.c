/*
 * The ledger: a ring of records in memory, a line per record in a file.
 */
#include "config.h"

#include "tests/fake_llm/ledger.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/fake_llm/script.h"
#include "tests/fake_llm/text.h"

static const char *const end_words[FAKE_END_MAX] = {
    [FAKE_END_COMPLETE] = "complete",
    [FAKE_END_CLIENT_GONE] = "client_gone",
    [FAKE_END_FAULT] = "fault",
    [FAKE_END_SHUTDOWN] = "shutdown",
    [FAKE_END_TIMEOUT] = "timeout",
};

static struct {
	struct fake_record	*ring;
	size_t			 cap;
	size_t			 keep;
	uint64_t		 added;
	uint64_t		 seq;
	uint64_t		 salt;
	uint64_t		 active;
	uint64_t		 streams;
	uint64_t		 ends[FAKE_END_MAX];
	uint64_t		 status[600];
	int64_t			 prompt_tokens;
	int64_t			 completion_tokens;
	int64_t			 completion_sent;
	uint64_t		 bytes;
	uint64_t		 file_errors;
	int			 fd;
	struct fake_buf		 line;
} led = {.fd = -1};

int
fake_ledger_open(const char *path, size_t keep)
{
	led.keep = keep;
	if (path == NULL)
		return 0;
	led.fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	return led.fd == -1 ? -1 : 0;
}

void
fake_ledger_close(void)
{
	if (led.fd != -1)
		close(led.fd);
	led.fd = -1;
	free(led.ring);
	led.ring = NULL;
	led.cap = 0;
	fake_buf_trim(&led.line, 0);
}

void
fake_ledger_salt(uint64_t salt)
{
	led.salt = salt;
}

void
fake_ledger_begin(struct fake_record *r)
{
	memset(r, 0, sizeof(*r));
	r->seq = ++led.seq;
	r->prompt_tokens = r->completion_tokens = -1;
	r->cached_tokens = r->reasoning_tokens = -1;
	led.active++;
}

void
fake_ledger_reset(void)
{
	led.added = led.streams = led.bytes = led.file_errors = 0;
	led.prompt_tokens = led.completion_tokens = led.completion_sent = 0;
	memset(led.ends, 0, sizeof(led.ends));
	memset(led.status, 0, sizeof(led.status));
}

/*
 * The slot for one more record.  The ring grows up to its limit, and only
 * while nothing in it has been overwritten.
 */
static struct fake_record *
slot(void)
{
	size_t at = led.keep ? (size_t)(led.added % led.keep) : 0;

	if (led.keep == 0)
		return NULL;
	if (at >= led.cap) {
		size_t cap = led.cap ? led.cap * 2 : 256;

		if (cap > led.keep)
			cap = led.keep;
		led.ring = realloc(led.ring, cap * sizeof(*led.ring));
		if (led.ring == NULL) {
			fputs("fake_llm: out of memory\n", stderr);
			exit(1);
		}
		led.cap = cap;
	}
	return &led.ring[at];
}

static void
append_to_file(const struct fake_record *r)
{
	led.line.len = 0;
	fake_ledger_line(&led.line, r);
	if (write(led.fd, led.line.p, led.line.len) == (ssize_t)led.line.len)
		return;
	if (led.file_errors++ == 0)
		perror("fake_llm: ledger");
}

void
fake_ledger_add(const struct fake_record *r)
{
	struct fake_record *s = slot();

	if (s != NULL)
		*s = *r;
	led.added++;
	led.active--;
	led.ends[r->end]++;
	led.status[r->status]++;
	led.streams += r->stream;
	led.bytes += r->bytes;
	led.completion_sent += r->completion_sent;
	if (r->prompt_tokens > 0)
		led.prompt_tokens += r->prompt_tokens;
	if (r->completion_tokens > 0)
		led.completion_tokens += r->completion_tokens;
	if (led.fd != -1)
		append_to_file(r);
}

uint64_t
fake_ledger_count(void)
{
	return led.added;
}

const struct fake_record *
fake_ledger_at(uint64_t i)
{
	if (i >= led.added || led.added - i > led.keep)
		return NULL;
	return &led.ring[i % led.keep];
}

void
fake_ledger_response_id(struct fake_buf *b, const char *prefix, uint64_t seq)
{
	uint64_t h = fake_text_mix(led.salt ^ fake_text_mix(seq));

	fake_buf_puts(b, prefix);
	fake_buf_hex(b, h, 16);
	fake_buf_hex(b, seq, 8);
}

static void
member(struct fake_buf *b, const char *name, int64_t v)
{
	fake_buf_puts(b, name);
	if (v < 0)
		fake_buf_puts(b, "null");
	else
		fake_buf_int(b, v);
}

static void
string(struct fake_buf *b, const char *name, const char *v)
{
	fake_buf_puts(b, name);
	fake_buf_puts(b, "\"");
	fake_buf_json(b, v, strlen(v));
	fake_buf_puts(b, "\"");
}

void
fake_ledger_line(struct fake_buf *b, const struct fake_record *r)
{
	member(b, "{\"seq\":", (int64_t)r->seq);
	member(b, ",\"start_us\":", r->start_us);
	member(b, ",\"first_us\":", r->first_us ? r->first_us : -1);
	member(b, ",\"end_us\":", r->end_us);
	string(b, ",\"path\":", r->path);
	string(b, ",\"model\":", r->model);
	fake_buf_puts(b, r->stream ? ",\"stream\":true" : ",\"stream\":false");
	string(b, ",\"request_id\":", r->request_id);
	string(b, ",\"id\":", r->id);
	string(b, ",\"key\":", r->key);
	fake_buf_puts(b, ",\"response_id\":\"");
	if (r->prefix[0] != '\0')
		fake_ledger_response_id(b, r->prefix, r->seq);
	member(b, "\",\"status\":", r->status);
	member(b, ",\"prompt_tokens\":", r->prompt_tokens);
	member(b, ",\"completion_tokens\":", r->completion_tokens);
	member(b, ",\"cached_tokens\":", r->cached_tokens);
	member(b, ",\"reasoning_tokens\":", r->reasoning_tokens);
	member(b, ",\"prompt_tokens_counted\":", r->prompt_counted);
	member(b, ",\"completion_tokens_sent\":", r->completion_sent);
	member(b, ",\"chunks\":", (int64_t)r->chunks);
	member(b, ",\"bytes\":", (int64_t)r->bytes);
	member(b, ",\"request_bytes\":", (int64_t)r->request_bytes);
	fake_buf_puts(b, ",\"request_hash\":\"");
	fake_buf_hex(b, r->request_hash, 16);
	string(b, "\",\"fault\":", fake_script_fault_name(r->fault));
	fake_buf_puts(b, ",\"end\":\"");
	fake_buf_puts(b, end_words[r->end]);
	if (r->end == FAKE_END_FAULT) {
		fake_buf_puts(b, ":");
		fake_buf_puts(b, fake_script_fault_name(r->fault));
	}
	fake_buf_puts(b, "\"}\n");
}

void
fake_ledger_stats(struct fake_buf *b)
{
	uint64_t kept = led.added < led.keep ? led.added : led.keep;
	bool first = true;
	int i;

	member(b, "\"calls\":", (int64_t)led.added);
	member(b, ",\"active\":", (int64_t)led.active);
	member(b, ",\"streams\":", (int64_t)led.streams);
	for (i = 0; i < FAKE_END_MAX; i++)
		fake_buf_fmt(b, ",\"%s\":%llu", end_words[i],
		    (unsigned long long)led.ends[i]);
	member(b, ",\"prompt_tokens\":", led.prompt_tokens);
	member(b, ",\"completion_tokens\":", led.completion_tokens);
	member(b, ",\"completion_tokens_sent\":", led.completion_sent);
	member(b, ",\"bytes\":", (int64_t)led.bytes);
	member(b, ",\"ledger_kept\":", (int64_t)kept);
	member(b, ",\"ledger_dropped\":", (int64_t)(led.added - kept));
	member(b, ",\"ledger_errors\":", (int64_t)led.file_errors);
	fake_buf_puts(b, ",\"status\":{");
	for (i = 0; i < 600; i++) {
		if (led.status[i] == 0)
			continue;
		fake_buf_fmt(b, "%s\"%d\":%llu", first ? "" : ",", i,
		    (unsigned long long)led.status[i]);
		first = false;
	}
	fake_buf_puts(b, "}");
}
