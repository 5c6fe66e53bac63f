/* SPDX-License-Identifier: MIT */
/* Placeholder until the folder's first test file is here. */
#include "tests/support/unit.h"

UNIT_SUITE(vectors_none)
{
    (void)unit;
}
