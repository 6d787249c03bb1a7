/* Layout, little-endian: "TIDE", format (1 byte), three zero bytes, checksum (8), version (8),
 * expiry in wall-clock milliseconds (8), payload. The checksum is SipHash over the hashes of the
 * name and of everything after the checksum, so that a value cannot be moved to another key. */
#include "cache/stored.h"

#include "base/secret.h"

#include <sodium/crypto_shorthash.h>

#define FORMAT      1
#define CHECK_AT    8
#define VERSION_AT  16
#define EXPIRES_AT  24
#define KEY_PURPOSE "tide.cache.1"
#define LIFE_MAX_MS ((uint64_t)366 * 86400 * 1000)

static const unsigned char magic[CHECK_AT] = {'T', 'I', 'D', 'E', FORMAT};

static void put_u64(unsigned char *out, uint64_t n)
{
    for (int i = 0; i < 8; i++)
        out[i] = (unsigned char)(n >> (8 * i));
}

static uint64_t get_u64(const unsigned char *in)
{
    uint64_t n = 0;
    for (int i = 0; i < 8; i++)
        n |= (uint64_t)in[i] << (8 * i);
    return n;
}

void tt_stored_key_make(struct tt_stored_key *key, struct tt_str secret)
{
    unsigned char hash[TT_SHA256_SIZE];
    struct tt_buf text = {0};
    tt_buf_append_z(&text, KEY_PURPOSE);
    tt_buf_append_str(&text, secret);
    tt_sha256(tt_buf_str(&text), hash);
    memcpy(key->bytes, hash, sizeof(key->bytes));
    explicit_bzero(text.data, text.len);
    explicit_bzero(hash, sizeof(hash));
    tt_buf_free(&text);
}

static void hash(const struct tt_stored_key *key, const void *data, size_t len,
                 unsigned char out[8])
{
    _Static_assert(crypto_shorthash_BYTES == 8 && crypto_shorthash_KEYBYTES == sizeof(key->bytes),
                   "SipHash");
    crypto_shorthash(out, data, len, key->bytes);
}

static void make_check(const struct tt_stored_key *key, struct tt_str name,
                       const unsigned char *behind, size_t len, unsigned char out[8])
{
    unsigned char both[16];
    hash(key, name.data, name.len, both);
    hash(key, behind, len, both + 8);
    hash(key, both, sizeof(both), out);
}

int tt_stored_encode(const struct tt_stored_key *key, struct tt_str name, int64_t version,
                     int64_t expires_ms, struct tt_str bytes, struct tt_buf *out)
{
    unsigned char *start = (unsigned char *)tt_buf_reserve(out, TT_STORED_HEAD + bytes.len);
    if (!start)
        return -1;
    memcpy(start, magic, sizeof(magic));
    put_u64(start + VERSION_AT, (uint64_t)version);
    put_u64(start + EXPIRES_AT, (uint64_t)expires_ms);
    if (bytes.len)
        memcpy(start + TT_STORED_HEAD, bytes.data, bytes.len);
    make_check(key, name, start + VERSION_AT, TT_STORED_HEAD - VERSION_AT + bytes.len,
               start + CHECK_AT);
    out->len += TT_STORED_HEAD + bytes.len;
    return 0;
}

struct tt_cache_value *tt_stored_decode(const struct tt_stored_key *key, struct tt_str name,
                                        struct tt_str stored, int64_t now_ms, uint64_t *left_ms)
{
    const unsigned char *start = (const unsigned char *)stored.data;
    unsigned char check[8];
    if (stored.len < TT_STORED_HEAD || memcmp(start, magic, sizeof(magic)) != 0)
        return NULL;
    make_check(key, name, start + VERSION_AT, stored.len - VERSION_AT, check);
    if (!tt_secret_equal(tt_str_of((const char *)check, sizeof(check)),
                         tt_str_of(stored.data + CHECK_AT, sizeof(check))))
        return NULL;
    int64_t expires_ms = (int64_t)get_u64(start + EXPIRES_AT);
    if (expires_ms <= now_ms)
        return NULL;
    uint64_t left = (uint64_t)expires_ms - (uint64_t)now_ms;
    *left_ms = left < LIFE_MAX_MS ? left : LIFE_MAX_MS;
    return tt_cache_value_new((int64_t)get_u64(start + VERSION_AT),
                              tt_str_of(stored.data + TT_STORED_HEAD, stored.len - TT_STORED_HEAD));
}
