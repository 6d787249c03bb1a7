/* Passwords: Argon2id with OWASP's minimum (19 MiB, two passes). Parameters and salt are in the
 * stored text, so they can be raised later and old passwords still work. Blocks for ~20 ms. */
#include "base/secret.h"

#include <sodium.h>

#define PASSES 2
#define MEMORY ((size_t)19 * 1024 * 1024)

int tt_password_hash(struct tt_str password, struct tt_buf *out, struct tt_err *err)
{
    char hash[crypto_pwhash_STRBYTES];
    const char *text = password.data ? password.data : "";
    if (crypto_pwhash_str_alg(hash, text, password.len, PASSES, MEMORY,
                              crypto_pwhash_ALG_ARGON2ID13) < 0)
        return tt_err_set(err, 503, "no_memory", "no memory for a password hash");
    if (tt_buf_append_z(out, hash) < 0)
        return tt_err_set(err, 500, "internal_error", "a password hash did not fit");
    return 0;
}

bool tt_password_verify(struct tt_str hash, struct tt_str password)
{
    /* libsodium reads up to its full size, whatever the text's length. */
    char padded[crypto_pwhash_STRBYTES] = {0};
    const char *text = password.data ? password.data : "";
    if (hash.len == 0 || hash.len >= sizeof(padded))
        return false;
    memcpy(padded, hash.data, hash.len);
    return crypto_pwhash_str_verify(padded, text, password.len) == 0;
}
