/* The only file that reads or writes libmicrohttpd's private memory. It relies on these facts, true
 * in 0.9.75. A head is in the connection's pool as it arrived. The parser replaces, in place, CR,
 * LF, the blanks of the request line and the first colon of a line by NUL, and moves nothing.
 * Arguments are cut from the target after the URI log callback has seen it. A response sends the
 * text of a header that MHD_get_response_header returns. Nothing is in the buffer that the library
 * offers for content. A body is read into the rest of the pool behind the head; its chunks are
 * passed on from there, and the lines between them are left as they arrived. Behind the buffer for
 * content, up to the end of the pool, are the records of the request's headers: a list, which is
 * empty if they are zeros, and which the library does not read between the head of an answer and
 * the next request. A pool begins with the first head, and is cleared after each request. */
#include "http/library_memory.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HEADER_RECORD      64    /* a header's entry in the pool: 56 bytes besides its text */
#define COOKIE_COPIES      2     /* a Cookie header is copied twice more, for its parser */
#define RESPONSE_HEAD_ROOM 1536  /* for the head of an answer */
#define MAPPED_ABOVE       32768 /* bytes of a pool: from there on it is mapped, not allocated */

void tt_library_hide_query(const char *target, size_t query_at)
{
    ((char *)(uintptr_t)target)[query_at] = '\0';
}

size_t tt_library_head_size(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

    return info ? info->header_size : 0;
}

/* "GET\0/target\0HTTP/1.1\0\0Name\0 value\0\0…\0\0" */
bool tt_library_head_is_clean(const struct tt_library_head *head)
{
    size_t size = tt_library_head_size(head->mhd);
    const char *p = head->version + sizeof("HTTP/1.1") - 1;
    const char *end = size > 0 ? head->method + size : p;
    size_t count = 0;
    if (head->target != head->method + head->method_len + 1 ||
        head->version != head->target + head->target_len + 1)
        return false; /* several blanks, or a NUL in the request line */
    if (end - p < 4 || p[0] || p[1])
        return false;
    p += 2;
    while (end - p > 2) {
        const char *colon = memchr(p, 0, (size_t)(end - p));
        const char *stop = colon ? memchr(colon + 1, 0, (size_t)(end - colon - 1)) : NULL;
        if (*p == ' ' || *p == '\t' || !stop || stop + 1 >= end || stop[1])
            return false; /* folded; or ended by a bare LF; or cut short by a NUL */
        p = stop + 2;
        count++;
    }
    return end - p == 2 && !p[0] && !p[1] && count == head->headers;
}

bool tt_library_chunk_lines_are_clean(struct tt_library_chunks *chunks, const char *data,
                                      size_t len)
{
    const char *p = data >= chunks->end ? chunks->end : chunks->begin;

    for (; p < data && (p = memchr(p, '\n', (size_t)(data - p))); p++)
        if (p > chunks->begin && p[-1] != '\r')
            return false;
    chunks->end = data + len;
    return true;
}

size_t tt_library_pool_size(size_t head)
{
    return head * (1 + COOKIE_COPIES) + head / 2;
}

bool tt_library_has_room(size_t pool, size_t bytes, size_t headers, size_t cookies)
{
    size_t used = bytes + headers * HEADER_RECORD + cookies * COOKIE_COPIES;
    return used + RESPONSE_HEAD_ROOM <= pool;
}

bool tt_library_add_joined(struct MHD_Response *response, const char *name, const char *value)
{
    if (MHD_add_response_header(response, name, value) != MHD_YES)
        return false;
    char *at = (char *)(uintptr_t)MHD_get_response_header(response, name);
    while (at && (at = strstr(at, TT_LIBRARY_LINE_END)))
        memcpy(at, "\r\n", 2);
    return true;
}

static uintptr_t page_size(void)
{
    return (uintptr_t)sysconf(_SC_PAGESIZE);
}

static void give_back(char *buf, size_t size)
{
    uintptr_t page = page_size();
    uintptr_t first = ((uintptr_t)buf + page - 1) / page * page;
    uintptr_t end = ((uintptr_t)buf + size) / page * page;

    if (first < end)
        madvise((void *)first, end - first, MADV_DONTNEED);
}

void tt_library_slim(char *pool, size_t pool_size, char *buf, size_t size)
{
    /* Without chunks it is a buffer of the response's own. */
    bool within = pool && buf >= pool && buf + size <= pool + pool_size;

    give_back(buf, within ? (size_t)(pool + pool_size - buf) : size);
}

char *tt_library_pool_of(const char *method, size_t pool)
{
    bool begins = (uintptr_t)method % page_size() == 0;

    return pool > MAPPED_ABOVE && begins ? (char *)(uintptr_t)method : NULL;
}

static bool is_clear(const char *page, size_t size)
{
    return page[0] == 0 && memcmp(page, page + 1, size - 1) == 0;
}

void tt_library_rest(char *memory, size_t pool)
{
    size_t page = page_size(), at = 0, clear = 0;

    for (; at + page <= pool; at += page) {
        if (is_clear(memory + at, page)) {
            clear += page;
            continue;
        }
        give_back(memory + at - clear, clear);
        clear = 0;
    }
    give_back(memory + at - clear, clear);
}
