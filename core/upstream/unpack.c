/* A chain of layers, each of which looks at its first bytes. What is no layer passes, so a wrong
 * label costs nothing. Little input may become much: 1,032 times as much for each layer. Whoever
 * gets the bytes counts them; beyond what any answer needs the proportion counts too, so that a
 * bomb does not keep the loop busy. */
#include "upstream/unpack.h"

#include "base/mem.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <zlib.h>

#define LAYERS_MAX 2
#define PIECE      8192
#define PROBE      8                   /* bytes that tell text from bare deflate */
#define GROWS_FREE ((uint64_t)8 << 20) /* bytes that may come of anything */
#define GROWS_MAX  200u                /* of each byte, beyond that */

enum kind { UNKNOWN, PLAIN, PACKED, OVER };

struct layer {
    enum kind kind;
    bool gzip; /* several may follow each other */
    unsigned char probe[PROBE];
    size_t probe_len;
    z_stream z;
};

struct tt_unpack {
    struct tt_unpack_label label;
    struct layer layers[LAYERS_MAX];
    uint64_t in, out;
    struct tt_err err;
};

/* What one feed works with. */
struct feed {
    struct tt_unpack *unpack;
    int (*on_bytes)(void *arg, struct tt_str bytes);
    void *arg;
};

void tt_unpack_free(struct tt_unpack *unpack)
{
    if (!unpack)
        return;
    for (size_t i = 0; i < LAYERS_MAX; i++)
        if (unpack->layers[i].kind == PACKED || unpack->layers[i].kind == OVER)
            inflateEnd(&unpack->layers[i].z);
    free(unpack);
}

/* ---- what the first bytes are ---- */

#define GZIP_FIRST  0x1F
#define GZIP_SECOND 0x8B
#define ZLIB_FIRST  0x78 /* with the window that everybody has */

static bool may_be_packed(char first)
{
    return (unsigned char)first == GZIP_FIRST || (unsigned char)first == ZLIB_FIRST;
}

static bool is_gzip(const unsigned char *bytes, size_t len)
{
    return len >= 2 && bytes[0] == GZIP_FIRST && bytes[1] == GZIP_SECOND;
}

/* RFC 1950, 2.2: the check of the two bytes; no dictionary. */
static bool is_zlib(const unsigned char *bytes, size_t len)
{
    return len >= 2 && bytes[0] == ZLIB_FIRST && (bytes[0] * 256 + bytes[1]) % 31 == 0 &&
           !(bytes[1] & 0x20);
}

static bool is_text(const unsigned char *bytes, size_t len)
{
    struct tt_str text = tt_str_of((const char *)bytes, len);

    for (size_t i = 0; i < len; i++)
        if (bytes[i] == 0x7F || (bytes[i] < ' ' && !memchr("\t\r\n", bytes[i], 3)))
            return false;
    return tt_utf8_valid(tt_str_of(text.data, tt_utf8_complete(text)));
}

/* ---- beginning ---- */

void tt_unpack_label_add(struct tt_unpack_label *label, struct tt_str value)
{
    struct tt_str name;

    while (value.len > 0 && tt_str_split(&value, ',', &name)) {
        name = tt_str_trim(name);
        bool deflate = tt_str_eq_nocase(name, TT_STR("deflate"));
        if (deflate || tt_str_eq_nocase(name, TT_STR("gzip")) ||
            tt_str_eq_nocase(name, TT_STR("x-gzip")))
            label->layers++;
        label->deflate |= deflate;
        label->other |=
            tt_str_eq_nocase(name, TT_STR("br")) || tt_str_eq_nocase(name, TT_STR("zstd"));
    }
}

struct tt_unpack *tt_unpack_new(struct tt_unpack_label label, bool any, char first)
{
    if (any && (label.layers > 0 || may_be_packed(first)))
        label.layers = LAYERS_MAX;
    if (label.other || label.layers == 0)
        return NULL;
    struct tt_unpack *unpack = TT_NEW(struct tt_unpack);
    unpack->label = label;
    if (label.layers > LAYERS_MAX)
        unpack->label.layers = LAYERS_MAX;
    return unpack;
}

/* zlib's number for the format. */
#define GZIP_BITS (MAX_WBITS + 16)
#define BARE_BITS (-MAX_WBITS)

/* False: more bytes are needed. */
static bool look(const struct tt_unpack *unpack, const struct layer *layer, bool last, int *bits)
{
    bool may_be = layer->probe_len > 0 && may_be_packed((char)layer->probe[0]);
    bool bare = unpack->label.deflate;
    size_t wanted = bare ? PROBE : may_be ? 2 : 0;

    *bits = 0;
    if (is_gzip(layer->probe, layer->probe_len))
        *bits = GZIP_BITS;
    else if (is_zlib(layer->probe, layer->probe_len))
        *bits = MAX_WBITS;
    else if (layer->probe_len < wanted && !last)
        return false;
    else if (bare && layer->probe_len > 0 && !is_text(layer->probe, layer->probe_len))
        *bits = BARE_BITS;
    return true;
}

