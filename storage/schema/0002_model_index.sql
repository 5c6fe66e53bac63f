-- SPDX-License-Identifier: MIT
-- What was computed from a model's file and is kept beside it: the index of approximate
-- search. "model" is the model's serial, so that it goes with that version of the model.
CREATE TABLE model_index (
    model  INTEGER PRIMARY KEY,
    object INTEGER NOT NULL UNIQUE REFERENCES object (id)
) STRICT;
