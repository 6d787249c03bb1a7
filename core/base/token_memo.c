/* A table of fixed size: each token has one place, and whoever comes later to the same place takes
 * it. Refused tokens are not kept, so that made-up ones drive nobody's out. */
#include "base/token_memo.h"

#include "base/mem.h"

#include <sodium.h>
#include <stdlib.h>

#define PLACES 256 /* a power of two */

struct place {
    unsigned char hash[crypto_shorthash_siphashx24_BYTES]; /* zeros and exp 0: free */
    struct tt_claims claims;
};

struct tt_token_memo {
    unsigned char key[crypto_shorthash_siphashx24_KEYBYTES];
    struct tt_claims fresh; /* of a token that was verified just now */
    struct place places[PLACES];
};

struct tt_token_memo *tt_token_memo_new(void)
{
    struct tt_token_memo *memo = TT_NEW(struct tt_token_memo);
    tt_random_bytes(memo->key, sizeof(memo->key));
    return memo;
}

void tt_token_memo_free(struct tt_token_memo *memo)
{
    free(memo);
}

const struct tt_claims *tt_token_memo_verify(struct tt_token_memo *memo, const struct tt_keys *keys,
                                             struct tt_str token, int64_t now_s, struct tt_err *err)
{
    unsigned char hash[crypto_shorthash_siphashx24_BYTES];

    crypto_shorthash_siphashx24(hash, (const unsigned char *)(token.data ? token.data : ""),
                                token.len, memo->key);
    struct place *place = &memo->places[hash[0] & (PLACES - 1)];
    /* One that is found expired here is checked again, which says so. */
    if (now_s < place->claims.exp && memcmp(place->hash, hash, sizeof(hash)) == 0)
        return &place->claims;
    if (tt_token_verify(keys, token, now_s, &memo->fresh, err) != 0)
        return NULL;
    memcpy(place->hash, hash, sizeof(hash));
    place->claims = memo->fresh;
    return &place->claims;
}
