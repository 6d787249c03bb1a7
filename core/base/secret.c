/* Random bytes, hashes and comparison in constant time: thin wrappers, so that callers name what
 * they want and libsodium stays in one layer. Keys are in keys.c, sealing in seal.c, tokens in
 * token.c, passwords in password.c. */
#include "base/secret.h"

#include <errno.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <unistd.h>

void tt_secret_setup(void)
{
    if (sodium_init() < 0)
        abort();
}

void tt_random_bytes(void *out, size_t size)
{
    randombytes_buf(out, size);
}

void tt_random_hex(char *out, size_t digits)
{
    static const char hex[] = "0123456789abcdef";
    randombytes_buf(out, digits);
    for (size_t i = 0; i < digits; i++)
        out[i] = hex[(unsigned char)out[i] & 15];
    out[digits] = '\0';
}

void tt_sha256(struct tt_str data, unsigned char out[TT_SHA256_SIZE])
{
    const char *bytes = data.data ? data.data : "";
    crypto_hash_sha256(out, (const unsigned char *)bytes, data.len);
}

void tt_sha256_hex(struct tt_str data, char out[TT_SHA256_SIZE * 2 + 1])
{
    unsigned char hash[TT_SHA256_SIZE];
    tt_sha256(data, hash);
    sodium_bin2hex(out, TT_SHA256_SIZE * 2 + 1, hash, sizeof(hash));
}

int tt_sha256_hex_of_file(int fd, uint64_t offset, uint64_t length,
                          char out[TT_SHA256_SIZE * 2 + 1])
{
    unsigned char hash[TT_SHA256_SIZE], piece[65536];
    crypto_hash_sha256_state state;

    crypto_hash_sha256_init(&state);
    while (length > 0) {
        ssize_t n = pread(fd, piece, length < sizeof(piece) ? (size_t)length : sizeof(piece),
                          (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            errno = n < 0 ? errno : ENODATA;
            return -1;
        }
        crypto_hash_sha256_update(&state, piece, (size_t)n);
        offset += (uint64_t)n;
        length -= (uint64_t)n;
    }
    crypto_hash_sha256_final(&state, hash);
    sodium_bin2hex(out, TT_SHA256_SIZE * 2 + 1, hash, sizeof(hash));
    return 0;
}

void tt_hmac_sha256(struct tt_str key, struct tt_str data, unsigned char out[TT_SHA256_SIZE])
{
    crypto_auth_hmacsha256_state state;
    crypto_auth_hmacsha256_init(&state, (const unsigned char *)(key.data ? key.data : ""), key.len);
    crypto_auth_hmacsha256_update(&state, (const unsigned char *)(data.data ? data.data : ""),
                                  data.len);
    crypto_auth_hmacsha256_final(&state, out);
    sodium_memzero(&state, sizeof(state));
}

static unsigned char tag_key[crypto_generichash_KEYBYTES];

static void make_tag_key(void)
{
    randombytes_buf(tag_key, sizeof(tag_key));
}

uint64_t tt_secret_tag(struct tt_str secret)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    unsigned char hash[crypto_generichash_BYTES];
    uint64_t tag;
    pthread_once(&once, make_tag_key);
    crypto_generichash(hash, sizeof(hash), (const unsigned char *)secret.data, secret.len, tag_key,
                       sizeof(tag_key));
    memcpy(&tag, hash, sizeof(tag));
    return tag;
}

bool tt_secret_equal(struct tt_str a, struct tt_str b)
{
    return a.len == b.len && (a.len == 0 || sodium_memcmp(a.data, b.data, a.len) == 0);
}
