/* SPDX-License-Identifier: MIT */
/* The rows of the neural language models for the table of kinds. */
#ifndef FIRTH_MODEL_NEURAL_NEURAL_KINDS_H
#define FIRTH_MODEL_NEURAL_NEURAL_KINDS_H

#include "model/kinds.h"

extern const struct kind kind_nplm, kind_rnn, kind_gru, kind_lstm, kind_mlstm;

#endif
