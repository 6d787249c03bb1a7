/* The bytes of a reply: chunks that never move, and segments that say which kind of text they hold.
 * One thread appends, any number read without a lock: everything is written before the length that
 * covers it is published. The place of a chunk follows from the position alone, so a reader needs
 * no cursor. Because positions are dense, a character may cross two chunks; each chunk therefore
 * has spare bytes behind its end that repeat the first bytes of the next one, so that a span can
 * always end after a whole character. Small chunks first: thousands of replies are open at once.
 * Does not check UTF-8 (upstream/delta passes whole characters on) and never shrinks. */
#include "reply/reply_internal.h"

#include <stdlib.h>

#define NEAR_BYTES (TT_LOG_CHUNK_FIRST * ((1u << TT_LOG_CHUNKS_NEAR) - 1))
#define FAR_CHUNK  (TT_LOG_CHUNK_FIRST << (TT_LOG_CHUNKS_NEAR - 1))

#define KIND_BITS 2

_Static_assert(TT_REPLY_KINDS <= 1 << KIND_BITS &&
                   (uint64_t)TT_REPLY_MAX << KIND_BITS <= UINT32_MAX,
               "a segment does not hold kind and start");
_Static_assert(NEAR_BYTES + (uint64_t)FAR_CHUNK * TT_LOG_CHUNKS_FAR >= TT_REPLY_MAX,
               "log too short");

static atomic_size_t memory_max = SIZE_MAX;
static atomic_size_t memory_used;

void tt_reply_set_memory_max(size_t bytes)
{
    atomic_store(&memory_max, bytes);
}

size_t tt_reply_memory_used(void)
{
    return atomic_load(&memory_used);
}

/* ---- memory ---- */

int tt_reply_log_refuse(struct tt_err *err)
{
    size_t used = tt_reply_memory_used();
    if (used < atomic_load(&memory_max))
        return 0;
    return tt_err_set(err, 503, "busy", "%zu bytes of running replies are in memory", used);
}

/* New replies are refused at the limit; those that run may go half of it beyond, so that a full
 * house does not cut off what is nearly done. */
static void *take(struct tt_reply_log *log, size_t size, struct tt_err *err)
{
    size_t max = atomic_load_explicit(&memory_max, memory_order_relaxed);
    size_t used = atomic_load_explicit(&memory_used, memory_order_relaxed);
    void *memory = used > max && used - max > max / 2 ? NULL : malloc(size);
    if (!memory) {
        tt_err_set(err, 503, "busy", "no memory for reply logs: %zu bytes in use", used);
        return NULL;
    }
    log->memory += size;
    atomic_fetch_add_explicit(&memory_used, size, memory_order_relaxed);
    return memory;
}

void tt_reply_log_destroy(struct tt_reply_log *log)
{
    for (size_t i = 0; i < TT_LOG_CHUNKS_NEAR; i++)
        free(log->near[i]);
    for (size_t i = 0; log->far && i < TT_LOG_CHUNKS_FAR; i++)
        free(log->far[i]);
    free(log->far);
    for (size_t i = 0; i < TT_LOG_BLOCKS; i++)
        free(log->blocks[i]);
    atomic_fetch_sub_explicit(&memory_used, log->memory, memory_order_relaxed);
}

/* ---- where a position is ---- */

struct place {
    size_t index; /* of the chunk */
    uint64_t start;
    uint32_t size;
};

static struct place place_of(uint64_t position)
{
    struct place place;
    if (position < NEAR_BYTES) {
        uint32_t nth = (uint32_t)(position / TT_LOG_CHUNK_FIRST) + 1;
        place.index = 31u - (unsigned)__builtin_clz(nth);
        place.start = (uint64_t)TT_LOG_CHUNK_FIRST * ((1u << place.index) - 1);
        place.size = TT_LOG_CHUNK_FIRST << place.index;
    } else {
        uint64_t nth = (position - NEAR_BYTES) / FAR_CHUNK;
        place.index = TT_LOG_CHUNKS_NEAR + nth;
        place.start = NEAR_BYTES + nth * FAR_CHUNK;
        place.size = FAR_CHUNK;
    }
    return place;
}

static char *chunk_at(const struct tt_reply_log *log, size_t index)
{
    return index < TT_LOG_CHUNKS_NEAR ? log->near[index] : log->far[index - TT_LOG_CHUNKS_NEAR];
}

static int chunk_make(struct tt_reply_log *log, const struct place *place, struct tt_err *err)
{
    char **slot;
    if (place->index < TT_LOG_CHUNKS_NEAR) {
        slot = &log->near[place->index];
    } else {
        if (!log->far) {
            log->far = take(log, TT_LOG_CHUNKS_FAR * sizeof(char *), err);
            if (!log->far)
                return -1;
            memset(log->far, 0, TT_LOG_CHUNKS_FAR * sizeof(char *));
        }
        slot = &log->far[place->index - TT_LOG_CHUNKS_NEAR];
    }
    if (!*slot)
        *slot = take(log, place->size + TT_LOG_CHUNK_SPARE, err);
    return *slot ? 0 : -1;
}