/* ---- unpacking ---- */

static int broken(const struct feed *feed, const char *why)
{
    return tt_err_set(&feed->unpack->err, 502, "upstream_bad_response",
                      "the upstream's compressed body %s", why);
}

static int no_memory(const struct feed *feed)
{
    return tt_err_set(&feed->unpack->err, 503, "no_memory", "no memory to decompress an answer");
}

static int deliver(struct feed *feed, struct tt_str bytes)
{
    struct tt_unpack *unpack = feed->unpack;

    unpack->out += bytes.len;
    if (unpack->out > GROWS_FREE + unpack->in * GROWS_MAX)
        return broken(feed, "grows without measure");
    return feed->on_bytes(feed->arg, bytes);
}

static int push(struct feed *feed, unsigned at, struct tt_str bytes);

/* The end of what was packed: parts of gzip may follow each other, anything else is padding. */
static bool goes_on(struct layer *layer)
{
    if (layer->gzip && layer->z.avail_in > 0 && *layer->z.next_in == GZIP_FIRST)
        return inflateReset(&layer->z) == Z_OK;
    layer->kind = OVER;
    return false;
}

static int inflate_layer(struct feed *feed, unsigned at, struct tt_str bytes)
{
    struct layer *layer = &feed->unpack->layers[at];
    z_stream *z = &layer->z;
    unsigned char piece[PIECE];
    bool more = true;

    z->next_in = (unsigned char *)bytes.data;
    z->avail_in = (unsigned)bytes.len;
    while (more) {
        z->next_out = piece;
        z->avail_out = PIECE;
        int result = inflate(z, Z_NO_FLUSH);
        if (result == Z_MEM_ERROR)
            return no_memory(feed);
        if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
            return broken(feed, "is broken");
        struct tt_str out = tt_str_of((char *)piece, PIECE - z->avail_out);
        more = result == Z_STREAM_END ? goes_on(layer)
                                      : result == Z_OK && (z->avail_in > 0 || z->avail_out == 0);
        if (out.len > 0 && push(feed, at + 1, out) != 0)
            return -1;
    }
    return 0;
}

/* Takes from the bytes until it is known what they are. */
static int find_out(struct feed *feed, unsigned at, struct tt_str bytes, bool last)
{
    struct layer *layer = &feed->unpack->layers[at];
    size_t room = PROBE - layer->probe_len, n = bytes.len < room ? bytes.len : room;
    int bits;

    if (n > 0)
        memcpy(layer->probe + layer->probe_len, bytes.data, n);
    layer->probe_len += n;
    if (!look(feed->unpack, layer, last, &bits))
        return 0;
    layer->kind = bits ? PACKED : PLAIN;
    layer->gzip = bits == GZIP_BITS;
    if (bits && inflateInit2(&layer->z, bits) != Z_OK) {
        layer->kind = PLAIN;
        return no_memory(feed);
    }
    if (layer->probe_len > 0 &&
        push(feed, at, tt_str_of((const char *)layer->probe, layer->probe_len)) != 0)
        return -1;
    return bytes.len > n ? push(feed, at, tt_str_of(bytes.data + n, bytes.len - n)) : 0;
}

/* Recursion ends with the layers. */
static int push(struct feed *feed, unsigned at, struct tt_str bytes)
{
    if (at == feed->unpack->label.layers)
        return deliver(feed, bytes);
    struct layer *layer = &feed->unpack->layers[at];
    switch (layer->kind) {
    case UNKNOWN:
        return find_out(feed, at, bytes, false);
    case PACKED:
        return inflate_layer(feed, at, bytes);
    case OVER:
        layer->z.next_in = (unsigned char *)bytes.data;
        layer->z.avail_in = (unsigned)bytes.len;
        if (!goes_on(layer))
            return 0;
        layer->kind = PACKED;
        return inflate_layer(feed, at, bytes);
    default:
        return deliver(feed, bytes); /* what is not packed has no layer inside */
    }
}

int tt_unpack_feed(struct tt_unpack *unpack, struct tt_str bytes,
                   int (*on_bytes)(void *arg, struct tt_str bytes), void *arg)
{
    struct feed feed = {unpack, on_bytes, arg};

    unpack->in += bytes.len;
    return bytes.len > 0 ? push(&feed, 0, bytes) : 0;
}

int tt_unpack_end(struct tt_unpack *unpack, int (*on_bytes)(void *arg, struct tt_str bytes),
                  void *arg)
{
    struct feed feed = {unpack, on_bytes, arg};

    for (unsigned at = 0; at < unpack->label.layers; at++)
        if (unpack->layers[at].kind == UNKNOWN && unpack->layers[at].probe_len > 0 &&
            find_out(&feed, at, TT_STR(""), true) != 0)
            return -1;
    return 0;
}

const struct tt_err *tt_unpack_error(const struct tt_unpack *unpack)
{
    return &unpack->err;
}
