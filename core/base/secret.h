/* Operations on secret bytes: random numbers, hashes, sealing of stored keys, tokens and passwords;
 * all of it from libsodium. Keys are in struct tt_keys, whose owner wipes them. */
#pragma once
#include "base/buf.h"
#include "base/err.h"

#define TT_KEY_SIZE    32
#define TT_SHA256_SIZE 32

/* Must be called once before anything here. Aborts when libsodium cannot start. */
void tt_secret_setup(void);

void tt_random_bytes(void *out, size_t size);
void tt_random_hex(char *out, size_t digits); /* `digits` hex digits and a NUL */
void tt_sha256(struct tt_str data, unsigned char out[TT_SHA256_SIZE]);
void tt_sha256_hex(struct tt_str data, char out[TT_SHA256_SIZE * 2 + 1]);
/* Of `length` bytes of a file from `offset` on. -1 with errno when it cannot be read or is shorter.
 */
int tt_sha256_hex_of_file(int fd, uint64_t offset, uint64_t length,
                          char out[TT_SHA256_SIZE * 2 + 1]);
void tt_hmac_sha256(struct tt_str key, struct tt_str data, unsigned char out[TT_SHA256_SIZE]);
/* A number that distinguishes secrets within this process and reveals nothing about them. Thread:
 * any. */
uint64_t tt_secret_tag(struct tt_str secret);
bool tt_secret_equal(struct tt_str a, struct tt_str b); /* in constant time for equal lengths */

#define TT_MAC_SIZE 256 /* has room for libsodium's state */

/* The master key of a data folder and the keys derived from it (crypto_kdf), one per purpose. */
struct tt_keys {
    unsigned char token[TT_KEY_SIZE];                  /* signs tokens (HS256) */
    _Alignas(16) unsigned char token_mac[TT_MAC_SIZE]; /* HMAC's state with that key in it */
    unsigned char seal[TT_KEY_SIZE];                   /* seals API keys at rest */
    unsigned char relay[TT_KEY_SIZE];                  /* signs requests between nodes */
    char seal_id[9];                                   /* names the sealing key inside records */
};

/* Reads the key file (64 hex digits), or creates it at random with mode 0600 on first use. Refused
 * when group or others have any right on it, or when it is not a regular file: code
 * "secret_file_unsafe". Modes 440, 444 and 640 are only logged as a warning if the file is root's
 * or of a group of this process: so are mounted secrets. A link is followed if only root or this
 * user can replace it. Owns: the caller wipes with tt_keys_wipe.
 */
int tt_keys_load(struct tt_keys *keys, const char *path, struct tt_err *err);
void tt_keys_wipe(struct tt_keys *keys);
/* Fills in token_mac from `token`; tt_keys_load has done it. */
void tt_keys_prepare(struct tt_keys *keys);

/* Seals text with XChaCha20-Poly1305; `bound` is authenticated with it (e.g. "user:1:api:7"), so a
 * record copied to another row does not open. The result is text: "v1.<key id>.<base64>". */
int tt_seal(const struct tt_keys *keys, struct tt_str plain, struct tt_str bound,
            struct tt_buf *out);
/* Appends the plain text; -1 with code "secret_unreadable". */
int tt_unseal(const struct tt_keys *keys, struct tt_str sealed, struct tt_str bound,
              struct tt_buf *out, struct tt_err *err);

/* From now on hashes cost next to nothing and protect nothing: for tests of scripts. Thread: before
 * others begin. */
void tt_password_make_cheap(void);

/* Argon2id (19 MiB, t=2: OWASP's minimum). Both take ~20 ms and 19 MiB: aux threads only. */
int tt_password_hash(struct tt_str password, struct tt_buf *out, struct tt_err *err);
/* *equal: whether it is the hash's password; `hash` is NUL-terminated. Fails: "no_memory" (503),
 * which says nothing about the password. */
int tt_password_verify(struct tt_str hash, struct tt_str password, bool *equal, struct tt_err *err);

/* Claims of an access token (RFC 7519), HS256 only. */
struct tt_claims {
    int64_t sub;      /* user id */
    int64_t version;  /* the user's token_version when the token was made (claim "ver") */
    int64_t iat, exp; /* seconds */
    char jti[33];
    char username[256];
    char role[16];
};
int tt_token_sign(const struct tt_keys *keys, const struct tt_claims *claims, struct tt_buf *out);
/* Checks algorithm (anything but HS256 is refused), signature, exp and shape. -1 with code
 * "invalid_token" or "token_expired". */
int tt_token_verify(const struct tt_keys *keys, struct tt_str token, int64_t now_s,
                    struct tt_claims *out, struct tt_err *err);