/* Block b of the segments holds 8 << b of them; the first four are inline. */
static uint32_t *segment_slot(const struct tt_reply_log *log, uint32_t index, unsigned *block)
{
    if (index < TT_LOG_SEGMENTS) {
        *block = TT_LOG_BLOCKS;
        return (uint32_t *)&log->segments[index];
    }
    uint32_t nth = (index - TT_LOG_SEGMENTS) / 8 + 1;
    *block = 31u - (unsigned)__builtin_clz(nth);
    uint32_t first = TT_LOG_SEGMENTS + 8 * ((1u << *block) - 1);
    if (*block >= TT_LOG_BLOCKS || !log->blocks[*block])
        return NULL;
    return &log->blocks[*block][index - first];
}

static uint32_t segment_at(const struct tt_reply_log *log, uint32_t index)
{
    unsigned block;
    return *segment_slot(log, index, &block);
}

static enum tt_reply_kind kind_of(uint32_t segment)
{
    return (enum tt_reply_kind)(segment & ((1u << KIND_BITS) - 1));
}

static uint64_t start_of(uint32_t segment)
{
    return segment >> KIND_BITS;
}

/* ---- appending ---- */

static int reserve(struct tt_reply_log *log, uint64_t from, uint64_t to, struct tt_err *err)
{
    while (from < to) {
        struct place place = place_of(from);
        if (chunk_make(log, &place, err) != 0)
            return -1;
        from = place.start + place.size;
    }
    return 0;
}

static int segment_open(struct tt_reply_log *log, enum tt_reply_kind kind, uint64_t start,
                        struct tt_err *err)
{
    uint32_t count = atomic_load_explicit(&log->segment_count, memory_order_relaxed);
    unsigned block;
    if (count > 0 && !tt_reply_kind_has_entries(kind) &&
        kind_of(segment_at(log, count - 1)) == kind)
        return 0;
    uint32_t *slot = segment_slot(log, count, &block);
    if (!slot) {
        if (block >= TT_LOG_BLOCKS)
            return tt_err_set(err, 502, "reply_too_long", "the reply changes its kind too often");
        log->blocks[block] = take(log, ((size_t)8 << block) * sizeof(uint32_t), err);
        if (!log->blocks[block])
            return -1;
        slot = segment_slot(log, count, &block);
    }
    *slot = (uint32_t)start << KIND_BITS | (uint32_t)kind;
    atomic_store_explicit(&log->segment_count, count + 1, memory_order_release);
    return 0;
}

static void put(struct tt_reply_log *log, uint64_t position, struct tt_str text)
{
    while (text.len > 0) {
        struct place place = place_of(position);
        char *chunk = chunk_at(log, place.index);
        size_t offset = (size_t)(position - place.start);
        size_t n = place.size - offset < text.len ? place.size - offset : text.len;
        memcpy(chunk + offset, text.data, n);
        if (offset < TT_LOG_CHUNK_SPARE && place.index > 0) {
            struct place before = place_of(place.start - 1);
            size_t spare = TT_LOG_CHUNK_SPARE - offset;
            memcpy(chunk_at(log, before.index) + before.size + offset, text.data,
                   n < spare ? n : spare);
        }
        position += n;
        text = tt_str_of(text.data + n, text.len - n);
    }
}

int tt_reply_log_append(struct tt_reply_log *log, enum tt_reply_kind kind, struct tt_str text,
                        struct tt_err *err)
{
    uint64_t length = atomic_load_explicit(&log->length, memory_order_relaxed);
    if (text.len == 0)
        return 0;
    if (text.len > TT_REPLY_MAX - length)
        return tt_err_set(err, 502, "reply_too_long", "the reply is longer than %u bytes",
                          TT_REPLY_MAX);
    if (reserve(log, length, length + text.len, err) != 0 ||
        segment_open(log, kind, length, err) != 0)
        return -1;
    put(log, length, text);
    atomic_store_explicit(&log->length, length + text.len, memory_order_release);
    return 0;
}

/* ---- reading ---- */

/* The last segment that starts at or before position; there is one. */
static uint32_t segment_find(const struct tt_reply_log *log, uint32_t count, uint64_t position)
{
    uint32_t low = 0, high = count; /* the answer is in [low, high) */
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (start_of(segment_at(log, middle)) <= position)
            low = middle;
        else
            high = middle;
    }
    return low;
}

bool tt_reply_log_read(const struct tt_reply_log *log, uint64_t position,
                       struct tt_reply_span *span)
{
    uint64_t length = atomic_load_explicit(&log->length, memory_order_acquire);
    if (position >= length)
        return false;
    /* After the length: so it knows all segments below it, perhaps also one that starts at it. */
    uint32_t count = atomic_load_explicit(&log->segment_count, memory_order_acquire);
    uint32_t segment = segment_find(log, count, position);
    uint64_t stop = segment + 1 < count ? start_of(segment_at(log, segment + 1)) : length;
    if (stop > length)
        stop = length;

    struct place place = place_of(position);
    const char *chunk = chunk_at(log, place.index);
    uint64_t chunk_end = place.start + place.size;
    uint64_t end = stop < chunk_end ? stop : chunk_end;
    while (end >= chunk_end && end < stop && end < chunk_end + TT_LOG_CHUNK_SPARE &&
           ((unsigned char)chunk[end - place.start] & 0xC0) == 0x80)
        end++;
    span->kind = kind_of(segment_at(log, segment));
    span->run_from = start_of(segment_at(log, segment));
    span->run_end = stop;
    span->bytes = tt_str_of(chunk + (position - place.start), (size_t)(end - position));
    span->end = end;
    return true;
}
