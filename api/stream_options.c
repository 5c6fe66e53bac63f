/* SPDX-License-Identifier: MIT */
/* Each setting not given has its usual value, so that switching on is enough; and giving
 * one setting switches on. */
#include "api/stream_options.h"

#include <stdio.h>

struct settings {
    bool carry;
    int64_t size, steps;
    double theta, weight, rate, decay;
};

/* `value` is absent, a flag, or an object of settings; *on says which. */
static enum err read_settings(json_t *value, const char *pointer, const char *member,
                              const struct field *fields, size_t count,
                              struct settings *settings, bool *on,
                              struct field_errors *errors)
{
    char full[64];
    *on = value && !json_is_false(value) && !json_is_null(value);
    if (!*on || json_is_true(value))
        return ERR_OK;
    (void)snprintf(full, sizeof full, "%s/%s", pointer, member);
    if (!json_is_object(value))
        return field_errors_add(errors, full, "must be true, false or an object");
    return fields_read(value, full, fields, count, false, settings, errors);
}

static const struct field cache_fields[] = {
    {.name = "size",
     .type = FIELD_INTEGER,
     .offset = offsetof(struct settings, size),
     .minimum = 1,
     .maximum = LM_CACHE_SIZE_MAX},
    {.name = "theta",
     .type = FIELD_NUMBER,
     .offset = offsetof(struct settings, theta),
     .minimum = 0,
     .maximum = LM_CACHE_THETA_MAX},
    {.name = "weight",
     .type = FIELD_NUMBER,
     .offset = offsetof(struct settings, weight),
     .minimum = 0,
     .maximum = 0.999},
};

static const struct field dynamic_fields[] = {
    {.name = "learning_rate",
     .type = FIELD_NUMBER,
     .offset = offsetof(struct settings, rate),
     .minimum = 0,
     .maximum = LM_DYNAMIC_RATE_MAX,
     .exclusive = true},
    {.name = "decay",
     .type = FIELD_NUMBER,
     .offset = offsetof(struct settings, decay),
     .minimum = 0,
     .maximum = 1},
    {.name = "steps",
     .type = FIELD_INTEGER,
     .offset = offsetof(struct settings, steps),
     .minimum = 1,
     .maximum = LM_DYNAMIC_STEPS_MAX},
};

static struct settings usual_settings(void)
{
    return (struct settings){.size = (int64_t)lm_cache_usual.size,
                             .theta = lm_cache_usual.theta,
                             .weight = lm_cache_usual.weight,
                             .rate = lm_dynamic_usual.rate,
                             .decay = lm_dynamic_usual.decay,
                             .steps = (int64_t)lm_dynamic_usual.steps};
}

static void fill(const struct settings *settings, bool cache, bool dynamic,
                 struct lm_stream_options *options)
{
    *options = (struct lm_stream_options){.carry = settings->carry};
    if (cache)
        options->cache =
            (struct lm_cache){(size_t)settings->size, settings->theta, settings->weight};
    if (dynamic)
        options->dynamic = (struct lm_dynamic){settings->rate, settings->decay,
                                               (unsigned)settings->steps};
}

enum err stream_options_read(const struct stream_request *request, const char *pointer,
                             struct lm_stream_options *options,
                             struct field_errors *errors)
{
    struct settings settings = usual_settings();
    bool cache, dynamic;
    enum err code = read_settings(request->cache, pointer, "cache", cache_fields,
                                  sizeof cache_fields / sizeof *cache_fields, &settings,
                                  &cache, errors);
    enum err other = read_settings(request->dynamic, pointer, "dynamic", dynamic_fields,
                                   sizeof dynamic_fields / sizeof *dynamic_fields,
                                   &settings, &dynamic, errors);
    settings.carry = request->carry_given ? request->carry : cache || dynamic;
    fill(&settings, cache, dynamic, options);
    return code ? code : other;
}

void stream_options_of_arguments(const struct cli_arguments *arguments,
                                 struct lm_stream_options *options)
{
    struct settings settings = {.size = arguments->cache_size,
                                .theta = arguments->cache_theta,
                                .weight = arguments->cache_weight,
                                .rate = arguments->dynamic_rate,
                                .decay = arguments->dynamic_decay,
                                .steps = arguments->dynamic_steps};
    bool cache = arguments->cache || arguments->cache_size_given ||
                 arguments->cache_theta_given || arguments->cache_weight_given;
    bool dynamic = arguments->dynamic || arguments->dynamic_rate_given ||
                   arguments->dynamic_decay_given || arguments->dynamic_steps_given;
    settings.carry = arguments->carry || cache || dynamic;
    fill(&settings, cache, dynamic, options);
}
