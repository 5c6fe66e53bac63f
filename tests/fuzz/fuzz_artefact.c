/* SPDX-License-Identifier: MIT */
/* Fuzz target: a model file of any content is refused, or answers requests without harm.
 *
 * The first byte chooses whether the file is taken as it is or with its checksums made
 * right, because a fuzzer would hardly ever get past a CRC by itself. What loads is asked
 * for everything that inference offers. */
#include <stdint.h>
#include <string.h>

#include "base/memory.h"
#include "model/artefact.h"
#include "model/lm/infer_generate.h"
#include "model/lm/infer_next.h"
#include "model/lm/infer_score.h"
#include "model/lm/lm.h"
#include "model/model.h"
#include "tests/support/repair.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(const struct target *target)
{
    struct span text = span_of_text("a b <unk> zebra c");
    struct score_options options = {.bos = true, .eos = true, .tokens = true};
    struct score_answer score;
    struct next_request next = {
        .context = text, .k = 3, .words = &text, .word_count = 1, .temperature = 1};
    struct next_answer predicted;
    struct generate_request request = {
        .prompt = text, .max_tokens = 4, .temperature = 1, .top_p = 0.9, .n = 2};
    struct generate_answer generated;
    if (infer_score(target, &options, &text, 1, &score, NULL) == ERR_OK)
        score_answer_fini(&score);
    if (infer_next(target, &next, &predicted, NULL) == ERR_OK)
        next_answer_fini(&predicted);
    if (infer_generate(target, &request, &generated, NULL) == ERR_OK)
        generate_answer_fini(&generated);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct model *model;
    struct target target;
    if (size < 1)
        return 0;
    char *bytes = memory_new_aligned(size - 1, 1);
    if (!bytes)
        return 0;
    memcpy(bytes, data + 1, size - 1);
    if (data[0] & 1)
        repair_checksums(bytes, size - 1);
    if (model_load_take(bytes, size - 1, &model, NULL) != ERR_OK)
        return 0;
    if (target_of_model(model, &target, NULL) == ERR_OK)
        ask(&target);
    model_release(model);
    return 0;
}
