/* Passwords: Argon2id with OWASP's minimum (19 MiB, two passes). Parameters and salt are in the
 * stored text, so they can be raised later and old passwords still work. Blocks for ~20 ms. */
#include "base/secret.h"

#include <sodium.h>
#include <stdio.h>

static unsigned long long hash_passes = 2;
static size_t hash_memory = (size_t)19 * 1024 * 1024;

#define HASH_SIZE 32 /* of Argon2 in libsodium's texts */

void tt_password_make_cheap(void)
{
    hash_passes = crypto_pwhash_OPSLIMIT_MIN;
    hash_memory = crypto_pwhash_MEMLIMIT_MIN;
}

int tt_password_hash(struct tt_str password, struct tt_buf *out, struct tt_err *err)
{
    char hash[crypto_pwhash_STRBYTES];
    const char *text = password.data ? password.data : "";
    if (crypto_pwhash_str_alg(hash, text, password.len, hash_passes, hash_memory,
                              crypto_pwhash_ALG_ARGON2ID13) < 0)
        return tt_err_set(err, 503, "no_memory", "no memory for a password hash");
    if (tt_buf_append_z(out, hash) < 0)
        return tt_err_set(err, 500, "internal_error", "a password hash did not fit");
    return 0;
}

/* The parts of a stored text that tt_password_hash makes. */
struct stored {
    unsigned long long passes;
    size_t memory;
    unsigned char salt[crypto_pwhash_SALTBYTES];
    unsigned char hash[HASH_SIZE];
};

/* One part up to '$', in base64 without padding. */
static bool take_bytes(const char **text, unsigned char *out, size_t size)
{
    size_t len = strcspn(*text, "$"), got = 0;
    const char *from = *text;
    *text += len + ((*text)[len] == '$');
    return sodium_base642bin(out, size, from, len, NULL, &got, NULL,
                             sodium_base64_VARIANT_ORIGINAL_NO_PADDING) == 0 &&
           got == size;
}

static bool parse(const char *text, struct stored *stored)
{
    unsigned kibibytes = 0, passes = 0;
    int head = 0;
    if (sscanf(text, "$argon2id$v=19$m=%8u,t=%4u,p=1$%n", &kibibytes, &passes, &head) != 2 || !head)
        return false;
    text += head;
    stored->memory = (size_t)kibibytes * 1024;
    stored->passes = passes;
    return take_bytes(&text, stored->salt, sizeof(stored->salt)) &&
           take_bytes(&text, stored->hash, sizeof(stored->hash)) && !*text;
}

/* Not by crypto_pwhash_str_verify, which tells "no memory" as a password that is another. */
int tt_password_verify(struct tt_str hash, struct tt_str password, bool *equal, struct tt_err *err)
{
    char text[crypto_pwhash_STRBYTES] = {0};
    unsigned char made[HASH_SIZE];
    struct stored stored;

    *equal = false;
    if (hash.len == 0 || hash.len >= sizeof(text))
        return 0;
    memcpy(text, hash.data, hash.len);
    if (!parse(text, &stored))
        return 0; /* such a text is no password's */
    if (crypto_pwhash(made, sizeof(made), password.data ? password.data : "", password.len,
                      stored.salt, stored.passes, stored.memory, crypto_pwhash_ALG_ARGON2ID13) != 0)
        return tt_err_set(err, 503, "no_memory", "no memory to check a password");
    *equal = sodium_memcmp(made, stored.hash, sizeof(made)) == 0;
    sodium_memzero(made, sizeof(made));
    return 0;
}
