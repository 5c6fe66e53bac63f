/* SPDX-License-Identifier: MIT */
/* Frames and messages: what goes in comes out; what is cut, flipped or invented is
 * refused, never believed and never read past its end. */
#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "server/frames.h"
#include "server/messages.h"

static struct buffer encoded(enum frame_type type, const char *payload, size_t size)
{
    struct buffer buffer;
    buffer_init(&buffer, 4 << 20);
    ck_assert_int_eq(frame_encode(&buffer, type, span_of(payload, size)), ERR_OK);
    return buffer;
}

START_TEST(frames_come_out_as_they_went_in_however_cut)
{
    static const size_t pieces[] = {1, 2, 7, 11, 12, 13, 1000};
    struct buffer stream;
    buffer_init(&stream, 1 << 20);
    for (int i = 0; i < 20; i++) {
        char payload[64];
        memset(payload, 'a' + i, sizeof payload);
        ck_assert_int_eq(
            frame_encode(&stream, FRAME_NOTE, span_of(payload, (size_t)i * 3)), ERR_OK);
    }
    for (size_t p = 0; p < sizeof pieces / sizeof pieces[0]; p++) {
        struct frame_decoder decoder;
        struct frame frame;
        size_t seen = 0;
        frame_decoder_init(&decoder);
        for (size_t at = 0; at < stream.size; at += pieces[p]) {
            size_t rest = stream.size - at;
            bool have = true;
            ck_assert_int_eq(frame_decoder_give(&decoder, stream.bytes + at,
                                                rest < pieces[p] ? rest : pieces[p]),
                             ERR_OK);
            while (have) {
                ck_assert_int_eq(frame_decoder_next(&decoder, &frame, &have), ERR_OK);
                if (!have)
                    break;
                ck_assert_int_eq(frame.type, FRAME_NOTE);
                ck_assert_uint_eq(frame.payload.size, seen * 3);
                for (size_t i = 0; i < frame.payload.size; i++)
                    ck_assert_int_eq(frame.payload.bytes[i], 'a' + (char)seen);
                seen++;
            }
        }
        ck_assert_uint_eq(seen, 20);
        frame_decoder_fini(&decoder);
    }
    buffer_fini(&stream);
}
END_TEST

/* Gives all bytes at once; the number of frames, or -1 for a refusal. */
static int decode(const char *bytes, size_t size)
{
    struct frame_decoder decoder;
    struct frame frame;
    bool have = true;
    int frames = 0;
    frame_decoder_init(&decoder);
    enum err code = frame_decoder_give(&decoder, bytes, size);
    while (!code && have) {
        code = frame_decoder_next(&decoder, &frame, &have);
        frames += have;
    }
    if (code)
        ck_assert_int_eq(frame_decoder_give(&decoder, "", 0), ERR_PROTOCOL);
    frame_decoder_fini(&decoder);
    return code ? -1 : frames;
}

START_TEST(every_flipped_bit_is_noticed)
{
    struct buffer frame = encoded(FRAME_METRIC, "some payload", 12);
    ck_assert_int_eq(decode(frame.bytes, frame.size), 1);
    for (size_t bit = 0; bit < frame.size * 8; bit++) {
        frame.bytes[bit / 8] = (char)(frame.bytes[bit / 8] ^ (1 << bit % 8));
        ck_assert_int_lt(decode(frame.bytes, frame.size), 1);
        frame.bytes[bit / 8] = (char)(frame.bytes[bit / 8] ^ (1 << bit % 8));
    }
    for (size_t size = 0; size < frame.size; size++)
        ck_assert_int_eq(decode(frame.bytes, size), 0);
    buffer_fini(&frame);
}
END_TEST

START_TEST(large_frames_are_refused_on_both_sides)
{
    char *payload = calloc(1, FRAME_PAYLOAD_MAX + 1);
    struct buffer frame = encoded(FRAME_ARTEFACT, payload, FRAME_PAYLOAD_MAX);
    struct buffer none;
    buffer_init(&none, 4 << 20);
    ck_assert_int_eq(
        frame_encode(&none, FRAME_ARTEFACT, span_of(payload, FRAME_PAYLOAD_MAX + 1)),
        ERR_LIMIT);
    ck_assert_uint_eq(none.size, 0);
    ck_assert_int_eq(decode(frame.bytes, FRAME_CHUNK), 0);
    unsigned char size[4] = {1, 0, 16, 0}; /* one more than the largest */
    memcpy(frame.bytes, size, sizeof size);
    ck_assert_int_eq(decode(frame.bytes, FRAME_HEAD), -1);
    memset(frame.bytes, 0xff, 4);
    ck_assert_int_eq(decode(frame.bytes, FRAME_HEAD), -1);
    buffer_fini(&none);
    buffer_fini(&frame);
    free(payload);
}
END_TEST

START_TEST(random_bytes_are_never_a_frame)
{
    struct random random;
    random_seed(&random, 1, 0);
    for (int i = 0; i < 20000; i++) {
        char bytes[64];
        size_t size = random_below(&random, sizeof bytes);
        for (size_t at = 0; at < size; at++)
            bytes[at] = (char)random_next(&random);
        if (size > 8 && i % 2) /* a believable head */
            memcpy(bytes, (char[]){(char)(i % 40), 0, 0, 0, 5, 0, 0x7a, (char)0xf1}, 8);
        ck_assert_int_lt(decode(bytes, size), 1);
    }
}
END_TEST

