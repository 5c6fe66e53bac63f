/* SPDX-License-Identifier: MIT */
/* The order of this folder's locks, after those of server/ranks.h: a thread that holds
 * one may only take another of a higher rank. */
#ifndef FIRTH_API_RANKS_H
#define FIRTH_API_RANKS_H

enum {
    RANK_API_PARSE = 70,    /* who may parse a large body */
    RANK_API_KEYS = 71,     /* the gate's copy of the keys */
    RANK_API_EXCHANGE = 72, /* what a loop and a handler share of one request */
    RANK_API_LOOP = 74      /* a loop's list of exchanges to attend to */
};

#endif
