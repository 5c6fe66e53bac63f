/* SPDX-License-Identifier: MIT */
#include "model/text/vocab.h"
size_t vocab_near_spellings(const struct vocab *vocab, struct span word, uint32_t *ids,
                            size_t most)
{
    (void)vocab;
    (void)word;
    (void)ids;
    (void)most;
    return 0;
}
