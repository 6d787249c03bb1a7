/*
 * Answers that are wrong as a whole: error statuses, silence, resets, a proxy's HTML page, bytes
 * that are no HTTP, and a small gzip body that unpacks to very much. The faults that strike in the
 * middle of a good answer are in stream.c and reply.c.
 */
#include "http.h"
#include "reply.h"

#include <stdio.h>

#define BOMB_DEFAULT (64u << 20)
#define BOMB_RUN     258u /* the longest match that deflate knows */

struct bits {
    struct buf *out;
    uint32_t held;
    int count;
};

static void put_bits(struct bits *b, uint32_t value, int count)
{
    b->held |= value << b->count;
    b->count += count;
    while (b->count >= 8) {
        buf_add(b->out, &(char){(char)(b->held & 0xff)}, 1);
        b->held >>= 8;
        b->count -= 8;
    }
}

/*
 * The code table of one dynamic block, chosen so that a run of 258 bytes costs two bits (the real
 * limit of deflate, 1032:1): symbol 285 has one bit, ' ' and the end of block two bits each, and
 * the only distance, 1, has one bit.
 */
static void put_bomb_table(struct bits *b)
{
    put_bits(b, 1, 1);  /* the last block */
    put_bits(b, 2, 2);  /* with its own table */
    put_bits(b, 29, 5); /* 286 literal and length codes */
    put_bits(b, 0, 5);  /* 1 distance code */
    put_bits(b, 14, 4); /* 18 lengths of the table's own code follow: 18 -> 1, 2 -> 2, 1 -> 2 */
    for (int i = 0; i < 18; i++)
        put_bits(b, i == 2 ? 1 : i == 15 || i == 17 ? 2 : 0, 3);
    /* Now codes, first bit first: "18" = 0, "1" = 10, "2" = 11; 18 takes 7 bits of (zeros - 11). */
    put_bits(b, 0, 1);
    put_bits(b, 32 - 11, 7);
    put_bits(b, 3, 2); /* symbol 32, ' ': two bits */
    put_bits(b, 0, 1);
    put_bits(b, 138 - 11, 7);
    put_bits(b, 0, 1);
    put_bits(b, 85 - 11, 7);
    put_bits(b, 3, 2); /* symbol 256, the end: two bits */
    put_bits(b, 0, 1);
    put_bits(b, 28 - 11, 7);
    put_bits(b, 1, 2); /* symbol 285: one bit */
    put_bits(b, 1, 2); /* distance 1: one bit */
}

static uint32_t crc_of_spaces(size_t n)
{
    uint32_t table[256], crc = ~0U;

    for (uint32_t i = 0; i < 256; i++) {
        table[i] = i;
        for (int k = 0; k < 8; k++)
            table[i] = table[i] & 1 ? table[i] >> 1 ^ 0xedb88320U : table[i] >> 1;
    }
    for (size_t i = 0; i < n; i++)
        crc = table[(crc ^ ' ') & 0xff] ^ crc >> 8;
    return ~crc;
}

static void put_bomb(struct buf *out, size_t bytes)
{
    struct bits b = {out, 0, 0};
    size_t runs = bytes / BOMB_RUN + 1, total = runs * BOMB_RUN + 1;
    uint32_t tail[2] = {crc_of_spaces(total), (uint32_t)total};

    buf_add(out, "\x1f\x8b\x08\0\0\0\0\0\0\x03", 10);
    put_bomb_table(&b);
    put_bits(&b, 1, 2); /* ' ' = 10 */
    for (size_t i = 0; i < runs; i++)
        put_bits(&b, 0, 2); /* 285 = 0, then the distance's 0 */
    put_bits(&b, 3, 2);     /* the end = 11 */
    put_bits(&b, 0, 7);
    for (size_t i = 0; i < 8; i++)
        buf_add(out, &(char){(char)(tail[i / 4] >> 8 * (i % 4) & 0xff)}, 1);
}

static struct program *gzip_bomb(const struct reply_args *a)
{
    struct program *p = reply_begin(a);
    struct buf body = {0};

    put_bomb(&body, a->sc->bytes > 0 ? (size_t)a->sc->bytes : BOMB_DEFAULT);
    program_head(p, (int)a->sc->status, a->chat->stream ? "text/event-stream" : "application/json",
                 "Content-Encoding: gzip\r\n", (long)body.n);
    program_body(p, body.p, body.n);
    program_finish(p, END_OK);
    buf_free(&body);
    return p;
}

static struct program *html_page(const struct reply_args *a)
{
    struct program *p = reply_begin(a);
    int status = (int)a->sc->status;
    struct buf page = {0};

    buf_printf(&page, "<html>\r\n<head><title>%d %s</title></head>\r\n<body>\r\n", status,
               http_reason(status));
    buf_printf(&page, "<center><h1>%d %s</h1></center>\r\n</body>\r\n</html>\r\n", status,
               http_reason(status));
    program_head(p, status, "text/html", "", (long)page.n);
    program_body(p, page.p, page.n);
    program_finish(p, END_OK);
    buf_free(&page);
    return p;
}

static struct program *bare(const struct reply_args *a, const char *bytes, size_t n,
                            enum program_end end)
{
    struct program *p = reply_begin(a);

    buf_add(&p->bytes, bytes, n);
    p->chunked = false;
    program_finish(p, end);
    return p;
}

static struct program *error_answer(const struct reply_args *a)
{
    struct buf json = {0};
    struct program *p;

    error_json(&json, (int)a->sc->status, "the mock answers with this status as asked");
    p = reply_json(a, json.p, json.n);
    buf_free(&json);
    return p;
}

struct program *fault_whole(const struct reply_args *a)
{
    static const char half_head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/ev";
    static const char noise[] = "\x16\x03\x01\x02\0\xff\xfe this is not HTTP\r\n\r\n\0\x80";

    switch (a->sc->fault) {
    case FAULT_REFUSE:
    case FAULT_RESET:
        return bare(a, "", 0, END_RESET);
    case FAULT_HANG:
        return bare(a, "", 0, END_HANG);
    case FAULT_RESET_HEADERS:
        return bare(a, half_head, sizeof half_head - 1, END_RESET);
    case FAULT_HANG_HEADERS:
        return bare(a, half_head, sizeof half_head - 1, END_HANG);
    case FAULT_GARBAGE:
        return bare(a, noise, sizeof noise - 1, END_CLOSE);
    case FAULT_HTML:
        return html_page(a);
    case FAULT_GZIPBOMB:
        return gzip_bomb(a);
    default:
        return a->sc->status >= 300 ? error_answer(a) : NULL;
    }
}
