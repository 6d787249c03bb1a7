/*
 * Building programs: see program.h. The body goes out in HTTP chunks, one for each event, unless
 * the length is known (length >= 0) or the client speaks HTTP/1.0, where the close is the end.
 */
#include "program.h"

#include "http.h"

#include <stdlib.h>

struct program *program_new(void)
{
    struct program *p = mem_alloc(sizeof *p);

    p->refs = 1;
    program_step(p, 0);
    return p;
}

struct program *program_ref(struct program *p)
{
    p->refs++;
    return p;
}

void program_unref(struct program *p)
{
    if (!p || --p->refs)
        return;
    buf_free(&p->bytes);
    free(p->steps);
    free(p->stamps);
    free(p);
}

void program_step(struct program *p, double delay_ms)
{
    uint64_t delay = (uint64_t)(delay_ms * 1e6);

    if (p->nsteps && !delay)
        return;
    if (p->nsteps)
        p->steps[p->nsteps - 1].end = p->bytes.n;
    if (p->nsteps == p->steps_cap) {
        p->steps_cap = p->steps_cap ? p->steps_cap * 2 : 4;
        p->steps = mem_grow(p->steps, p->steps_cap * sizeof *p->steps);
    }
    p->steps[p->nsteps++] = (struct step){p->bytes.n, delay};
}

void program_head(struct program *p, int status, const char *type, const char *extra, long length)
{
    struct buf *b = &p->bytes;

    buf_printf(b, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\n%s", status, http_reason(status), type,
               extra);
    if (length >= 0) {
        p->chunked = false;
        buf_printf(b, "Content-Length: %ld\r\n", length);
    } else if (p->chunked) {
        buf_str(b, "Transfer-Encoding: chunked\r\n");
    } else {
        p->close = true;
    }
    buf_str(b, p->close ? "Connection: close\r\n\r\n" : "\r\n");
}

void program_body(struct program *p, const char *data, size_t n)
{
    if (!n)
        return;
    if (p->chunked)
        buf_printf(&p->bytes, "%zx\r\n", n);
    buf_add(&p->bytes, data, n);
    if (p->chunked)
        buf_add(&p->bytes, "\r\n", 2);
}

void program_stamp(struct program *p, size_t offset)
{
    if (p->nstamps == p->stamps_cap) {
        p->stamps_cap = p->stamps_cap ? p->stamps_cap * 2 : 16;
        p->stamps = mem_grow(p->stamps, p->stamps_cap * sizeof *p->stamps);
    }
    p->stamps[p->nstamps++] = offset;
}

void program_finish(struct program *p, enum program_end end)
{
    if (end == END_OK && p->chunked)
        buf_str(&p->bytes, "0\r\n\r\n");
    p->end = end;
    p->steps[p->nsteps - 1].end = p->bytes.n;
}