static struct train_result a_result(void)
{
    struct train_result result = {.parameters = 123456789012, .vocab_size = 77};
    result.metric_count = 2;
    snprintf(result.metrics[0].name, sizeof result.metrics[0].name, "valid_perplexity");
    result.metrics[0].value = 181.59;
    snprintf(result.metrics[1].name, sizeof result.metrics[1].name, "odd");
    result.metrics[1].value = -1.0 / 0.0;
    snprintf(result.notes, sizeof result.notes, "fell back\nto two");
    return result;
}

START_TEST(messages_come_back_whole)
{
    struct buffer bytes;
    buffer_init(&bytes, 1 << 20);
    struct hello_message hello = {.parent = 42,
                                  .has_resume = true,
                                  .components = 3,
                                  .beat_s = 0.5,
                                  .work = "maps",
                                  .scratch = "/tmp/x",
                                  .spec = span_of_text("kind ngram\n")};
    struct hello_message hello_back;
    hello_write(&hello, &bytes);
    ck_assert(hello_read(span_of(bytes.bytes, bytes.size), &hello_back));
    ck_assert(hello_back.has_resume && !hello_back.has_valid && !hello_back.has_text);
    ck_assert_str_eq(hello_back.work, "maps");
    ck_assert_uint_eq(hello_back.components, 3);
    ck_assert_str_eq(hello_back.scratch, "/tmp/x");
    ck_assert(span_equal(hello_back.spec, hello.spec));
    buffer_clear(&bytes);

    struct train_result result = a_result(), result_back;
    uint64_t size;
    result_write(&result, 99, &bytes);
    ck_assert(result_read(span_of(bytes.bytes, bytes.size), &result_back, &size));
    ck_assert_uint_eq(size, 99);
    ck_assert_uint_eq(result_back.parameters, result.parameters);
    ck_assert_uint_eq(result_back.metric_count, 2);
    ck_assert_str_eq(result_back.metrics[1].name, "odd");
    ck_assert(result_back.metrics[1].value == result.metrics[1].value);
    ck_assert_str_eq(result_back.notes, result.notes);
    buffer_clear(&bytes);

    struct err_info info = {0}, info_back;
    err_set_place(&info, ERR_BAD_UTF8, 17, 3, "bad byte");
    error_write(ERR_BAD_UTF8, &info, &bytes);
    ck_assert(error_read(span_of(bytes.bytes, bytes.size), &info_back));
    ck_assert_int_eq(info_back.code, ERR_BAD_UTF8);
    ck_assert(info_back.has_offset && info_back.has_line);
    ck_assert_uint_eq(info_back.offset, 17);
    ck_assert_str_eq(info_back.message, "bad byte");
    buffer_fini(&bytes);
}
END_TEST

/* Asks every reader; they may say yes or no, but must not read outside. The copy has no
 * byte to spare, so that a sanitizer or the guard would see it. */
static void ask_all(const char *bytes, size_t size)
{
    char *copy = malloc(size ? size : 1);
    struct hello_message hello;
    struct progress_message progress;
    struct metric_message metric;
    struct train_result result;
    struct err_info info;
    uint64_t a, b;
    memcpy(copy, bytes, size);
    struct span span = span_of(copy, size);
    if (hello_read(span, &hello))
        ck_assert_uint_le(hello.components, PARAM_LIST_MAX);
    if (progress_read(span, &progress))
        ck_assert_uint_lt(strlen(progress.phase), sizeof progress.phase);
    if (metric_read(span, &metric))
        ck_assert_uint_lt(strlen(metric.series), sizeof metric.series);
    if (result_read(span, &result, &a))
        ck_assert_uint_le(result.metric_count, TRAIN_METRICS_MAX);
    if (error_read(span, &info))
        ck_assert(info.code > ERR_OK && info.code < ERR_COUNT);
    ck_assert(messages_number_read(span, &a) == (size == 8));
    ck_assert(checkpoint_end_read(span, &a, &b) == (size == 16));
    free(copy);
}

START_TEST(damaged_messages_are_refused)
{
    struct buffer bytes;
    struct train_result result = a_result(), back;
    uint64_t size;
    buffer_init(&bytes, 1 << 20);
    result_write(&result, 99, &bytes);
    for (size_t cut = 0; cut < bytes.size; cut++) {
        ask_all(bytes.bytes, cut);
        ck_assert(!result_read(span_of(bytes.bytes, cut), &back, &size));
    }
    ck_assert_int_eq(buffer_append_char(&bytes, 0), ERR_OK);
    ck_assert(!result_read(span_of(bytes.bytes, bytes.size), &back, &size));
    struct random random;
    random_seed(&random, 2, 0);
    for (int i = 0; i < 20000; i++) {
        size_t at = random_below(&random, bytes.size);
        char kept = bytes.bytes[at];
        bytes.bytes[at] = (char)random_next(&random);
        ask_all(bytes.bytes, bytes.size - random_below(&random, 2));
        bytes.bytes[at] = kept;
    }
    buffer_fini(&bytes);
}
END_TEST

UNIT_SUITE(frames)
{
    tcase_add_test(unit, frames_come_out_as_they_went_in_however_cut);
    tcase_add_test(unit, every_flipped_bit_is_noticed);
    tcase_add_test(unit, large_frames_are_refused_on_both_sides);
    tcase_add_test(unit, random_bytes_are_never_a_frame);
    tcase_add_test(unit, messages_come_back_whole);
    tcase_add_test(unit, damaged_messages_are_refused);
}
