/* SPDX-License-Identifier: MIT */
/* Making the checksums of a damaged model file right again, so that a test gets past them
 * to what the loaders themselves check. */
#ifndef FIRTH_TESTS_SUPPORT_REPAIR_H
#define FIRTH_TESTS_SUPPORT_REPAIR_H

#include <stddef.h>

/* Where the table and its sections still lie inside the file, their checksums are
 * calculated anew, those of model files inside it first. */
void repair_checksums(char *bytes, size_t size);

#endif
