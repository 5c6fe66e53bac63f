-- SPDX-License-Identifier: MIT
-- Jobs that make no model: what they are given and what they answer are objects of their
-- own, and they queue in another lane than the trainings, which may take hours.
ALTER TABLE job ADD COLUMN lane INTEGER NOT NULL DEFAULT 0;
DROP INDEX job_by_state;
CREATE INDEX job_by_state ON job (state, lane, serial);

-- "job" is the job's serial. role: 0 what it was given, 1 what it answers.
CREATE TABLE job_object (
    job    INTEGER NOT NULL,
    role   INTEGER NOT NULL CHECK (role BETWEEN 0 AND 1),
    object INTEGER NOT NULL UNIQUE REFERENCES object (id),
    PRIMARY KEY (job, role)
) STRICT, WITHOUT ROWID;
