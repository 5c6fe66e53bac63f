/* SPDX-License-Identifier: MIT */
/* The artefact checks its own checksums and lengths; here is checked that the sections
 * fit each other, because whoever drew the map was another process. */
#include "model/maps/map_file.h"

#include <stdlib.h>

#include "base/memory.h"
#include "model/artefact.h"
#include "model/maps/map_kernels.h"

static enum err write_words(struct artefact_writer *writer, const struct span *words,
                            size_t count)
{
    uint64_t *ends = memory_new_array(count, sizeof *ends), size = count;
    enum err code =
        ends ? artefact_open_section(writer, "words", ARTEFACT_BYTES) : ERR_NO_MEMORY;
    for (size_t i = 0; !code && i < count; i++) {
        ends[i] = (i ? ends[i - 1] : 0) + words[i].size;
        code = artefact_append(writer, words[i].bytes, words[i].size);
    }
    if (!code)
        code = artefact_close_section(writer);
    if (!code)
        code = artefact_put(writer, "ends", ARTEFACT_U64, 1, &size, ends);
    free(ends);
    return code;
}

enum err map_file_write(const struct map *map, const struct span *words,
                        const struct writer *to)
{
    struct artefact_writer *writer = NULL;
    const uint64_t points[] = {map->count, map->dims}, dims = map->dims,
                   iterations = map->iterations;
    enum err code = artefact_begin(to, "map", &writer);
    if (!code)
        code = artefact_put(writer, "points", ARTEFACT_F32, 2, points, map->points);
    if (!code)
        code = write_words(writer, words, map->count);
    if (!code)
        code = artefact_put(writer, "explained", ARTEFACT_F64, 1, &dims, map->explained);
    if (!code && iterations > 0)
        code = artefact_put(writer, "kl", ARTEFACT_F64, 1, &iterations, map->kl);
    if (!code)
        code = artefact_finish(writer);
    artefact_writer_free(writer);
    return code;
}

static enum err bad(struct err_info *info)
{
    return err_set(info, ERR_BAD_MODEL_FILE,
                   "The map file's sections do not fit together");
}

static enum err read_points(struct map_file *file, struct err_info *info)
{
    const struct artefact_section *points, *explained, *kl;
    enum err code =
        artefact_need(file->artefact, "points", ARTEFACT_F32, 2, &points, info);
    if (!code)
        code =
            artefact_need(file->artefact, "explained", ARTEFACT_F64, 1, &explained, info);
    if (code)
        return code;
    if (points->shape[1] < 1 || points->shape[1] > MAP_DIMS_MAX ||
        explained->shape[0] != points->shape[1])
        return bad(info);
    file->count = (size_t)points->shape[0];
    file->dims = (unsigned)points->shape[1];
    file->points = (const float *)(const void *)points->content.bytes;
    file->explained = (const double *)(const void *)explained->content.bytes;
    if (!artefact_find(file->artefact, "kl"))
        return ERR_OK;
    code = artefact_need(file->artefact, "kl", ARTEFACT_F64, 1, &kl, info);
    if (code)
        return code;
    file->kl = (const double *)(const void *)kl->content.bytes;
    file->iterations = (size_t)kl->shape[0];
    return ERR_OK;
}

static enum err read_words(struct map_file *file, struct err_info *info)
{
    const struct artefact_section *words, *ends;
    enum err code =
        artefact_need(file->artefact, "words", ARTEFACT_BYTES, 1, &words, info);
    if (!code)
        code = artefact_need(file->artefact, "ends", ARTEFACT_U64, 1, &ends, info);
    if (code)
        return code;
    if (ends->shape[0] != file->count)
        return bad(info);
    file->words = words->content.bytes;
    file->ends = (const uint64_t *)(const void *)ends->content.bytes;
    for (size_t i = 0; i < file->count; i++)
        if (file->ends[i] < (i ? file->ends[i - 1] : 0) ||
            file->ends[i] > words->content.size)
            return bad(info);
    return ERR_OK;
}

enum err map_file_read(struct span bytes, struct map_file *file, struct err_info *info)
{
    *file = (struct map_file){0};
    enum err code = artefact_parse(bytes, &file->artefact, info);
    if (!code)
        code = read_points(file, info);
    if (!code)
        code = read_words(file, info);
    if (code)
        map_file_fini(file);
    return code;
}

void map_file_fini(struct map_file *file)
{
    artefact_free(file->artefact);
    *file = (struct map_file){0};
}

struct span map_file_word(const struct map_file *file, size_t index)
{
    uint64_t first = index ? file->ends[index - 1] : 0;
    return span_of(file->words + first, (size_t)(file->ends[index] - first));
}
