/* One character of UTF-8, checked byte by byte; used by utf8.c and the JSON scanner. Inline,
 * because both call it for every non-ASCII character of a stream. Private to base. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define TT_UTF8_REPLACEMENT "\xEF\xBF\xBD" /* U+FFFD */

/* Looks at the character at p; n >= 1 bytes are available. Returns its length; 0 when all n bytes
 * could begin a valid character; or -k when the first k bytes are to be replaced by one U+FFFD (the
 * "maximal subpart" rule of Unicode 3.9, which browsers use too). */
static inline int tt_utf8_step(const unsigned char *p, size_t n)
{
    unsigned char first = p[0], low = 0x80, high = 0xBF;
    int length;
    if (first < 0x80)
        return 1;
    if (first < 0xC2 || first > 0xF4)
        return -1;
    if (first < 0xE0) {
        length = 2;
    } else if (first < 0xF0) {
        length = 3;
        if (first == 0xE0)
            low = 0xA0; /* overlong below */
        else if (first == 0xED)
            high = 0x9F; /* surrogates above */
    } else {
        length = 4;
        if (first == 0xF0)
            low = 0x90; /* overlong below */
        else if (first == 0xF4)
            high = 0x8F; /* above U+10FFFF */
    }
    for (int i = 1; i < length; i++) {
        if ((size_t)i >= n)
            return 0;
        if (p[i] < low || p[i] > high)
            return -i;
        low = 0x80;
        high = 0xBF;
    }
    return length;
}
