/* Counting characters by kind. Plain ASCII, most of common texts, is skipped many bytes at once:
 * the history of a conversation is counted with every turn. */
#include "reply/tokens.h"

#include "base/utf8.h"

#define HIGH_BITS 0x8080808080808080u

static size_t ascii_run(struct tt_str text)
{
    uint64_t word, four[4];
    size_t n = 0;

    while (n + sizeof(four) <= text.len) {
        memcpy(four, text.data + n, sizeof(four));
        if ((four[0] | four[1] | four[2] | four[3]) & HIGH_BITS)
            break;
        n += sizeof(four);
    }
    while (n + sizeof(word) <= text.len) {
        memcpy(&word, text.data + n, sizeof(word));
        if (word & HIGH_BITS)
            break;
        n += sizeof(word);
    }
    while (n < text.len && (unsigned char)text.data[n] < 0x80)
        n++;
    return n;
}

/* Hiragana and katakana with their extensions, and hangul syllables (Unicode 15, chapter 18). */
static bool is_syllable(uint32_t c)
{
    return (c >= 0x3040 && c <= 0x30FF) || (c >= 0x31F0 && c <= 0x31FF) ||
           (c >= 0xAC00 && c <= 0xD7A3);
}

uint64_t tt_tokens_quarters(struct tt_str text)
{
    uint64_t quarters = 0;
    uint32_t c;

    while (text.len > 0) {
        size_t n = ascii_run(text);
        quarters += n;
        if (n == 0) {
            n = tt_utf8_decode(text, &c);
            quarters += n && (tt_utf8_is_ideograph(c) || is_syllable(c)) ? 4 : 2;
            n = n ? n : 1;
        }
        text.data += n;
        text.len -= n;
    }
    return quarters;
}
